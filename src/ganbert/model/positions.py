"""Positions of tokens: how many an encoder has, and where each text begins to count.

Counting begins at the first real token, so padding on the left changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def position_ids(encoder: PreTrainedModel, mask: Tensor) -> Tensor:
    """Return the positions [b, t] of the tokens of a batch with this attention mask, [b, t]."""
    return (mask.long().cumsum(dim=1) - 1 + first_position(encoder)).clamp(min=0)


def first_position(encoder: PreTrainedModel) -> int:
    """Return the position of a text's first token: RoBERTa's family and MPNet keep the first ones for padding."""
    table: Any = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def n_positions(encoder: PreTrainedModel) -> int | None:
    """Return how many tokens the encoder has positions for; None if it takes any number."""
    positions = getattr(encoder.config, "max_position_embeddings", None)
    if positions is None or positions < 0:  # XLNet says -1
        return None
    return int(positions) - first_position(encoder)  # RoBERTa's table of 514 holds 512 tokens
