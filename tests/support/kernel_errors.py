"""How far a kernel may be from the truth: as far as plain torch in its number type, twice.

The truth is computed in numpy's long double, so that float64 has an error too.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Exact = npt.NDArray[np.longdouble]


def exact(tensor: torch.Tensor) -> Exact:
    """The numbers of a tensor, in long double."""
    found: Exact = tensor.detach().double().cpu().numpy().astype(np.longdouble)
    return found


def assert_as_exact_as_torch(
    got: torch.Tensor, plain: torch.Tensor, truth: Exact, *, where: str = ""
) -> None:
    """Fails if ``got`` is further from the truth than 2 times ``plain`` and 4 eps of the largest.

    Args:
        got: Of the kernel.
        plain: Of plain torch in the same number type.
        truth: In long double.
        where: Named in the message.
    """
    assert got.dtype == plain.dtype
    assert got.shape == truth.shape
    if not truth.size:
        return
    eps = torch.finfo(got.dtype).eps
    error = float(np.abs(exact(got) - truth).max())
    allowed = float(2 * np.abs(exact(plain) - truth).max() + 4 * eps * np.abs(truth).max())
    assert error <= allowed, f"{where}: error {error:.3g}, allowed {allowed:.3g}"


def attention_truth(
    tensors: list[torch.Tensor],
    bounds: list[int],
    *,
    scale: float | None = None,
    key_bias: torch.Tensor | None = None,
    block_mask: Any = None,
) -> list[Exact]:
    """Output and gradients of query, key and value by the textbook, volume by volume.

    Args:
        tensors: Query, key, value and the output's gradient, (T, H, D) each.
        bounds: Of the volumes.
        scale: Factor on the scores.
        key_bias: (T,) added to them.
        block_mask: As for ``vol3d_kernels.attention``.
    """
    query, key, value, grad = (exact(t) for t in tensors)
    factor = np.longdouble(query.shape[-1] ** -0.5 if scale is None else scale)
    found = [np.zeros_like(query) for _ in range(4)]
    first_block = 0
    for start, stop in itertools.pairwise(bounds):
        q, k, v, do = (t[start:stop] for t in (query, key, value, grad))
        added = np.zeros((stop - start, stop - start), dtype=np.longdouble)
        if key_bias is not None:
            added = added + exact(key_bias)[None, start:stop]
        if block_mask is not None:
            size = block_mask.block_size
            block = first_block + np.arange(stop - start) // size
            allowed = block_mask.allowed.cpu().numpy()[block[:, None], block[None, :]]
            added = np.where(allowed, added, -np.inf)
            first_block += -(-(stop - start) // size)
        if stop == start:
            continue
        scores = factor * np.einsum("qhd,khd->hqk", q, k) + added[None]
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        dweights = np.einsum("qhd,khd->hqk", do, v)
        dscores = weights * (dweights - (weights * dweights).sum(axis=-1, keepdims=True))
        found[0][start:stop] = np.einsum("hqk,khd->qhd", weights, v)
        found[1][start:stop] = factor * np.einsum("hqk,khd->qhd", dscores, k)
        found[2][start:stop] = factor * np.einsum("hqk,qhd->khd", dscores, q)
        found[3][start:stop] = np.einsum("hqk,qhd->khd", weights, do)
    return found
