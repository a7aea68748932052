"""Packed attention in plain torch: one scaled-dot-product call per volume.

Shape legend: T tokens of all volumes, H heads, D head width, V volumes, B blocks.
"""

from __future__ import annotations

import itertools

import torch


def attention_reference(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: list[int],
    scale: float | None,
    key_bias: torch.Tensor | None = None,
    block_mask: torch.Tensor | None = None,
    block_size: int = 0,
) -> torch.Tensor:
    """See :func:`vol3d_kernels.attention`; ``bounds`` are the cumulative lengths as a list."""
    outputs, first_block = [], 0
    for start, stop in itertools.pairwise(bounds):
        # a bias is added in float32 at least: in 16 bits its differences would be lost
        wide = torch.promote_types(query.dtype, torch.float32)
        kind = query.dtype if key_bias is None else wide
        q_1HTD, k_1HTD, v_1HTD = (
            t[start:stop].to(kind).transpose(0, 1).unsqueeze(0) for t in (query, key, value)
        )
        bias_TT = score_bias(start, stop, first_block, kind, key_bias, block_mask, block_size)
        out = torch.nn.functional.scaled_dot_product_attention(
            q_1HTD, k_1HTD, v_1HTD, attn_mask=bias_TT, scale=scale
        )
        outputs.append(out.squeeze(0).transpose(0, 1).to(query.dtype))
        first_block += num_blocks(stop - start, block_size)
    return torch.cat(outputs, dim=0) if outputs else query + key + value


def log_sum_exp_reference(
    query: torch.Tensor,
    key: torch.Tensor,
    bounds: list[int],
    scale: float | None,
    key_bias: torch.Tensor | None = None,
    block_mask: torch.Tensor | None = None,
    block_size: int = 0,
) -> torch.Tensor:
    """Returns the natural logarithm of the sum of exponentiated scores, (T, H)."""
    found, first_block = [], 0
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    wide = torch.promote_types(query.dtype, torch.float32)
    for start, stop in itertools.pairwise(bounds):
        scores_HTT = factor * torch.einsum(
            "qhd,khd->hqk", query[start:stop].to(wide), key[start:stop].to(wide)
        )
        bias_TT = score_bias(start, stop, first_block, wide, key_bias, block_mask, block_size)
        if bias_TT is not None:
            scores_HTT = scores_HTT + bias_TT
        found.append(scores_HTT.logsumexp(dim=-1).transpose(0, 1))
        first_block += num_blocks(stop - start, block_size)
    return torch.cat(found, dim=0) if found else query.new_zeros(query.shape[:2], dtype=wide)


def attention_backward_reference(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: list[int],
    scale: float,
    key_bias: torch.Tensor | None = None,
    block_mask: torch.Tensor | None = None,
    block_size: int = 0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the gradients of query, key and value, (T, H, D) each, by the formula."""
    dq, dk, dv = (torch.empty(t.shape, dtype=t.dtype, device=t.device) for t in (query, key, value))
    wide, first_block = torch.promote_types(query.dtype, torch.float32), 0
    for start, stop in itertools.pairwise(bounds):
        q, k, v, do = (t[start:stop].to(wide) for t in (query, key, value, grad))
        scores_HQK = scale * torch.einsum("qhd,khd->hqk", q, k)
        bias_TT = score_bias(start, stop, first_block, wide, key_bias, block_mask, block_size)
        if bias_TT is not None:
            scores_HQK = scores_HQK + bias_TT
        weights_HQK = scores_HQK.softmax(dim=-1).nan_to_num(0.0)
        dweights_HQK = torch.einsum("qhd,khd->hqk", do, v)
        delta_HQ1 = (weights_HQK * dweights_HQK).sum(dim=-1, keepdim=True)
        dscores_HQK = weights_HQK * (dweights_HQK - delta_HQ1)
        dq[start:stop] = (scale * torch.einsum("hqk,khd->qhd", dscores_HQK, k)).to(dq.dtype)
        dk[start:stop] = (scale * torch.einsum("hqk,qhd->khd", dscores_HQK, q)).to(dk.dtype)
        dv[start:stop] = torch.einsum("hqk,qhd->khd", weights_HQK, do).to(dv.dtype)
        first_block += num_blocks(stop - start, block_size)
    return dq, dk, dv


def num_blocks(length: int, block_size: int) -> int:
    """Blocks of a volume of some tokens; 0 where there are no blocks."""
    return -(-length // block_size) if block_size else 0


def score_bias(
    start: int,
    stop: int,
    first_block: int,
    dtype: torch.dtype,
    key_bias: torch.Tensor | None,
    block_mask: torch.Tensor | None,
    block_size: int,
) -> torch.Tensor | None:
    """Returns what is added to the scores of one volume, (T, T); ``None`` if nothing is."""
    bias_TT: torch.Tensor | None = None
    if key_bias is not None:
        bias_TT = key_bias[start:stop].to(dtype)[None, :].expand(stop - start, -1)
    if block_mask is not None:
        count = num_blocks(stop - start, block_size)
        own_BB = block_mask[first_block : first_block + count, first_block : first_block + count]
        allowed_TT = own_BB.repeat_interleave(block_size, 0).repeat_interleave(block_size, 1)
        allowed_TT = allowed_TT[: stop - start, : stop - start]
        closed_TT = torch.zeros_like(allowed_TT, dtype=dtype).masked_fill(
            ~allowed_TT, float("-inf")
        )
        bias_TT = closed_TT if bias_TT is None else bias_TT + closed_TT
    return bias_TT
