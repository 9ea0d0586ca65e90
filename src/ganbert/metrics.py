"""Figures from predictions: one table of metrics, each class on its own, and calibration.

Screens, plots, model cards, records and reports iterate over `METRICS`: to add a metric, add an entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 15

Ids = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Metric:
    """A figure between 0 and 1. It is shown in percent where methods are compared, else with three decimals.

    Attributes:
        name: in records, logs and JSON.
        label: for people.
        says: what it is, to follow "LABEL: " in a sentence.
        of: the figure of true class ids [n] and probabilities [n, k]; ids of k and above are of classes that the model
            never saw.
        of_rows: what each row contributes [n], of true and predicted ids [n] each, so that the mean is the figure or
            close to it; None where that is not known: intervals of the metric then count seeds alone.
        is_share: whether the figure is a share of the rows, to which each contributes 0 or 1.
        higher_is_better: whether 1 is best.
        shown: whether tables for people have a column for it.
        hub_name: its name on the Hugging Face Hub, in model cards; None if it is the same.
    """

    name: str
    label: str
    says: str
    of: Callable[[Ids, Probabilities], float]
    of_rows: Callable[[Ids, Ids], NDArray[np.float64]] | None = None
    is_share: bool = False
    higher_is_better: bool = True
    shown: bool = True
    hub_name: str | None = None


@dataclass(frozen=True)
class Metrics:
    """Figures of a classifier on n labelled rows.

    Each metric is an attribute as well: `metrics.accuracy`, `metrics.macro_f1`, `metrics.micro_f1`, `metrics.ece`.

    Attributes:
        figures: name to value, for each entry of `METRICS`.
        n: number of rows.
        n_unseen: rows whose label the model never saw, all counted as errors.
        per_class: label to precision, recall, f1 and support.
    """

    figures: Mapping[str, float]
    n: int
    n_unseen: int
    per_class: Mapping[str, Mapping[str, float]]

    def __getattr__(self, name: str) -> float:
        if name not in METRICS:  # `figures` too, while a copy is made
            raise AttributeError(f"no metric {name!r}: there are {', '.join(METRICS)}")
        return self.figures[name]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return {**self.figures, "n": self.n, "n_unseen": self.n_unseen, "per_class": self.per_class}

    def __str__(self) -> str:
        """What is shown to people, in a line."""
        return ", ".join(f"{metric.label} {self.figures[metric.name]:.3f}" for metric in SHOWN)


def classification_metrics(labels: Ids, probabilities: Probabilities, names: Sequence[str]) -> Metrics:
    """Measure predictions against true labels.

    Args:
        labels: [n], true class ids; k and above for classes that the model never saw: no prediction can be right.
        probabilities: [n, k].
        names: the k class names.

    Raises:
        ValueError: there are no rows.
    """
    # Here, because it takes a second to import and predictions do without.
    from sklearn.metrics import precision_recall_fscore_support

    if len(labels) == 0:
        raise ValueError("no rows to measure on")
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=np.arange(len(names)), average=None, zero_division=0.0
    )
    return Metrics(
        figures={name: metric.of(labels, probabilities) for name, metric in METRICS.items()},
        n=len(labels),
        n_unseen=int((labels >= len(names)).sum()),
        per_class={
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for name, p, r, f, s in zip(names, precision, recall, f1, support, strict=True)
        },
    )


def accuracy(labels: Ids, probabilities: Probabilities) -> float:
    """Return the share of rows predicted right."""
    return float((labels == probabilities.argmax(axis=1)).mean())


def macro_f1(labels: Ids, probabilities: Probabilities) -> float:
    """Return F1 averaged over the classes that occur among the true labels or the predictions."""
    from sklearn.metrics import f1_score

    predicted = probabilities.argmax(axis=1)
    present = np.union1d(labels, predicted)
    return float(f1_score(labels, predicted, labels=present, average="macro", zero_division=0.0))


def expected_calibration_error(
    correct: NDArray[np.bool_], confidence: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS
) -> float:
    """Return sum over bins of (share of rows) * |accuracy - mean confidence| (Guo et al. 2017, eq. 3).

    Args:
        correct: [n], whether the prediction is right.
        confidence: [n], probability of the predicted class.
        bins: number of equal-width bins over (0, 1].
    """
    of_bins = calibration_bins(correct, confidence, bins)
    return sum(n * abs(accuracy - mean) for n, accuracy, mean in of_bins) / len(correct)


def calibration_bins(
    correct: NDArray[np.bool_], confidence: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS
) -> list[tuple[int, float, float]]:
    """Return rows, accuracy and mean confidence of each bin that holds rows; arguments as above."""
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        (int(inside.sum()), float(correct[inside].mean()), float(confidence[inside].mean(dtype=np.float64)))
        for inside in (bin_of == i for i in np.unique(bin_of))
    ]


def right(labels: Ids, predicted: Ids) -> NDArray[np.float64]:
    """Return 1 for each row predicted right and 0 for the others: what each contributes to accuracy."""
    return np.asarray(labels == predicted, dtype=np.float64)


def shares_of_macro_f1(labels: Ids, predicted: Ids) -> NDArray[np.float64]:
    """Return what each row contributes to macro F1: the jackknife's pseudovalues n F1 - (n - 1) F1 without the row.

    Args:
        labels, predicted: [n], class ids.

    Returns:
        [n]
    """
    classes, ids = np.unique(np.concatenate([labels, predicted]), return_inverse=True)
    k, n = len(classes), len(labels)
    pairs, of_row = np.unique(ids[:n] * k + ids[n:], return_inverse=True)  # rows of one pair contribute alike
    own, taken = pairs // k, pairs % k
    is_hit = own == taken
    hits = np.bincount(ids[:n][labels == predicted], minlength=k)
    places = np.bincount(ids, minlength=k)  # rows that are of a class, and rows taken for it
    f1 = _f1(hits, places)
    own_f1, own_places = _f1(hits[own] - is_hit, places[own] - 1 - is_hit), places[own] - 1 - is_hit
    taken_f1, taken_places = _f1(hits[taken], places[taken] - 1), places[taken] - 1
    sums = f1.sum() + own_f1 - f1[own] + np.where(is_hit, 0, taken_f1 - f1[taken])
    left = k - (own_places == 0) - (~is_hit & (taken_places == 0))
    return np.asarray((n * f1.mean() - (n - 1) * sums / np.maximum(left, 1))[of_row])


def _f1(hits: Ids, places: Ids) -> NDArray[np.float64]:
    return np.asarray(2 * hits / np.maximum(places, 1))


def _calibration_error(labels: Ids, probabilities: Probabilities) -> float:
    return expected_calibration_error(labels == probabilities.argmax(axis=1), probabilities.max(axis=1))


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", "the share of rows predicted right", accuracy, right, is_share=True),
        Metric(
            "macro_f1",
            "macro F1",
            "the mean over classes, rare ones counting as much as common ones",
            macro_f1,
            shares_of_macro_f1,
            hub_name="f1",
        ),
        # F1 over all decisions: equal to accuracy, as every row gets exactly one class.
        Metric("micro_f1", "micro F1", "the same as accuracy", accuracy, right, is_share=True, shown=False),
        Metric(
            "ece",
            "ECE",
            "how far confidence is from accuracy on average, 0 is best",
            _calibration_error,
            higher_is_better=False,
        ),
    )
}
"""By name, in the order of columns."""

SHOWN = [metric for metric in METRICS.values() if metric.shown]
"""Those that tables for people have a column for."""

EXPLAINED = " ".join(f"{metric.label[0].upper()}{metric.label[1:]}: {metric.says}." for metric in SHOWN)
"""What the columns mean, for those who meet them for the first time."""
