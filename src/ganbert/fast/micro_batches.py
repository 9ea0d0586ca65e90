"""Micro-batches: the activations of a few rows are in memory at once, and losses and gradients are the whole batch's.

The usual way, summing losses over micro-batches, would not do: the losses are not sums over rows. So only the encoder
works in parts. Of each part its text vectors are kept; the backward pass computes the rest again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from ganbert.model.modeling import GanBertForSequenceClassification


class MicroBatches:
    """Stands in for `model.text_vectors`: in training it computes `size` rows at a time, with the same dropout twice.

    Args:
        model: whose class has the real `text_vectors`.
        size: rows of a micro-batch.
    """

    def __init__(self, model: GanBertForSequenceClassification, size: int) -> None:
        self.model, self.size = model, size

    def __call__(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """Return the text vectors, [b, d]."""
        inputs = (input_ids, attention_mask, token_type_ids, inputs_embeds)
        model, text_vectors, size = self.model, type(self.model).text_vectors, self.size
        n = next((len(x) for x in inputs if x is not None), 0)
        if not (model.training and torch.is_grad_enabled() and size < n):
            return text_vectors(model, *inputs)
        parts = [[x if x is None else x[i : i + size] for x in inputs] for i in range(0, n, size)]
        # By position: of keywords, checkpoint does not look which device's random numbers it has to repeat.
        return torch.cat([checkpoint(text_vectors, model, *part, use_reentrant=False) for part in parts])


def use_micro_batches(model: GanBertForSequenceClassification, size: int) -> None:
    """From now on keep the activations of at most `size` rows in memory while training."""
    model.text_vectors = MicroBatches(model, size)  # type: ignore[method-assign]


def micro_batch_size(model: GanBertForSequenceClassification) -> int | None:
    """Return the size that `use_micro_batches` has set; None for whole batches."""
    return model.text_vectors.size if isinstance(model.text_vectors, MicroBatches) else None
