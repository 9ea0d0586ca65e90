"""A teacher: a classifier of the labelled rows alone, which says of each unlabelled row what it might be."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganbert.labels import UNLABELLED
from ganbert.model.modeling import GanBertForSequenceClassification


class Teacher:
    """A trained model whose probabilities the student learns on unlabelled rows (Hinton et al. 2015, section 2).

    Args:
        model: it is frozen.
        device: of the student.
    """

    def __init__(self, model: GanBertForSequenceClassification, device: torch.device) -> None:
        self.model = model.requires_grad_(False).eval()
        nn.Module.to(self.model, device)

    @torch.no_grad()
    def soft_targets(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return p(y | x, y <= k) of unlabelled rows, and 0 for labelled ones.

        Args:
            inputs: of the model, with `labels`.

        Returns:
            [b, k], float32.
        """
        asked = inputs["labels"] == UNLABELLED
        inputs = {name: x for name, x in inputs.items() if name != "labels"}
        if asked.device.type != "cpu":  # choosing rows would wait for the device
            p = self.model(**inputs).logits.float().softmax(dim=-1)
            return torch.where(asked.unsqueeze(-1), p, 0.0)
        p = torch.zeros(len(asked), self.model.config.num_labels)
        if asked.any():
            p[asked] = self.model(**{name: x[asked] for name, x in inputs.items()}).logits.float().softmax(dim=-1)
        return p
