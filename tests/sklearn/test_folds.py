"""LabelledFolds trains on every unlabelled row and tests on labelled ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ganbert import LabelledFolds
from ganbert.data.arrays import labels_of

TEXTS = [f"text {i}" for i in range(30)]
NUMBERS = np.array([i % 3 if i < 18 else -1 for i in range(30)])
NAMES: list[Any] = [None if n == -1 else "abc"[n] for n in NUMBERS]


class LastNumber(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Knows the class of "text 7" by its number, and remembers what it was trained on."""

    seen: list[list[str]] = []  # noqa: RUF012

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift

    def fit(self, X: Any, y: Any) -> LastNumber:  # noqa: N803
        self.classes_ = np.unique(labels_of(y)[1])
        self.seen.append(list(X))
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return self.classes_[[(int(text.split()[1]) + self.shift) % 3 for text in X]]

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        return 0.1 + 0.7 * np.eye(3)[[(int(text.split()[1]) + self.shift) % 3 for text in X]]


@pytest.mark.parametrize(
    "y", [NUMBERS, NAMES, pd.Series(NAMES, index=range(50, 80)), np.where(NUMBERS < 0, np.nan, NUMBERS)]
)
def test_unlabelled_rows_are_in_every_training_set_and_labelled_rows_in_one_test_set(y: Any) -> None:
    folds = list(LabelledFolds(3).split(TEXTS, y))

    assert len(folds) == 3 == LabelledFolds(3).get_n_splits()
    for train, test in folds:
        assert set(range(18, 30)) <= set(train)
        assert sorted({*train, *test}) == list(range(30))
        assert len(train) + len(test) == 30
        assert np.bincount(NUMBERS[test]).tolist() == [2, 2, 2]  # stratified
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(18))


def test_the_seed_decides_which_rows_a_fold_tests() -> None:
    def tests(**given: Any) -> list[list[int]]:
        return [test.tolist() for _, test in LabelledFolds(3, **given).split(TEXTS, NUMBERS)]

    assert tests() == tests(random_state=0)
    assert tests() != tests(random_state=1)
    assert (
        tests(shuffle=False) == tests(shuffle=False, random_state=5) == [[*range(6)], [*range(6, 12)], [*range(12, 18)]]
    )


@pytest.mark.parametrize("y", [NUMBERS, NAMES])
def test_every_scorer_meets_labelled_rows_only(y: Any) -> None:
    for scoring, expected in (("accuracy", 1.0), ("f1_macro", 1.0), ("neg_log_loss", np.log(0.8)), (None, 1.0)):
        scores = cross_val_score(LastNumber(), TEXTS, y, cv=LabelledFolds(3), scoring=scoring, error_score="raise")
        np.testing.assert_allclose(scores, [expected] * 3)
    pipeline = make_pipeline(FunctionTransformer(list), LastNumber())
    assert cross_val_score(pipeline, TEXTS, y, cv=LabelledFolds(3), scoring="accuracy").tolist() == [1, 1, 1]


def test_a_search_goes_over_it_and_trains_at_the_end_on_all_rows() -> None:
    LastNumber.seen.clear()

    search = GridSearchCV(
        LastNumber(), {"shift": [1, 0]}, cv=LabelledFolds(3), scoring=["accuracy", "neg_log_loss"], refit="accuracy"
    ).fit(TEXTS, NAMES)

    assert search.best_params_ == {"shift": 0}
    assert [len(texts) for texts in LastNumber.seen] == [24] * 6 + [30]


def test_what_cannot_be_split_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="n_splits=7 cannot be greater than the number of members in each class"):
        list(LabelledFolds(7).split(TEXTS, NUMBERS))
    with pytest.raises(ValueError, match="y is None"):
        list(LabelledFolds().split(TEXTS))
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(LastNumber(), TEXTS, NUMBERS, cv=LabelledFolds(3))
    with pytest.warns(UserWarning, match="The least populated class in y has only 2 members"):
        list(LabelledFolds(3).split(TEXTS, [0] * 5 + [1] * 2 + [-1] * 23))
