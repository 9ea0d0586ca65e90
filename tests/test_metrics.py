"""Figures against what one works out by hand."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from numpy.typing import NDArray

from ganbert.metrics import METRICS, SHOWN, classification_metrics, expected_calibration_error

NAMES = ["a", "b", "c"]


def sure_of(*classes: int, k: int = 3) -> NDArray[np.float64]:
    """Probabilities of a model that puts all its trust in these classes."""
    return np.eye(k)[list(classes)]


def test_figures_match_hand_calculation() -> None:
    metrics = classification_metrics(np.array([0, 0, 1, 1, 2]), sure_of(0, 1, 1, 1, 0), NAMES)
    assert metrics.accuracy == pytest.approx(3 / 5)
    assert metrics.micro_f1 == pytest.approx(3 / 5)
    assert metrics.macro_f1 == pytest.approx((0.5 + 0.8 + 0) / 3)
    assert (metrics.n, metrics.n_unseen) == (5, 0)
    assert metrics.per_class["a"] == pytest.approx({"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "support": 2})
    assert metrics.per_class["b"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 4 / 5, "support": 2})
    assert metrics.per_class["c"] == pytest.approx({"precision": 0, "recall": 0, "f1": 0, "support": 1})


def test_unseen_labels_count_as_errors() -> None:
    metrics = classification_metrics(np.array([0, 0, 1, 1, 2, 3, 4, 4]), sure_of(0, 1, 1, 1, 0, 2, 1, 1), NAMES)
    assert metrics.n_unseen == 3
    assert metrics.accuracy == metrics.micro_f1 == pytest.approx(3 / 8)
    assert metrics.macro_f1 == pytest.approx((2 / 4 + 4 / 7 + 0 + 0 + 0) / 5)  # each unseen class has an F1 of 0
    assert metrics.ece == pytest.approx(5 / 8)  # sure of everything and right three times of eight
    assert metrics.per_class["c"]["support"] == 1
    assert list(metrics.per_class) == NAMES


def test_an_unseen_row_predicted_as_the_last_class_is_wrong() -> None:
    assert classification_metrics(np.array([3]), sure_of(2), NAMES).accuracy == 0


def test_a_class_that_never_occurs_is_left_out_of_macro_f1() -> None:
    metrics = classification_metrics(np.array([0, 1]), sure_of(0, 1), NAMES)
    assert metrics.macro_f1 == 1
    assert metrics.per_class["c"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}


def test_ece_matches_hand_calculation() -> None:
    correct, confidence = np.array([True, False, True, False]), np.array([0.9, 0.9, 0.8, 0.6])
    # three bins: two rows with |0.5 - 0.9|, one with |1 - 0.8|, one with |0 - 0.6|
    assert expected_calibration_error(correct, confidence) == pytest.approx(0.5 * 0.4 + 0.25 * 0.2 + 0.25 * 0.6)


def test_ece_bins_are_closed_above() -> None:
    correct, confidence = np.array([True, False]), np.array([0.25, 0.5])  # (0, 1/2] is one bin
    assert expected_calibration_error(correct, confidence, bins=2) == pytest.approx(abs(1 - 0.75) / 2)


def test_ece_bins_hold_zero_and_one() -> None:
    assert expected_calibration_error(np.array([False, True]), np.array([0.0, 1.0])) == 0


def test_a_perfectly_calibrated_model_has_no_calibration_error() -> None:
    correct = np.array([True, True, True, True, False, True, False])
    assert expected_calibration_error(correct, np.array([0.8] * 5 + [0.5] * 2)) == pytest.approx(0, abs=1e-12)


def test_ece_is_that_of_the_predicted_class() -> None:
    metrics = classification_metrics(np.array([1, 0]), np.array([[0.3, 0.7, 0.0], [0.3, 0.7, 0.0]]), NAMES)
    assert metrics.ece == pytest.approx(0.7 - 0.5)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        classification_metrics(np.array([], dtype=np.int64), np.empty((0, 3)), NAMES)


def test_figures_can_be_written_as_json() -> None:
    metrics = classification_metrics(np.array([0, -1]), sure_of(0, 1).astype(np.float32), NAMES)
    assert json.loads(json.dumps(metrics.as_dict())) == metrics.as_dict()


@pytest.fixture
def predictions() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """True ids of 300 rows, some of a class without a label, and probabilities of three classes."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 4, 300), rng.dirichlet([0.5] * 3, 300)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_a_figure_between_0_and_1_and_best_where_all_is_right(
    name: str, predictions: tuple[NDArray[np.int64], NDArray[np.float64]]
) -> None:
    metric, (labels, probabilities) = METRICS[name], predictions
    known = labels < 3
    probabilities[known] = 0.7 * probabilities[known] + 0.3 * np.eye(3)[labels[known]]  # better than chance
    assert 0 < metric.of(labels, probabilities) < 1
    assert metric.of(np.array([0, 1, 2]), sure_of(0, 1, 2)) == (1 if metric.higher_is_better else 0)
    assert metric.says
    assert metric.label


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.of_rows is not None])
def test_the_mean_of_what_rows_contribute_is_the_figure(
    name: str, predictions: tuple[NDArray[np.int64], NDArray[np.float64]]
) -> None:
    metric, (labels, probabilities) = METRICS[name], predictions
    assert metric.of_rows is not None
    contributions = metric.of_rows(labels, probabilities.argmax(axis=1))
    assert contributions.shape == labels.shape
    assert contributions.mean() == pytest.approx(metric.of(labels, probabilities), abs=1e-3)
    if metric.is_share:
        assert set(contributions) == {0, 1}


def test_metrics_are_attributes_and_a_line_of_text() -> None:
    metrics = classification_metrics(np.array([0, 1]), sure_of(0, 0), NAMES)
    assert all(getattr(metrics, name) == metrics.figures[name] for name in METRICS)
    assert str(metrics) == "accuracy 0.500, macro F1 0.333, ECE 0.500"
    assert [metric.label for metric in SHOWN] == ["accuracy", "macro F1", "ECE"]
    with pytest.raises(AttributeError, match="no metric 'precision'"):
        metrics.precision  # noqa: B018
    assert copy.deepcopy(pickle.loads(pickle.dumps(metrics))) == metrics
