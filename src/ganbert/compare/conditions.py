"""What a method is: a function from a split and the conditions of a comparison to its outcome.

A method of your own needs nothing else of this package; `examples/own_method.py` is one. Ours are in `methods`, which
lists them all, and in `baselines`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbert.compare.splits import Split
from ganbert.extras import require
from ganbert.runtime import Compute
from ganbert.training.recipe import PAPER, Recipe

FINE_TUNES = ("bert", "bert-tuned", "default-plain")
"""What a method is measured against that is no fine-tune itself."""


@dataclass(frozen=True)
class Conditions:
    """What all methods of a comparison share.

    Attributes:
        encoder: a Hub name, a folder, or `minilm`.
        seed: of everything random in training; the split has been made with it as well.
        compute: device, precision and threads.
        max_length: tokens kept of a text.
        epochs, learning_rate: of the paper's recipe on this task; with the split they set everyone's number of steps.
        max_steps: of everyone, in place of that.
        teacher_encoder: of the methods that have a teacher; None is `encoder`.
        on_step: called after each training step with its number and the number of steps.
    """

    encoder: str
    seed: int
    compute: Compute
    max_length: int = PAPER.max_length
    epochs: float = PAPER.epochs
    learning_rate: float = PAPER.encoder_lr
    max_steps: int | None = None
    teacher_encoder: str | None = None
    on_step: Callable[[int, int], None] | None = field(default=None, compare=False)

    def paper(self, recipe: Recipe) -> Recipe:
        """Return a recipe with the paper's epochs and learning rate for this task."""
        rate = self.learning_rate
        return dataclasses.replace(
            recipe, epochs=self.epochs, encoder_lr=rate, discriminator_lr=rate, generator_lr=rate
        )

    def n_steps(self, split: Split) -> int:
        """Return the steps of the paper's GAN-BERT on this split, which all methods take."""
        if self.max_steps is not None:
            return self.max_steps
        return self.paper(PAPER).n_steps(len(split.corpus.labelled), len(split.corpus.unlabelled))


@dataclass(frozen=True)
class Outcome:
    """What a method makes of a split.

    Attributes:
        probabilities: [n_test, k].
        seconds: of training, without predictions.
        steps: optimiser steps; 0 for methods that take none.
        labelled_shown: how often a labelled row was shown, on average.
        tokens: that training read, without padding.
        recipe: the choices in which it differs from the paper's recipe, or all it has of its own.
        health: last figures of the game.
        warnings: what the health watch had to say.
        fallback: why a plain fine-tune ran in its place; None if it ran as its name says.
        prediction_seconds: from the texts of the test rows to their probabilities, if it was measured.
    """

    probabilities: NDArray[np.floating[Any]]
    seconds: float
    steps: int = 0
    labelled_shown: float = 1.0
    tokens: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    fallback: str | None = None
    prediction_seconds: float | None = None

    def rows_per_second(self, n_rows: int) -> float | None:
        """Return how many of n test rows were predicted in a second; None where that was not measured."""
        return round(n_rows / self.prediction_seconds, 1) if self.prediction_seconds else None


@dataclass(frozen=True)
class Method:
    """A method to compare.

    Attributes:
        run: the method itself.
        says: what it is, in a line.
        baselines: what it is measured against, the first that has been run: the plain fine-tune of equally many steps
            with its settings; for a method that is no fine-tune, the plain fine-tune beside it.
        library: that it needs, which the extra `compare` brings.
        deterministic: whether it does the same with the same rows whatever the seed.
    """

    run: Callable[[Split, Conditions], Outcome]
    says: str
    baselines: tuple[str, ...] = ()
    library: str | None = None
    deterministic: bool = False

    def require_library(self) -> None:
        """Raise `InputError` where the library is not installed."""
        if self.library is not None:
            require("compare", self.library)
