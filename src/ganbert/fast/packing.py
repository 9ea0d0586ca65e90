"""Packing: an encoder computes the real tokens of a batch in one row, and only its attention sees the padded batch.

A batch of short and long texts is half padding, and all layers but attention treat each token by itself. So the tokens
of all texts stand in one row [1, n] while they go through them, and each attention puts its input back to [b, t].
Hooks on the encoder put the tokens there and back again. It works with every encoder that takes position ids and hands
keyword arguments on to an exchangeable attention (transformers' AttentionInterface); `use_packing` tries it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ganbert.fast.attention import attention_with_dropout
from ganbert.model.positions import position_ids

IMPLEMENTATION = "ganbert_packed"
ROUND_TO = 64
"""The number of tokens computed is a multiple of this: oneDNN prepares each new matrix shape anew, for milliseconds."""


@dataclass(frozen=True)
class Packing:
    """Where the tokens of a packed row belong.

    Attributes:
        index: [n] positions in the flattened [b, t]: those of all real tokens, and of some padding.
        shape: (b, t).
    """

    index: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, mask: Tensor) -> Packing:
        """Plan the packing of a batch with this attention mask, [b, t]."""
        n = -(-int(mask.sum()) // ROUND_TO) * ROUND_TO
        real_first = mask.flatten().argsort(descending=True, stable=True)
        return cls(real_first[:n].sort().values, (mask.shape[0], mask.shape[1]))

    def pack(self, x: Tensor) -> Tensor:
        """Return [1, n, ...] of [b, t, ...]."""
        return x.flatten(0, 1).index_select(0, self.index).unsqueeze(0)

    def unpack(self, x: Tensor) -> Tensor:
        """Return [b, t, ...] of [1, n, ...], 0 where nothing was computed."""
        b, t = self.shape
        rows: Tensor = x.new_zeros(b * t, *x.shape[2:]).index_copy(0, self.index, x[0])
        return rows.view(b, t, *x.shape[2:])


def use_packing(encoder: PreTrainedModel) -> bool:
    """Make an encoder compute real tokens only, wherever it is called with `attention_mask` and `position_ids`.

    `last_hidden_state` keeps its shape [b, t, d]; the vectors of padding become arbitrary.

    Returns:
        Whether it can; if not, nothing has changed.
    """
    if attention_of(encoder) != "sdpa":
        return False

    hooks = []

    def change() -> None:
        encoder.set_attn_implementation(IMPLEMENTATION)
        hooks.append(encoder.register_forward_pre_hook(_pack_inputs, with_kwargs=True))
        hooks.append(encoder.register_forward_hook(_unpack_outputs, with_kwargs=True))

    def undo() -> None:
        encoder.set_attn_implementation("sdpa")
        for hook in hooks:
            hook.remove()

    return keeps_vectors(encoder, change, undo)


def keeps_vectors(encoder: PreTrainedModel, change: Callable[[], None], undo: Callable[[], None]) -> bool:
    """Change how an encoder computes a small batch, and return whether real tokens keep their vectors.

    Args:
        encoder: what is changed.
        change: makes the change; an error means that it cannot be made.
        undo: takes it back, whole or half made, unless the vectors are kept.
    """
    was_training = encoder.training
    encoder.train(False)
    mask = torch.ones(3, 9, dtype=torch.long, device=encoder.device)
    mask[0, 2:] = mask[2, 5:] = 0
    inputs = {
        "input_ids": torch.arange(27, device=encoder.device).view(3, 9) % encoder.config.vocab_size * mask,
        "attention_mask": mask,
        "position_ids": position_ids(encoder, mask),
    }
    try:
        with torch.no_grad():
            expected = encoder(**inputs).last_hidden_state
            change()
            found = encoder(**inputs).last_hidden_state
        works = torch.allclose(expected[mask == 1], found[mask == 1], rtol=1e-3, atol=1e-3)
    except Exception:  # an encoder that does not take this stays as it was
        works = False
    if not works:
        undo()
    encoder.train(was_training)
    return works


def attention_of(encoder: PreTrainedModel) -> str | None:
    """Return the name of an encoder's attention; transformers has a public way to set it, and none to read it."""
    name: str | None = encoder.config._attn_implementation
    return name


def saves_time(mask: Tensor) -> bool:
    """Whether to pack a batch with this mask; never on a GPU, where looking at the mask would make the host wait."""
    return mask.device.type == "cpu" and not mask.all()


def _pack_inputs(
    encoder: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Put the tokens of a batch into one row, before the encoder sees them; the mask stays [b, t]."""
    mask, has_pooler = kwargs.get("attention_mask"), getattr(encoder, "pooler", None) is not None
    if mask is None or "position_ids" not in kwargs or has_pooler or not saves_time(mask):
        return None
    packing = Packing.of(mask)
    packed = {name: packing.pack(x) for name, x in kwargs.items() if name != "attention_mask"}
    return args, {**packed, "attention_mask": mask, "packing": packing}


def _unpack_outputs(encoder: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> Any:
    """Put the token vectors back into their places, [b, t, d]."""
    if (packing := kwargs.get("packing")) is not None:
        outputs.last_hidden_state = packing.unpack(outputs.last_hidden_state)
    return outputs


def _packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    dropout: float = 0.0,
    packing: Packing | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend within each text; query, key and value are [b, heads, t, d / heads], [1, heads, n, ..] if packed."""
    attend = _attention_with_dropout if dropout and query.device.type == "cpu" else sdpa_attention_forward
    if packing is None:
        return attend(module, query, key, value, attention_mask, dropout=dropout, **kwargs)
    query, key, value = (packing.unpack(x.transpose(1, 2)).transpose(1, 2) for x in (query, key, value))
    attended, _ = attend(module, query, key, value, attention_mask, dropout=dropout, **kwargs)
    return packing.pack(attended), None


def _attention_with_dropout(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    dropout: float,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Call `attention_with_dropout` as transformers calls an attention."""
    groups = getattr(module, "num_key_value_groups", 1)
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    scaling = scaling or query.shape[-1] ** -0.5
    return attention_with_dropout(query, key, value, attention_mask, dropout, scaling), None


def _packed_mask(batch_size: int, q_length: int, kv_length: int, **kwargs: Any) -> Tensor | None:
    """Make the mask of the padded batch, whose [b, t] padding mask comes with a packed row."""
    padding: Tensor | None = kwargs.get("attention_mask")
    if padding is not None and tuple(padding.shape) != (batch_size, kv_length):
        batch_size, q_length = padding.shape
        kv_length = q_length
    kwargs["allow_is_causal_skip"] = False  # no attention here has to be told that it is causal: the mask says it
    kwargs["allow_is_bidirectional_skip"] = False  # to see whether a mask is all ones, the host waits for the device
    return sdpa_mask(batch_size=batch_size, q_length=q_length, kv_length=kv_length, **kwargs)


AttentionInterface.register(IMPLEMENTATION, _packed_attention)
AttentionMaskInterface.register(IMPLEMENTATION, _packed_mask)
