"""One run: a method on a split, and the record it leaves."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbert.compare.methods import method_named
from ganbert.compare.packed import pack
from ganbert.compare.provenance import provenance
from ganbert.compare.setting import Setting
from ganbert.compare.sources import Source
from ganbert.compare.splits import as_recorded
from ganbert.metrics import calibration_bins, classification_metrics
from ganbert.runtime import choose_compute

Record = dict[str, Any]
"""What a run leaves; JSON can hold it."""


@dataclass(frozen=True)
class Run:
    """Everything that decides what a run computes.

    Attributes:
        source: of the rows.
        method: by its name in the registry, with settings perhaps.
        budget: of labels, as `55` or `1%`.
        seed: of split and training.
        encoder: a Hub name, a folder, or `minilm`.
        balanced: whether labelled rows are drawn class by class.
        max_length, epochs, max_steps: in place of what the source says.
        precision: "float32" or "bfloat16".
        device, threads: as for `choose_compute`; not part of what it computes.
        on_step: told of each step of a training run, and of how many there are.
    """

    source: Source
    method: str
    budget: str
    seed: int
    encoder: str = "minilm"
    balanced: bool = False
    max_length: int | None = None
    epochs: float | None = None
    max_steps: int | None = None
    precision: str = "float32"
    device: str = "auto"
    threads: int | None = None
    on_step: Callable[[int, int], None] | None = field(default=None, compare=False, repr=False)

    @property
    def identity(self) -> Record:
        """What tells the run from all others, as its record says it."""
        return {
            "task": self.source.name,
            "split": self.source.part,
            "data": self.source.version,
            "method": self.method,
            "budget": self.budget,
            "seed": self.seed,
            "encoder": self.encoder,
            "balanced": self.balanced,
            "precision": self.precision,
            "settings": {
                name: value
                for name in ("max_length", "epochs", "max_steps")
                if (value := getattr(self, name)) is not None
            },
        }

    @property
    def key(self) -> str:
        """A short name of the identity."""
        return key_of(self.identity)

    def __call__(self) -> Record:
        """Train, predict, measure, and return the record."""
        split = self.source.split(self.budget, self.seed, balanced=self.balanced)
        compute = choose_compute(self.device, self.precision, self.threads)
        choices = {**self.source.settings(), **self.identity["settings"]}
        setting = Setting(self.encoder, self.seed, compute, **choices, on_step=self.on_step)
        method = method_named(self.method)
        began = time.perf_counter()
        outcome = method.run(split, setting)
        seconds = time.perf_counter() - began
        truth = np.asarray(split.test["label"][:])
        predicted = outcome.probabilities.argmax(axis=1)
        names = split.corpus.label_names
        metrics = classification_metrics(truth, outcome.probabilities, names)
        return {
            **self.identity,
            **split.facts(),
            "any_seed": method.deterministic and split.whole and self.source.part != "cross-validation",
            "accuracy": metrics.accuracy,
            "macro_f1": metrics.macro_f1,
            "micro_f1": metrics.micro_f1,
            "ece": metrics.ece,
            "steps": outcome.steps,
            "labelled_shown": round(outcome.labelled_shown, 2),
            "tokens": outcome.tokens,
            "seconds": round(outcome.seconds, 2),
            "seconds_in_all": round(seconds, 2),
            "fallback": outcome.fallback,
            "warnings": list(outcome.warnings),
            "health": {name: round(value, 4) for name, value in outcome.health.items()},
            "recipe": dict(outcome.recipe),
            "classes_by_id": list(names),
            "truth": pack(truth),
            "predicted": pack(predicted),
            "confusion": confusion(as_recorded(truth, len(names)), predicted),
            "calibration": calibration_bins(predicted == truth, outcome.probabilities.max(axis=1)),
            **provenance(compute.device),
        }


NUMBER = (int, float)
KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("accuracy", "macro_f1", "micro_f1", "ece", "seconds_in_all", "ceiling", "labelled_shown"), NUMBER),
    **dict.fromkeys(("steps", "seed", "n_labelled", "n_unlabelled", "n_test", "n_removed", "classes"), NUMBER),
    **dict.fromkeys(("task", "split", "budget", "method", "split_hash"), str),
    **dict.fromkeys(("warnings", "classes_by_id", "confusion", "calibration"), list),
    **dict.fromkeys(("unseen", "health"), dict),
}
"""What tables and report read of a record."""


def what_is_wrong(record: Record) -> str | None:
    """Return which figure a record lacks, or has as something else; None for one that can be shown."""
    wrong = [name for name, kind in KINDS.items() if not isinstance(record.get(name), kind)]
    return f"no {wrong[0]!r}, or not as it is written here" if wrong else None


def key_of(identity: Record) -> str:
    """Return a short name of a run, or of its record."""
    names = ("task", "split", "data", "method", "budget", "seed", "encoder", "balanced", "precision", "settings")
    text = json.dumps({name: identity[name] for name in names}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> list[list[int]]:
    """Return the pairs of classes that occur, as [true, predicted, rows]; -1 is a class without a labelled row."""
    pairs, counts = np.unique(np.stack([truth, predicted], axis=1), axis=0, return_counts=True)
    return [[*map(int, pair), int(count)] for pair, count in zip(pairs, counts, strict=True)]
