"""A teacher: the running average of the weights, which labels unlabelled rows in training and is kept in the end."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ganbert.distributed import rows_of_all
from ganbert.losses import UNLABELLED
from ganbert.model import GanBertForSequenceClassification
from ganbert.recipe import Recipe

TEACHER_FILE = "teacher.safetensors"
"""Stands in each checkpoint beside the student's weights."""
MOMENTUM = 0.95
"""Of running means over batches: of what is predicted, of what is labelled, of how sure the teacher is."""
SIGMAS = 2.0
"""SoftMatch (Chen et al. 2023, equation 6): how many standard deviations below the mean a row still counts e^-1/2."""


class Teacher(nn.Module):
    """The average of a student's weights over its last steps (Tarvainen and Valpola 2017, equation 1).

    Args:
        student: the model in training.
        recipe: how fast the average forgets, and how its predictions become labels.
    """

    def __init__(self, student: GanBertForSequenceClassification, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.model = copy.deepcopy(student).requires_grad_(False).eval()
        self.model.discard_generator()
        k = len(student.config.label_names)
        for name, start in (("predicted", [1 / k] * k), ("labelled", [1 / k] * k), ("confidence", [1 / k, 1.0])):
            self.register_buffer(name, torch.tensor(start, device=student.device))
        self.predicted: Tensor  # [k], share of each class in what is predicted of unlabelled rows
        self.labelled: Tensor  # [k], its share in the labelled rows
        self.confidence: Tensor  # [2], mean and variance of the largest probability

    @torch.no_grad()
    def follow(self, student: nn.Module, step: int) -> None:
        """Move the average towards the student, after its step number `step`; early steps are soon forgotten."""
        now = dict(student.named_parameters())
        averages = dict(self.model.named_parameters())
        decay = min(self.recipe.average, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(list(averages.values()), [now[name].detach() for name in averages], step)

    @torch.no_grad()
    def soft_targets(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return what the teacher says of unlabelled rows.

        Args:
            inputs: of the model, with `labels`.

        Returns:
            [b, k]: for an unlabelled row a distribution over classes times its weight, for a labelled one 0.
        """
        asked = inputs["labels"] == UNLABELLED
        p = self._probabilities({name: x for name, x in inputs.items() if name != "labels"}, asked)
        self._learn_shares(rows_of_all(p), rows_of_all(inputs["labels"]))
        if self.recipe.alignment != "none":
            p = p * (self.labelled if self.recipe.alignment == "labelled" else 1 / p.shape[-1]) / self.predicted
        p = _sharpened(p, self.recipe.temperature)
        if self.recipe.confidence == "soft":
            p = p * self._weights(p.amax(dim=-1), asked).unsqueeze(-1)
        return torch.where(asked.unsqueeze(-1), p, 0.0)

    def _probabilities(self, inputs: dict[str, Tensor], asked: Tensor) -> Tensor:
        """Return p(y | x, y <= k) of the rows that are asked about, [b, k]."""
        if asked.device.type != "cpu":  # choosing rows would wait for the device
            return self.model(**inputs).logits.float().softmax(dim=-1)  # type: ignore[no-any-return]
        p = torch.zeros(len(asked), len(self.labelled))
        if asked.any():
            p[asked] = self.model(**{name: x[asked] for name, x in inputs.items()}).logits.float().softmax(dim=-1)
        return p

    def _learn_shares(self, p: Tensor, labels: Tensor) -> None:
        """Learn from all rows of the batch how often each class is predicted, and how often it is labelled."""
        unlabelled = (labels == UNLABELLED).unsqueeze(-1)
        one_hot = nn.functional.one_hot(labels.clamp(min=0), p.shape[-1]).to(p)
        _learn(self.predicted, p, unlabelled)
        _learn(self.labelled, one_hot, ~unlabelled)

    def _weights(self, top: Tensor, asked: Tensor) -> Tensor:
        """Return weights [b]: lower where the teacher is less sure than usual (SoftMatch, Chen et al. 2023, eq. 6)."""
        everyone, counted = rows_of_all(top), rows_of_all(asked)
        mean, variance = self.confidence
        _learn(self.confidence, torch.stack([everyone, (everyone - mean) ** 2], dim=-1), counted.unsqueeze(-1))
        return torch.exp(-((top - mean).clamp(max=0) ** 2) / (2 * variance.clamp(min=1e-8) / SIGMAS**2))

    def save(self, checkpoint: Path) -> None:
        """Write all that the teacher has learnt into a checkpoint."""
        save_model(self, str(checkpoint / TEACHER_FILE))

    def load(self, checkpoint: Path) -> None:
        """Take up what a checkpoint holds."""
        load_model(self, checkpoint / TEACHER_FILE)


class FollowStudent(TrainerCallback):
    """Moves the teacher after every step of the student."""

    def __init__(self, teacher: Teacher, student: nn.Module) -> None:
        self.teacher, self.student = teacher, student

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Follow."""
        self.teacher.follow(self.student, state.global_step)


def cut_off(mask: Tensor, rows: Tensor, share: float) -> Tensor:
    """Take tokens out of texts at random, another view of them (Shen et al. 2020).

    Args:
        mask: [b, t], attention mask.
        rows: [b], which of them to cut.
        share: of each text's tokens; its first and last one, the special ones of most encoders, stay.

    Returns:
        [b, t], the attention mask without them: the encoder never sees them.
    """
    position = mask.cumsum(dim=1)
    inner = (position > 1) & (position < mask.sum(dim=1, keepdim=True))
    cut = inner & rows.unsqueeze(1) & (torch.rand(mask.shape, device=mask.device) < share)
    return mask.masked_fill(cut, 0)


def _sharpened(p: Tensor, temperature: float) -> Tensor:
    """Return p^(1/T), each row summing to 1; T=0 is its largest class."""
    if temperature == 0:
        return nn.functional.one_hot(p.argmax(dim=-1), p.shape[-1]).to(p)
    p = p ** (1 / temperature)
    return p / p.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(p.dtype).tiny)


def _learn(mean: Tensor, rows: Tensor, counted: Tensor) -> None:
    """Move a running mean [n] towards that of the rows [b, n] that are counted, [b, 1]; leave it if there are none."""
    n = counted.sum()
    of_batch = torch.where(counted, rows, 0.0).sum(dim=0) / n.clamp(min=1)
    mean.lerp_(of_batch, (1 - MOMENTUM) * (n > 0))
