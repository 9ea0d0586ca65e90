"""Figures from predictions: accuracy, F1, calibration, and each class on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Metrics:
    """Figures of a classifier on n labelled rows, all between 0 and 1.

    Attributes:
        accuracy: share of rows predicted right.
        macro_f1: F1 averaged over the classes that occur among the true labels or the predictions.
        micro_f1: F1 over all decisions; equal to accuracy as every row gets exactly one class.
        n: number of rows.
        n_unseen: rows whose label the model never saw, all counted as errors.
        ece: expected calibration error over 15 equal-width bins of confidence (Guo et al. 2017, eq. 3).
        per_class: label to precision, recall, f1 and support.
    """

    accuracy: float
    macro_f1: float
    micro_f1: float
    n: int
    n_unseen: int
    ece: float
    per_class: dict[str, dict[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return asdict(self)


def classification_metrics(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.floating[Any]],
    names: Sequence[str],
) -> Metrics:
    """Measure predictions against true labels.

    Args:
        labels: [n], true class ids; k and above for classes that the model never saw: no prediction can be right.
        probabilities: [n, k].
        names: the k class names.

    Raises:
        ValueError: there are no rows.
    """
    # Here, because it takes a second to import and predictions do without.
    from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

    if len(labels) == 0:
        raise ValueError("no rows to measure on")
    predicted = probabilities.argmax(axis=1)
    present = np.union1d(labels, predicted)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(names)), average=None, zero_division=0.0
    )
    return Metrics(
        accuracy=float(accuracy_score(labels, predicted)),
        macro_f1=float(f1_score(labels, predicted, labels=present, average="macro", zero_division=0.0)),
        micro_f1=float(f1_score(labels, predicted, labels=present, average="micro", zero_division=0.0)),
        n=len(labels),
        n_unseen=int((labels >= len(names)).sum()),
        ece=expected_calibration_error(predicted == labels, probabilities.max(axis=1)),
        per_class={
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for name, p, r, f, s in zip(names, precision, recall, f1, support, strict=True)
        },
    )


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
