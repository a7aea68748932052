"""What the dense patch head should say: organs and lesions in every kept patch.

Shape legend: N kept patches, P voxels of a patch, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from vol3d.errors import DataError, explain


def patch_class_fractions(
    labels_zyx: torch.Tensor,
    patch_index_zyx: torch.Tensor,
    patch_zyx: tuple[int, int, int],
    label_to_class: Mapping[int, int],
    num_classes: int,
) -> torch.Tensor:
    """Share of each patch's voxels that carries each class, (N, K) float32 in 0..1.

    Args:
        labels_zyx: (Z, Y, X) integer labels on the prepared grid.
        patch_index_zyx: (N, 3) grid index of each kept patch.
        patch_zyx: Voxels of a patch.
        label_to_class: Class of each label; labels that are not listed count for no class.
        num_classes: K.

    Raises:
        DataError: The labels' shape is not a multiple of the patch.
    """
    pz, py, px = patch_zyx
    if any(n % p for n, p in zip(labels_zyx.shape, patch_zyx, strict=True)):
        raise DataError(
            explain(
                expected=f"a label volume whose axes are multiples of {patch_zyx}",
                got=str(tuple(labels_zyx.shape)),
                where="patch targets",
                remedy="Prepare labels together with the volume (prepare_labels).",
            )
        )
    table = torch.full((256,), num_classes, dtype=torch.int64)
    for label, class_number in label_to_class.items():
        table[label] = class_number
    blocks = labels_zyx.unfold(0, pz, pz).unfold(1, py, py).unfold(2, px, px)
    z, y, x = patch_index_zyx.unbind(1)
    classes_NP = table[blocks[z, y, x].reshape(len(z), -1).long()]
    counts = torch.zeros(len(z), num_classes + 1)
    counts.scatter_add_(1, classes_NP, torch.ones(classes_NP.shape))
    return counts[:, :num_classes] / classes_NP.shape[1]


def presence(fractions: torch.Tensor, *, full_at: float) -> torch.Tensor:
    """Soft presence in 0..1 that reaches 1 once ``full_at`` of the patch belongs to the class."""
    return (fractions / full_at).clamp(max=1.0)
