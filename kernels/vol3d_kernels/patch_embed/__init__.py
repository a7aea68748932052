"""Packed volumes to patch tokens, windows computed on the fly."""

from __future__ import annotations

import torch

from vol3d_kernels.dispatch import implementation_for
from vol3d_kernels.patch_embed.reference import patch_embed_reference

__all__ = ["patch_embed"]


def patch_embed(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    position: torch.Tensor | None = None,
    norm: tuple[torch.Tensor, torch.Tensor] | None = None,
    norm_eps: float = 1e-5,
    implementation: str | None = None,
) -> torch.Tensor:
    """Returns one token per listed patch: ``bias + sum(weight * windowed voxels of the patch)``.

    Shapes: V volumes, N patches, C channels (windows), E embedding width.

    Args:
        voxels: (sum of Z*Y*X,) int16 or float; the volumes one after the other, each in C order.
        shapes_zyx: (V, 3) int64; every axis a multiple of the patch.
        patch_volume: (N,) int64; which volume each patch belongs to.
        patch_index_zyx: (N, 3) int64; grid index of each patch (voxel index divided by the patch).
        windows: (V, C, 2) float32; lower and upper bound per volume and channel, in voxel units.
            Channel c is ``clamp((voxel - lower) / (upper - lower), 0, 1) * 2 - 1``.
        weight: (E, C, pz, py, px).
        bias: (E,) or None.
        position: (N, E) added to the tokens, or None.
        norm: Scale and shift, (C * pz * py * px,) each, of a layer norm over a patch's windowed
            voxels before the product, as published encoders have it; or None.
        norm_eps: Epsilon of that layer norm.
        implementation: ``auto``, ``triton`` or ``reference``; ``None`` asks ``VOL3D_KERNELS``.

    Returns:
        (N, E) in the dtype of ``weight``. Gradients reach weight, bias, position and norm, never
        the scan; for them patches are windowed again, not saved. The same bits on every run with
        one plan (see ``VOL3D_PATCH_EMBED``).

    Raises:
        ValueError: Shapes contradict each other, or a volume is not a multiple of the patch. What
            lies in tensors on a GPU is not checked: that would wait for the device.
    """
    _check(voxels, shapes_zyx, patch_volume, patch_index_zyx, windows, weight)
    _check_added(patch_volume, weight, position, norm)
    if not (torch.compiler.is_compiling() or voxels.is_cuda):
        _check_values(voxels, shapes_zyx, patch_volume, patch_index_zyx, windows, weight)
    used = implementation_for(voxels, implementation)
    voxels, windows = voxels.detach(), windows.detach()
    bias = None if bias is None else bias.to(weight.dtype)
    position = None if position is None else position.to(weight.dtype)
    scale, shift = (None, None) if norm is None else norm
    if used == "reference" and not torch.compiler.is_compiling():
        return patch_embed_reference(
            voxels, shapes_zyx, patch_volume, patch_index_zyx, windows, weight, bias,
            position, scale, shift, norm_eps,
        )  # fmt: skip
    from vol3d_kernels.patch_embed.op import patch_embed_op

    tokens: torch.Tensor = patch_embed_op(
        voxels, shapes_zyx, patch_volume, patch_index_zyx, windows, weight, bias,
        position, scale, shift, norm_eps, used,
    )  # fmt: skip
    return tokens


def _check(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
) -> None:
    if weight.ndim != 5 or windows.shape != (len(shapes_zyx), weight.shape[1], 2):
        raise ValueError(
            f"patch_embed: windows {tuple(windows.shape)} and weight {tuple(weight.shape)}; "
            f"expected windows (V={len(shapes_zyx)}, C, 2) and weight (E, C, pz, py, px), one C."
        )
    if patch_index_zyx.shape != (len(patch_volume), 3):
        raise ValueError(
            f"patch_embed: patch_index_zyx {tuple(patch_index_zyx.shape)}; expected "
            f"({len(patch_volume)}, 3), one grid index per entry of patch_volume."
        )
    if voxels.ndim != 1:
        raise ValueError(
            f"patch_embed: voxels {tuple(voxels.shape)}; expected a flat tensor, volumes one after "
            "the other."
        )


def _check_added(
    patch_volume: torch.Tensor,
    weight: torch.Tensor,
    position: torch.Tensor | None,
    norm: tuple[torch.Tensor, torch.Tensor] | None,
) -> None:
    if position is not None and position.shape != (len(patch_volume), len(weight)):
        raise ValueError(
            f"patch_embed: position {tuple(position.shape)}; expected "
            f"({len(patch_volume)}, {len(weight)}), one row per patch."
        )
    size = weight[0].numel()
    if norm is not None and any(each.shape != (size,) for each in norm):
        raise ValueError(
            f"patch_embed: norm {[tuple(each.shape) for each in norm]}; expected scale and shift "
            f"of ({size},), the windowed voxels of a patch."
        )


def _check_values(
    voxels: torch.Tensor,
    shapes_zyx: torch.Tensor,
    patch_volume: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    windows: torch.Tensor,
    weight: torch.Tensor,
) -> None:
    if int(shapes_zyx.prod(dim=1).sum()) != voxels.numel():
        raise ValueError(
            f"patch_embed: {tuple(voxels.shape)} voxels; expected a flat tensor of "
            f"{int(shapes_zyx.prod(dim=1).sum())}, the sum of the volumes in shapes_zyx."
        )
    patch = shapes_zyx.new_tensor(weight.shape[2:])
    if bool((shapes_zyx % patch).any()):
        raise ValueError(
            f"patch_embed: shapes_zyx {shapes_zyx.tolist()} with patch {patch.tolist()}; expected "
            "multiples of the patch. Pad the volumes first."
        )
    if len(patch_volume) == 0:
        return
    if int(patch_volume.min()) < 0 or int(patch_volume.max()) >= len(shapes_zyx):
        raise ValueError(
            f"patch_embed: patch_volume runs from {int(patch_volume.min())} to "
            f"{int(patch_volume.max())}; expected volume numbers 0..{len(shapes_zyx) - 1}."
        )
    grid_N3 = torch.div(shapes_zyx, patch, rounding_mode="floor")[patch_volume]
    outside = (patch_index_zyx < 0) | (patch_index_zyx >= grid_N3)
    if bool(outside.any()):
        row = int(outside.any(dim=1).nonzero()[0])
        raise ValueError(
            f"patch_embed: patch {row} has grid index {patch_index_zyx[row].tolist()}; expected "
            f"an index inside the grid {grid_N3[row].tolist()} of its volume."
        )
    if bool((windows[..., 0] >= windows[..., 1]).any()):
        raise ValueError(
            f"patch_embed: windows {windows.tolist()}; expected lower < upper in every channel."
        )
