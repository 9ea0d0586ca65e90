"""What a model decides about a text: the seam at which another kind of head would be put in.

A problem says which targets there are, which loss they give, what the logits mean as probabilities, and what is decided
by them. Training, prediction and comparison leave these four to it. "One of k classes" is the only one so far; several
labels a text, or a label a token, would be others.

torch is imported by the functions that compute losses: an exported model is used without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ganbert.labels import UNLABELLED

if TYPE_CHECKING:
    from torch import Tensor


class Problem(Protocol):
    """Targets, loss, probabilities and decoding of a model with k outputs; "array" is of NumPy or torch."""

    def is_labelled(self, targets: Any) -> Any:
        """Return which rows have a target: an array [b] of truth values."""

    def learnable(self, targets: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        """Return the targets, where they are beyond what k outputs can say, as those of rows without a label."""

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of the labelled rows, a scalar; weights [b] multiply the terms of the rows."""

    def soft_loss(self, logits: Tensor, soft_targets: Tensor, labelled: Tensor) -> Tensor:
        """Return the loss of the rows that are not labelled against what a teacher says of them, a scalar."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return what the logits [b, k] mean, in float32."""

    def decide(self, probabilities: Any) -> Any:
        """Return the prediction for each row of an array of probabilities [b, k]."""


class OneOfK:
    """Each text is of one of k classes; its target is the class id, -100 if it has no label."""

    def is_labelled(self, targets: Any) -> Any:
        """Return [b], true where there is a class id."""
        return targets != UNLABELLED

    def learnable(self, targets: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        """Return [b]; a class that no training row has, k or above, becomes -100."""
        return np.where(targets < k, targets, UNLABELLED)

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the cross-entropy of the labelled rows."""
        from ganbert.model.losses import discriminator_supervised_loss

        return discriminator_supervised_loss(logits, targets, weights)

    def soft_loss(self, logits: Tensor, soft_targets: Tensor, labelled: Tensor) -> Tensor:
        """Return the cross-entropy of the unlabelled rows with the teacher's probabilities [b, k]."""
        from ganbert.model.losses import distillation_loss

        return distillation_loss(logits, soft_targets, labelled)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return p(y | x, y <= k), [b, k]: the softmax over the real classes."""
        return logits.float().softmax(dim=-1)

    def decide(self, probabilities: Any) -> Any:
        """Return [b], the id of the most probable class."""
        return probabilities.argmax(-1)


ONE_OF_K: Problem = OneOfK()
"""What all models of ganbert decide today."""
