"""One run: a method on a split, and the record it leaves, which names machine, versions and commit."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
import transformers
from numpy.typing import NDArray

from ganbert import __version__
from ganbert.compare.conditions import Conditions
from ganbert.compare.methods import method_named
from ganbert.compare.row_sources import RowSource
from ganbert.compare.simulate import Simulated
from ganbert.compare.splits import Split, as_recorded
from ganbert.compare.store import LATER, Record, key_of, pack
from ganbert.compare.tasks import metric_of
from ganbert.data.class_names import ClassNames, read_class_names
from ganbert.errors import InputError
from ganbert.metrics import METRICS, calibration_bins, classification_metrics
from ganbert.model.problem import ONE_OF_K
from ganbert.runtime import choose_compute


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
        selection: how labelled rows are chosen: "random", "suggest" or the name of a strategy.
        names: what methods may know of the classes' names: "none", "labels" or a file for `read_class_names`.
        max_length, epochs, max_steps: in place of what the source says.
        teacher_encoder: of the methods that have a teacher; None is `encoder`.
        precision: "float32" or "bfloat16".
        device, threads: as for `choose_compute`; not part of what it computes.
        on_step: called after each training step with its number and the number of steps.
    """

    source: RowSource
    method: str
    budget: str
    seed: int
    encoder: str = "minilm"
    balanced: bool = False
    selection: str = "random"
    names: str = "none"
    max_length: int | None = None
    epochs: float | None = None
    max_steps: int | None = None
    teacher_encoder: str | None = None
    precision: str = "float32"
    device: str = "auto"
    threads: int | None = None
    on_step: Callable[[int, int], None] | None = field(default=None, compare=False, repr=False)

    @property
    def identity(self) -> Record:
        """What tells the run from all others, as its record says it."""
        later = {"selection": self.selection, "names": _names_said(self.names)}
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
                for name in ("max_length", "epochs", "max_steps", "teacher_encoder")
                if (value := getattr(self, name)) is not None
            },
            **{name: value for name, value in later.items() if value != LATER[name]},
        }

    @property
    def key(self) -> str:
        """A short name of the identity."""
        return key_of(self.identity)

    def split(self) -> Split:
        """Return the rows of the run; `InputError` if they cannot be had so."""
        if self.balanced and self.selection != "random":
            raise InputError(f"--balanced draws rows by their labels, --selection {self.selection} without: choose one")
        selection = None
        if self.selection != "random":
            max_length = self.max_length or self.source.conditions()["max_length"]
            compute = choose_compute(self.device, self.precision, self.threads)
            selection = Simulated(self.selection, self.encoder, max_length, compute)
        return self.source.split(
            self.budget, self.seed, balanced=self.balanced, class_names=self._class_names(), selection=selection
        )

    def _class_names(self) -> ClassNames | None:
        if self.names == "none":
            return None
        return self.source.class_names() if self.names == "labels" else read_class_names(self.names)

    def __call__(self) -> Record:
        """Train, predict, measure, and return the record."""
        split = self.split()
        compute = choose_compute(self.device, self.precision, self.threads)
        choices = {**self.source.conditions(), **self.identity["settings"]}
        conditions = Conditions(self.encoder, self.seed, compute, **choices, on_step=self.on_step)
        method = method_named(self.method)
        began = time.perf_counter()
        outcome = method.run(split, conditions)
        seconds = time.perf_counter() - began
        names = split.corpus.label_names
        return {
            **self.identity,
            **split.facts(),
            "names": _names_said(self.names),
            "any_seed": method.deterministic and split.whole and self.source.part != "cross-validation",
            "steps": outcome.steps,
            "labelled_shown": round(outcome.labelled_shown, 2),
            "tokens": outcome.tokens,
            "seconds": round(outcome.seconds, 2),
            "seconds_in_all": round(seconds, 2),
            "rows_per_second": outcome.rows_per_second(len(split.test)),
            "fallback": outcome.fallback,
            "warnings": list(outcome.warnings),
            "health": {name: round(value, 4) for name, value in outcome.health.items()},
            "recipe": dict(outcome.recipe),
            "classes_by_id": list(names),
            **judged(np.asarray(split.test["label"][:]), outcome.probabilities, names),
            **provenance(compute.device),
        }


