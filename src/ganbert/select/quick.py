"""QuickLearner: a classifier in a moment, from labelled vectors, unlabelled ones, and what the classes are called.

It is the geometric mean of two that know different things. Logistic regression on labelled rows and names finds what
separates classes, and is at its best with many labels; `Clusters` know the pile, and are at their best with few.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from ganbert.labels import UNLABELLED
from ganbert.select.clusters import Clusters
from ganbert.select.vectors import CHUNK

ITERATIONS = 1000
"""Of logistic regression at most."""


class QuickLearner:
    """Classify vectors of unit length; an unlabelled row has the label -100.

        learner = QuickLearner(2, {0: name_vectors}).fit(vectors, labels)
        learner.predict_proba(vectors)      # [n, 2]

    With names alone the clusters are asked alone. With neither labels nor names of two classes, all are equally
    probable.

    Args:
        n_classes: k.
        names: a class id to the vectors [m, d] of the texts that say what the class is called; not all need one.
        C: inverse strength of the penalty on the weights of logistic regression.
    """

    def __init__(
        self,
        n_classes: int,
        names: Mapping[int, NDArray[np.float32]] | None = None,
        *,
        C: float = 10.0,  # noqa: N803 - scikit-learn's name of it
    ) -> None:
        self.n_classes, self.names, self.C = n_classes, dict(names or {}), C
        self.knows = False
        self._clusters = Clusters(n_classes, names)
        self._regression: LogisticRegression | None = None

    def fit(self, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Self:
        """Learn from `vectors` [n, d], whose labels [n] are class ids or -100; other ids count as -100.

        Sets `knows`: whether there was anything to learn from.
        """
        rows = np.flatnonzero((labels != UNLABELLED) & (labels < self.n_classes))
        self.knows = len({*labels[rows].tolist(), *self.names}) > 1
        self._regression = self._regressed(vectors[rows], labels[rows]) if self.knows and len(rows) else None
        if self.knows:
            self._clusters.fit(vectors, labels)
        return self

    def predict_proba(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities [n, k] of the classes; 0 for a class with neither a labelled row nor a name."""
        if not self.knows:
            return np.full((len(vectors), self.n_classes), 1 / max(1, self.n_classes), np.float32)
        probabilities = np.empty((len(vectors), self.n_classes), np.float32)
        for start in range(0, len(vectors), CHUNK):
            chunk = slice(start, start + CHUNK)
            log_p = self._clusters.predict_log_proba(vectors[chunk])
            if self._regression is not None:
                log_p[:, self._regression.classes_] += self._regression.predict_log_proba(vectors[chunk])
                log_p /= 2
            probabilities[chunk] = softmax(log_p, axis=1)
        return probabilities

    def _regressed(self, rows: NDArray[np.float32], y: NDArray[np.int64]) -> LogisticRegression:
        """Return logistic regression on labelled rows and names, in which all classes weigh the same."""
        x = np.concatenate([rows, *self.names.values()]).astype(np.float64)
        y = np.concatenate([y, *(np.full(len(texts), label) for label, texts in self.names.items())])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The number of unique classes")  # of few rows many classes are usual
            return LogisticRegression(C=self.C, class_weight="balanced", max_iter=ITERATIONS).fit(x, y)
