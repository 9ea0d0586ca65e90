"""QuickLearner: regression and clusters, from labels, names and the pile; and honest ignorance."""

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


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def clusters(labels: np.ndarray, names: dict[int, np.ndarray], k: int = 3) -> np.ndarray:
    """Return log probabilities [n, k] of a mixture that is fitted row by row."""
    seeds = np.zeros((k, VECTORS.shape[1]))
    for row in np.flatnonzero(labels >= 0):
        seeds[labels[row]] += VECTORS[row]
    for label, texts in names.items():
        seeds[label] += 2 * unit(texts.mean(axis=0))
    centres, pile = unit(seeds), VECTORS[labels < 0].astype(float)
    for _ in range(10):
        near = np.exp(30 * pile @ centres.T)
        near /= near.sum(axis=1, keepdims=True)
        centres = unit(seeds + unit(np.stack([(near[:, [c]] * pile).sum(axis=0) for c in range(k)])))
    near = 30 * VECTORS @ centres.T
    return np.asarray(near - np.log(np.exp(near).sum(axis=1, keepdims=True)))


@pytest.mark.parametrize("named", [(), (0, 2)], ids=["labels alone", "with names"])
def test_it_is_the_geometric_mean_of_a_regression_and_of_clusters(named: tuple[int, ...]) -> None:
    names = names_of_groups(*named)
    found = QuickLearner(3, names).fit(VECTORS, LABELS).predict_proba(VECTORS)
    x = np.concatenate([VECTORS[:20], *(names[i] for i in named)]).astype(float)
    y = [*GROUPS[:20], *(i for i in named for _ in names[i])]
    regression = LogisticRegression(C=10, class_weight="balanced", max_iter=1000).fit(x, y)
    expected = np.exp((regression.predict_log_proba(VECTORS) + clusters(LABELS, names)) / 2)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-4)
    assert found.dtype == np.float32


def test_without_labels_clusters_begin_at_the_names_and_find_their_groups() -> None:
    names = names_of_groups(2, 0, 1)
    learner = QuickLearner(3, names).fit(VECTORS, np.full(120, -100))
    found = learner.predict_proba(VECTORS)
    np.testing.assert_allclose(found, np.exp(clusters(np.full(120, -100), names)), atol=1e-4)
    assert learner.knows
    assert (found.argmax(axis=1) == GROUPS).mean() > 0.95


def test_the_pile_draws_a_cluster_to_where_its_rows_are() -> None:
    vectors, of = groups(2, 60, spread=0.3, width=8)
    centre = unit(vectors[of == 0].mean(axis=0))
    odd = int(np.flatnonzero(of == 0)[(vectors[of == 0] @ centre).argmin()])  # the only labelled row of its group
    labels = np.full(120, -100)
    labels[odd], labels[np.flatnonzero(of == 1)[0]] = 0, 1

    def rightly(rows: np.ndarray) -> float:
        found = QuickLearner(2).fit(vectors[rows], labels[rows]).predict_proba(vectors)
        return float((found.argmax(axis=1) == of).mean())

    assert rightly(np.arange(120)) > rightly(np.flatnonzero(labels >= 0))


def test_of_a_large_pile_regular_steps_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = QuickLearner(3).fit(VECTORS, LABELS).predict_proba(VECTORS)
    monkeypatch.setattr("ganbert.select.clusters.PILE_ROWS", 50)
    part = QuickLearner(3).fit(VECTORS, LABELS).predict_proba(VECTORS)
    assert (part != whole).any()
    assert (part.argmax(axis=1) == whole.argmax(axis=1)).mean() > 0.95


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
