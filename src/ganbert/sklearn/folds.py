"""LabelledFolds: cross-validation that learns from unlabelled rows and tests on labelled ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, StratifiedKFold

from ganbert.data.arrays import labels_of


class LabelledFolds(BaseCrossValidator):  # type: ignore[misc]
    """A splitter that keeps all unlabelled rows in the training folds, and stratifies the labelled ones by class.

        cross_val_score(GanBertClassifier(), texts, labels, cv=LabelledFolds(5), scoring="neg_log_loss")

    scikit-learn's own splitters put unlabelled rows into test folds. There they are useless, and every scorer except
    `GanBertClassifier.score` fails on them or counts them as errors. `cross_val_predict` cannot be used with this
    splitter, because it needs every row in a test fold. Which rows have no label: see `GanBertClassifier.fit`.

    Args:
        n_splits: number of folds; at most as many as the largest class has labelled rows.
        shuffle: assign labelled rows to folds at random.
        random_state: seed for `shuffle`, as elsewhere in scikit-learn.
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
        """Yield the positions of the training rows and of the test rows of each fold, both in ascending order.

        Args:
            X: ignored.
            y: [n] labels, of which some may be missing.
            groups: ignored.

        Raises:
            ValueError: no row has a label, or every class has fewer labelled rows than there are folds.
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
