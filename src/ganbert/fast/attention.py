"""Attention with dropout on a processor, where torch has no kernel for it: a few rows at a time, which stay in cache.

Done for the whole batch, each of the ten operations between queries and values writes all scores to memory, at 256
tokens 100 to 200 MB, and half of them are kept for the backward pass. Here the weights alone are kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganbert.fast.dropout import keep_mask, kept_share

SCORES_AT_ONCE = 2**20
"""Scores that are computed together: 2 MB in bfloat16."""


def attention_with_dropout(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float, scaling: float
) -> Tensor:
    """Return dropout(softmax(scaling query key^T)) value.

    Args:
        query: [b, heads, t, d].
        key, value: [b, heads, s, d].
        mask: bool, broadcastable to [b, heads, t, s]; true where a query may look.
        dropout: share of weights set to 0, 0 < dropout < 1.
        scaling: factor of the scores.

    Returns:
        [b, t, heads, d]
    """
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    with torch.autocast("cpu", enabled=False):
        bias = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, torch.finfo(query.dtype).min / 2)
        bias = bias.expand(len(query), *bias.shape[1:])
        attended: Tensor = _Attention.apply(query * scaling, key, value, bias, dropout)  # type: ignore[no-untyped-call]
    return attended


class _Attention(torch.autograd.Function):
    """The arithmetic, forward and backward, for some rows of the batch after the other."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, dropout: float) -> Tensor:
        b, heads, t, _ = query.shape
        step = max(1, SCORES_AT_ONCE // (heads * t * key.shape[2]))
        ctx.parts = [slice(start, start + step) for start in range(0, b, step)]
        attended, signed_weights = query.new_empty(b, t, heads, value.shape[3]), []
        for rows in ctx.parts:
            weights = (query[rows] @ key[rows].transpose(2, 3)).add_(bias[rows]).softmax(dim=-1)
            signed = _minus_where_dropped(weights, keep_mask(weights.shape, dropout))
            attended[rows] = (signed.clamp(min=0) @ value[rows]).transpose(1, 2)
            signed_weights.append(signed)
        ctx.scale = 1 / kept_share(dropout)
        ctx.save_for_backward(query, key, value, *signed_weights)
        return attended.mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *signed_weights = ctx.saved_tensors
        grad = grad.transpose(1, 2) * ctx.scale
        d_query, d_key, d_value = (torch.empty_like(x) for x in (query, key, value))
        for rows, signed in zip(ctx.parts, signed_weights, strict=True):
            d_weights = _zero_where_minus(grad[rows] @ value[rows].transpose(2, 3), signed)
            # The operator behind autograd's own softmax; written out, it takes up to half as long again in bfloat16.
            d_scores = torch.ops.aten._softmax_backward_data(d_weights, signed.abs(), -1, signed.dtype)
            d_query[rows] = d_scores @ key[rows]
            d_key[rows] = d_scores.transpose(2, 3) @ query[rows]
            d_value[rows] = signed.clamp(min=0).transpose(2, 3) @ grad[rows]
        return d_query, d_key, d_value, None, None


# Weights are never negative, so their sign is free to say which were dropped: no mask has to be kept beside them. Bits
# are set and cleared as those of integers, several times faster than with masks of bools.

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def _minus_where_dropped(weights: Tensor, keep: Tensor) -> Tensor:
    """Set, in place, the sign bit of the weights that `keep_mask` does not keep."""
    integers = _INTEGERS[weights.element_size()]
    sign = keep.bitwise_not_().to(integers).bitwise_and_(torch.iinfo(integers).min)
    weights.view(integers).bitwise_or_(sign)
    return weights


def _zero_where_minus(x: Tensor, signed: Tensor) -> Tensor:
    """Set `x` to 0, in place, where the sign bit of `signed` is set."""
    integers = _INTEGERS[x.element_size()]
    keep = signed.view(integers).bitwise_right_shift(torch.iinfo(integers).bits - 1).bitwise_not_()
    x.view(integers).bitwise_and_(keep)
    return x
