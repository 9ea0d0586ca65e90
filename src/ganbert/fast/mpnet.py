"""Packing for MPNet, whose attention is its own: it adds a bias by relative position, and cannot be exchanged.

Its stack of layers gets the padded batch and puts the real tokens into one row [1, n]. Each attention puts queries,
keys and values back to [b, t], and computes scores, bias and softmax as MPNet does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MethodType
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from ganbert.fast.packing import Packing, keeps_vectors, saves_time


@dataclass(frozen=True)
class _Packed:
    """Stands in for the mask of a packed row: where its tokens belong, and the bias of all scores, [b, h, t, t]."""

    packing: Packing
    bias: Tensor


def use_mpnet_packing(encoder: PreTrainedModel) -> bool:
    """Make an MPNet compute real tokens only; False, and nothing changed, if the encoder is none."""
    if encoder.config.model_type != "mpnet":
        return False
    stack: Any = encoder.encoder
    attentions = [layer.attention.attn for layer in stack.layer]

    def change() -> None:
        stack.forward = MethodType(_forward_stack, stack)
        for attention in attentions:
            attention.forward = MethodType(_forward_attention, attention)

    def undo() -> None:
        for module in (stack, *attentions):
            vars(module).pop("forward", None)

    return keeps_vectors(encoder, change, undo)


def _forward_stack(stack: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Any:
    """Compute all layers on [b, t, d]; the mask is [b, 1, t, t], 0 where a query may look and else very low."""
    wanted = kwargs.get("output_attentions") or kwargs.get("output_hidden_states")
    if attention_mask is None or wanted or not saves_time(mask := attention_mask[:, 0, 0] == 0):
        return type(stack).forward(stack, hidden_states, attention_mask, **kwargs)
    packing = Packing.of(mask)
    packed = _Packed(packing, stack.compute_position_bias(hidden_states[:1]) + attention_mask)
    x = packing.pack(hidden_states)
    for layer in stack.layer:
        (x,) = layer(x, packed)
    x = packing.unpack(x)
    return BaseModelOutput(last_hidden_state=x) if kwargs.get("return_dict") else (x,)


def _forward_attention(
    module: Any, hidden_states: Tensor, attention_mask: Any = None, *args: Any, **kwargs: Any
) -> Any:
    """Attend within each text; the hidden states are [1, n, d] if the mask says that they are packed."""
    if not isinstance(attention_mask, _Packed):
        return type(module).forward(module, hidden_states, attention_mask, *args, **kwargs)
    packing, (b, t), width = attention_mask.packing, attention_mask.packing.shape, module.attention_head_size
    q, k, v = (
        packing.unpack(project(hidden_states)).view(b, t, -1, width).transpose(1, 2)
        for project in (module.q, module.k, module.v)
    )
    scores = q @ k.transpose(-1, -2) / math.sqrt(width) + attention_mask.bias
    attended = module.dropout(scores.softmax(dim=-1)) @ v
    return (module.o(packing.pack(attended.transpose(1, 2).flatten(2))),)
