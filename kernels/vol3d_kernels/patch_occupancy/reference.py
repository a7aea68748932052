"""Which patches hold something, in plain torch."""

from __future__ import annotations

import torch


def occupancy_reference(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_zyx: tuple[int, int, int],
    threshold: float,
) -> torch.Tensor:
    """Returns uint8 flags of all patches of all volumes, one volume after the other, C order."""
    flags, first = [], 0
    for z, y, x in shapes_zyx.tolist():
        pz, py, px = patch_zyx
        volume = voxels[first : first + z * y * x].reshape(z // pz, pz, y // py, py, x // px, px)
        flags.append((volume > threshold).any(5).any(3).any(1).flatten())
        first += z * y * x
    found = torch.cat(flags) if flags else torch.zeros(0, dtype=torch.bool, device=voxels.device)
    return found.to(torch.uint8)
