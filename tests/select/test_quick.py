"""QuickLearner: a regression on labels and names, the nearest name without labels, and honest ignorance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ganbert.select.quick import QuickLearner
from tests.select.conftest import groups

VECTORS, GROUPS = groups(3, 40)
LABELS = np.where(np.arange(120) < 20, GROUPS, -100)


def names_of_groups(*which: int) -> dict[int, np.ndarray]:
    """Return two vectors for each group, near its middle."""
    return {i: VECTORS[np.flatnonzero(i == GROUPS)[-2:]] for i in which}


def test_labels_alone_are_a_logistic_regression() -> None:
    found = QuickLearner(3).fit(VECTORS, LABELS).predict_proba(VECTORS)
    reference = LogisticRegression(C=10, max_iter=1000).fit(VECTORS[:20].astype(float), GROUPS[:20])
    np.testing.assert_allclose(found, reference.predict_proba(VECTORS), atol=1e-5)
    assert found.dtype == np.float32


def test_a_name_is_one_more_row_that_fades_with_the_labels_of_its_class() -> None:
    names = names_of_groups(0, 2)
    found = QuickLearner(3, names, name_rows=5).fit(VECTORS, LABELS).predict_proba(VECTORS)

    counts = np.bincount(GROUPS[:20], minlength=3)
    assert counts.min() > 0
    reference = LogisticRegression(C=10, max_iter=1000).fit(
        np.concatenate([VECTORS[:20], names[0], names[2]]).astype(float),
        [*GROUPS[:20], 0, 0, 2, 2],
        [1.0] * 20 + [1 / (1 + counts[0] / 5)] * 2 + [1 / (1 + counts[2] / 5)] * 2,
    )
    np.testing.assert_allclose(found, reference.predict_proba(VECTORS), atol=1e-5)


def test_without_labels_a_class_is_as_probable_as_its_name_is_near() -> None:
    names = names_of_groups(2, 0, 1)
    learner = QuickLearner(3, names).fit(VECTORS, np.full(120, -100))
    found = learner.predict_proba(VECTORS)

    means = np.stack([names[i].mean(axis=0) for i in range(3)]).astype(float)
    scores = np.exp(20 * VECTORS @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T)
    np.testing.assert_allclose(found, scores / scores.sum(axis=1, keepdims=True), atol=1e-5)
    assert learner.knows
    assert (found.argmax(axis=1) == GROUPS).mean() > 0.95


def test_a_class_with_a_name_alone_is_found_beside_labelled_ones() -> None:
    labels = np.where((np.arange(120) < 20) & (GROUPS != 1), GROUPS, -100)
    without = QuickLearner(3).fit(VECTORS, labels).predict_proba(VECTORS)
    found = QuickLearner(3, names_of_groups(1)).fit(VECTORS, labels).predict_proba(VECTORS)

    assert (without[:, 1] == 0).all()
    assert (found.argmax(axis=1)[GROUPS == 1] == 1).mean() > 0.9
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("label", [None, 1], ids=["nothing", "one class only"])
def test_where_nothing_tells_classes_apart_all_are_equal(label: int | None) -> None:
    labels = np.full(120, -100)
    if label is not None:
        labels[label == GROUPS] = label
    learner = QuickLearner(3).fit(VECTORS, labels)
    assert not learner.knows
    np.testing.assert_array_equal(learner.predict_proba(VECTORS), np.full((120, 3), np.float32(1 / 3)))


def test_no_classes_at_all_are_no_columns() -> None:
    assert QuickLearner(0).fit(VECTORS, np.full(120, -100)).predict_proba(VECTORS).shape == (120, 0)


def test_it_can_learn_again_from_more() -> None:
    learner = QuickLearner(3).fit(VECTORS, np.full(120, -100))
    assert not learner.knows
    more = learner.fit(VECTORS, LABELS).predict_proba(VECTORS)
    np.testing.assert_array_equal(more, QuickLearner(3).fit(VECTORS, LABELS).predict_proba(VECTORS))
    assert not learner.fit(VECTORS, np.full(120, -100)).knows


def test_rows_in_chunks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = QuickLearner(3).fit(VECTORS, LABELS).predict_proba(VECTORS)
    monkeypatch.setattr("ganbert.select.quick.CHUNK", 7)
    np.testing.assert_allclose(QuickLearner(3).fit(VECTORS, LABELS).predict_proba(VECTORS), whole, atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_as_many_classes_as_rows_are_no_reason_to_warn() -> None:
    found = QuickLearner(60).fit(VECTORS[:60], np.arange(60)).predict_proba(VECTORS)
    assert found.shape == (120, 60)
