"""What a finished run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from ganbert.metrics import Metrics
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingResult:
    """A finished run.

    Attributes:
        output: the model folder.
        model, tokenizer: what it holds.
        recipe: what was trained, as it was trained.
        encoder, seed, precision: the other choices of the run.
        counts: numbers of labelled and unlabelled rows, classes, and so on.
        steps: optimiser steps.
        seconds: of the steps taken in this call, without reading, loading and testing.
        n_cut: training rows longer than the maximum length.
        n_unknown: training rows that are mostly tokens the encoder does not know.
        tokens: that the steps of the whole run read, without padding.
        labelled_shown: how often a labelled row stood in a batch, in the mean.
        health: the last figures of the health watch.
        n_test_in_train: test rows whose text also stands in the training rows.
        test: figures on the test rows, measured once, after training.
        slips: what in the data is almost surely a slip.
        warnings: what the health watch had to say.
        fallback: why the recipe learned from labelled rows alone although it asks for more; None if it ran as asked.
    """

    output: Path
    model: GanBertForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    recipe: Recipe
    encoder: str
    seed: int
    precision: str
    counts: dict[str, int]
    steps: int
    seconds: float
    n_cut: int
    n_unknown: int
    tokens: int
    labelled_shown: float
    health: dict[str, float]
    n_test_in_train: int
    test: Metrics | None
    slips: tuple[str, ...]
    warnings: tuple[str, ...]
    fallback: str | None
