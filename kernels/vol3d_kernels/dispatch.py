"""Which implementation a call uses: the caller's word, then ``VOL3D_KERNELS``, then the device."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Literal, cast

import torch

Implementation = Literal["triton", "reference"]
CHOICES = ("auto", "triton", "reference")
VARIABLE = "VOL3D_KERNELS"
HAS_TRITON = find_spec("triton") is not None
"""Whether Triton can be imported."""


def implementation_for(tensor: torch.Tensor, wanted: str | None = None) -> Implementation:
    """Returns ``triton`` on a CUDA device where Triton can be imported, else ``reference``.

    Args:
        tensor: On the device of the call.
        wanted: ``auto``, ``triton`` or ``reference``; ``None`` asks the variable
            ``VOL3D_KERNELS``, and then ``auto``.

    Raises:
        ValueError: Another word, or ``triton`` for a tensor that no Triton kernel can read: on the
            CPU only Triton's interpreter can (``TRITON_INTERPRET=1``).
    """
    word = wanted or os.environ.get(VARIABLE) or "auto"
    if word not in CHOICES:
        raise ValueError(
            f"kernels: implementation {word!r}; expected one of {', '.join(CHOICES)}. "
            f"Correct the argument or the variable {VARIABLE}."
        )
    can_run = tensor.is_cuda or is_interpreted()
    if word == "triton" and not (can_run and HAS_TRITON):
        raise ValueError(
            f"kernels: triton asked for a tensor on {tensor.device}; expected a CUDA device and an "
            f"installed Triton. Use {VARIABLE}=auto, or TRITON_INTERPRET=1 to try without a GPU."
        )
    if word == "auto":
        return "triton" if tensor.is_cuda and HAS_TRITON else "reference"
    return cast(Implementation, word)


def capability_of(tensor: torch.Tensor) -> int:
    """Compute capability of a tensor's GPU times ten, such as 90; 0 for the CPU."""
    if not tensor.is_cuda:
        return 0
    major, minor = torch.cuda.get_device_capability(tensor.device)
    return 10 * major + minor


def multiprocessors_of(tensor: torch.Tensor) -> int:
    """Streaming multiprocessors of a tensor's GPU."""
    return torch.cuda.get_device_properties(tensor.device).multi_processor_count


def on_device(tensor: torch.Tensor) -> AbstractContextManager[None]:
    """Makes the tensor's GPU the one that kernels are launched on."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def is_interpreted() -> bool:
    """Whether Triton kernels run in its interpreter, on the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"
