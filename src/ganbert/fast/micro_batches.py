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

    def __call__(self, *inputs: Tensor | None, **named: Tensor | None) -> Tensor:
        """Return the text vectors, [b, d]."""
        model, text_vectors = self.model, type(self.model).text_vectors
        n = next((len(x) for x in (*inputs, *named.values()) if x is not None), 0)
        if not (model.training and torch.is_grad_enabled() and self.size < n):
            return text_vectors(model, *inputs, **named)

        def part(rows: slice) -> Tensor:
            some = [x if x is None else x[rows] for x in inputs]
            vectors: Tensor = checkpoint(
                text_vectors,
                model,
                *some,
                **{name: x if x is None else x[rows] for name, x in named.items()},
                use_reentrant=False,
            )
            return vectors

        return torch.cat([part(slice(start, start + self.size)) for start in range(0, n, self.size)])


def use_micro_batches(model: GanBertForSequenceClassification, size: int) -> None:
    """From now on keep the activations of at most `size` rows in memory while training."""
    model.text_vectors = MicroBatches(model, size)  # type: ignore[method-assign]


def micro_batch_size(model: GanBertForSequenceClassification) -> int | None:
    """Return the size that `use_micro_batches` has set; None for whole batches."""
    return model.text_vectors.size if isinstance(model.text_vectors, MicroBatches) else None
