"""QuickLearner: a classifier in a moment, from labelled vectors, unlabelled ones, and what the classes are called.

Two classifiers that know different things, and the geometric mean of their probabilities:

- Logistic regression on labelled rows and names. It finds what separates classes, and is at its best with many labels.
- One cluster for each class, around its labelled rows and its name, drawn towards the unlabelled rows that lie there:
  a mixture of von Mises-Fisher distributions (Banerjee et al. 2005) fitted by EM from labelled seeds (Basu et al.
  2002). It knows what the pile looks like, and is at its best with few labels, or with names alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from ganbert.labels import UNLABELLED
from ganbert.select.vectors import CHUNK

ITERATIONS = 1000
"""Of logistic regression at most."""
ROUNDS = 10
"""Of EM; clusters of a few thousand rows stand still by then."""
PILE_ROWS = 5000
"""Unlabelled rows that clusters are fitted to: more change little."""
NAME_ROWS = 2.0
"""Labelled rows that the name of a class counts as in its cluster."""
PILE_ROW = 1.0
"""Labelled rows that all of a cluster's unlabelled ones count as together."""


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
        concentration: of the clusters, what cosines are multiplied by.
    """

    def __init__(
        self,
        n_classes: int,
        names: Mapping[int, NDArray[np.float32]] | None = None,
        *,
        C: float = 10.0,  # noqa: N803 - scikit-learn's name of it
        concentration: float = 30.0,
    ) -> None:
        self.n_classes, self.names = n_classes, dict(names or {})
        self.C, self.concentration = C, concentration
        self.knows = False
        self._regression: LogisticRegression | None = None
        self._centres: NDArray[np.float32] | None = None

    def fit(self, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Self:
        """Learn from `vectors` [n, d], whose labels [n] are class ids or -100; other ids count as -100.

        Sets `knows`: whether there was anything to learn from.
        """
        is_labelled = (labels != UNLABELLED) & (labels < self.n_classes)
        rows, y = vectors[is_labelled], labels[is_labelled]
        self._known = np.array(sorted({*y.tolist(), *self.names}), dtype=np.int64)
        self.knows, self._regression = len(self._known) > 1, None
        if self.knows:
            self._centres = self._clusters(rows, y, _spread(vectors, np.flatnonzero(~is_labelled)))
            if len(y):
                self._regression = self._regressed(rows, y)
        return self

    def predict_proba(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities [n, k] of the classes; 0 for a class with neither a labelled row nor a name."""
        if not self.knows:
            return np.full((len(vectors), self.n_classes), 1 / max(1, self.n_classes), np.float32)
        probabilities = np.zeros((len(vectors), self.n_classes), np.float32)
        for start in range(0, len(vectors), CHUNK):
            chunk = slice(start, start + CHUNK)
            log_p = log_softmax(self._cosines(vectors[chunk]), axis=1)
            if self._regression is not None:
                log_p = (log_p + self._regression.predict_log_proba(vectors[chunk])) / 2
            probabilities[chunk, self._known] = softmax(log_p, axis=1)
        return probabilities

    def _cosines(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        assert self._centres is not None
        return self.concentration * (vectors @ self._centres.T)

    def _clusters(
        self, rows: NDArray[np.float32], y: NDArray[np.int64], pile: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the centres [known, d]: EM over the pile, with labelled rows and names fixed in their classes."""
        fixed = np.stack([rows[y == label].sum(axis=0) for label in self._known])
        for i, label in enumerate(self._known):
            if label in self.names:
                fixed[i] += NAME_ROWS * _unit(self.names[label].mean(axis=0))
        self._centres = _unit(fixed)
        for _ in range(ROUNDS if len(pile) else 0):
            shares = softmax(self._cosines(pile), axis=1)
            self._centres = _unit(fixed + PILE_ROW * _unit(shares.T @ pile))
        return self._centres

    def _regressed(self, rows: NDArray[np.float32], y: NDArray[np.int64]) -> LogisticRegression:
        """Return logistic regression on labelled rows and names, in which all classes weigh the same."""
        x = np.concatenate([rows, *self.names.values()]).astype(np.float64)
        y = np.concatenate([y, *(np.full(len(texts), label) for label, texts in self.names.items())])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The number of unique classes")  # of few rows many classes are usual
            return LogisticRegression(C=self.C, class_weight="balanced", max_iter=ITERATIONS).fit(x, y)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors of length 1; what has no length stays as it is."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, np.finfo(np.float32).tiny), dtype=np.float32)


def _spread(vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the vectors of these rows, or of `PILE_ROWS` of them in regular steps."""
    if len(rows) > PILE_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, PILE_ROWS).astype(np.int64)]
    return vectors[rows]
