"""What anatomy is painted on: HU, labels, and what is still free, over the box around the body."""

from __future__ import annotations

import torch

from vol3d.phantom.labels import Organ
from vol3d.phantom.space import Box, Frame


class Canvas:
    """HU (float32), labels (uint8) and free space (bool), all (z, y, x) over ``frame.box``."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        shape, device = frame.xyz[0].shape, frame.xyz[0].device
        self.hu = torch.full(shape, -1000.0, device=device)
        self.labels = torch.zeros(shape, dtype=torch.uint8, device=device)
        self.free = torch.zeros(shape, dtype=torch.bool, device=device)

    def paint(self, box: Box, mask: torch.Tensor, organ: Organ, hu: float) -> None:
        """Sets HU and label where ``mask`` (shaped like ``box``) is true; frees nothing."""
        self.hu[box].masked_fill_(mask, hu)
        self.labels[box].masked_fill_(mask, int(organ))

    def paint_free(self, box: Box, mask: torch.Tensor, organ: Organ, hu: float) -> torch.Tensor:
        """Paints the free part of ``mask``, takes it, and returns it."""
        taken = mask & self.free[box]
        self.paint(box, taken, organ, hu)
        self.free[box].masked_fill_(taken, False)
        return taken

    def reserve(self, box: Box, mask: torch.Tensor) -> None:
        """Takes space without painting, so that fat stays around an organ."""
        self.free[box].masked_fill_(mask, False)
