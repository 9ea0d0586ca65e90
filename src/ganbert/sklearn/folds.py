"""LabelledFolds: cross-validation that learns from unlabelled rows and tests on labelled ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, StratifiedKFold

from ganbert.data.arrays import labels_of


class LabelledFolds(BaseCrossValidator):  # type: ignore[misc]
    """A splitter that keeps every unlabelled row in training and tests on labelled rows only, stratified by class.

    cross_val_score(GanBertClassifier(), texts, labels, cv=LabelledFolds(5), scoring="neg_log_loss")

    scikit-learn's own splitters put unlabelled rows into test folds. There they are of no use, and every scorer but
    `GanBertClassifier.score` counts them as errors, or fails. `cross_val_predict` wants each row in one test fold, and
    refuses a splitter that leaves rows out. No label is what `GanBertClassifier.fit` takes for none.

    Args:
        n_splits: folds; at most as many as the largest class has labelled rows.
        shuffle: draw the labelled rows of each fold at random.
        random_state: seed of that, as elsewhere in scikit-learn.
    """

    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = True, random_state: int | np.random.RandomState | None = 0
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def split(
        self,
        X: Any,  # noqa: N803
        y: Any = None,
        groups: Any = None,
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield for each fold the positions of the training rows and of the test rows, both ascending.

        Args:
            X: not looked at.
            y: [n] labels, of which some are missing.
            groups: not used.

        Raises:
            ValueError: `y` holds no labels, or no class has as many labelled rows as there are folds.
        """
        rows, known = labels_of(y)
        n = len(y)
        folds = StratifiedKFold(
            self.n_splits, shuffle=self.shuffle, random_state=self.random_state if self.shuffle else None
        )
        for _, test in folds.split(np.zeros(len(rows)), known):
            yield np.setdiff1d(np.arange(n), rows[test]), rows[test]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
        """Return the number of folds."""
        return self.n_splits