@functools.cache
def _names_said(names: str) -> str:
    """Return how an identity says where class names are from: a file by its name and contents, not by its place."""
    if names in ("none", "labels"):
        return names
    content = json.dumps(read_class_names(names), sort_keys=True)
    return f"{Path(names).name} {hashlib.sha256(content.encode()).hexdigest()[:8]}"


def judged(truth: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], names: Sequence[str]) -> Record:
    """Return what a record says of predictions: each metric, and all that statistics and report work out from.

    Of what a comparison does with predictions, all that depends on the problem (one of k classes) is here.

    Args:
        truth: [n], class ids; k and above for classes without a labelled row.
        probabilities: [n, k].
        names: of the k classes.
    """
    predicted = ONE_OF_K.decide(probabilities)
    return {
        **classification_metrics(truth, probabilities, names).figures,
        "truth": pack(truth),
        "predicted": pack(predicted),
        "confusion": confusion(as_recorded(truth, len(names)), predicted),
        "calibration": calibration_bins(predicted == truth, probabilities.max(axis=1)),
    }


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> list[list[int]]:
    """Return the pairs of classes that occur, as [true, predicted, rows]; -1 is a class without a labelled row."""
    pairs, counts = np.unique(np.stack([truth, predicted], axis=1), axis=0, return_counts=True)
    return [[*map(int, pair), int(count)] for pair, count in zip(pairs, counts, strict=True)]


NUMBER = (int, float)
KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("accuracy", "seconds_in_all", "ceiling", "labelled_shown"), NUMBER),
    **dict.fromkeys(("steps", "seed", "n_labelled", "n_unlabelled", "n_test", "n_removed", "classes"), NUMBER),
    **dict.fromkeys(("task", "split", "budget", "method", "split_hash"), str),
    **dict.fromkeys(("warnings", "classes_by_id", "confusion", "calibration"), list),
    **dict.fromkeys(("unseen", "health"), dict),
}
"""What tables and report read of a record, besides metrics."""


def what_is_wrong(record: Record) -> str | None:
    """Return which figure a record lacks, or has as something else; None for one that can be shown.

    It may lack a metric that is newer than it is, except the one by which its task is judged.
    """
    kinds = KINDS | {name: NUMBER for name in METRICS if name in record}
    kinds |= {metric_of(str(record.get("task"))): NUMBER}
    wrong = [name for name, kind in kinds.items() if not isinstance(record.get(name), kind)]
    return f"no {wrong[0]!r}, or not as it is written here" if wrong else None


def provenance(device: str | None = None) -> dict[str, str | int]:
    """Return the machine (its GPU, unless `device` is another), threads, versions, and the commit of this checkout."""
    cpu = str(torch.cpu.get_capabilities().get("cpu_name", platform.processor()))
    on_gpu = torch.cuda.is_available() and device in (None, "cuda")
    return {
        "machine": torch.cuda.get_device_name() if on_gpu else cpu,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "ganbert": __version__,
        "commit": COMMIT,
    }


def _commit() -> str:
    """Return the commit of this checkout, `-dirty` where files differ from it; empty where this is none."""
    here = Path(__file__)
    try:
        for command in (("ls-files", "--error-unmatch", here.name), ("describe", "--always", "--dirty", "--exclude=*")):
            found = subprocess.run(["git", *command], cwd=here.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or installed beneath somebody else's repository
        return ""
    return found.stdout.strip()


COMMIT = _commit()
"""Asked when the process begins: it runs what it has loaded, whatever the checkout moves on to."""
