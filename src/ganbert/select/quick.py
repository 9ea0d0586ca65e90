"""QuickLearner: a classifier in a moment, from a few labelled vectors and from what the classes are called."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from ganbert.labels import UNLABELLED
from ganbert.select.vectors import CHUNK

ITERATIONS = 1000
"""Of logistic regression at most."""


class QuickLearner:
    """Logistic regression on vectors of unit length, in which a class's name is one more labelled row.

        learner = QuickLearner(2, {0: name_vectors}).fit(vectors, labels)
        learner.predict_proba(vectors)      # [n, 2]

    Where no row is labelled, a class is as probable as its name is near: a softmax of cosines. Without names either, or
    with one class only, all classes are equally probable.

    Args:
        n_classes: k.
        names: a class id to the vectors [m, d] of the texts that say what the class is called; not all need one.
        C: inverse strength of the penalty on the weights.
        name_rows: labelled rows of a class beside which its name weighs half as much as one of them; beside none it
            weighs 1.
        sharpness: what cosines are multiplied by where no row is labelled.
    """

    def __init__(
        self,
        n_classes: int,
        names: Mapping[int, NDArray[np.float32]] | None = None,
        *,
        C: float = 10.0,  # noqa: N803 - scikit-learn's name of it
        name_rows: float = 4.0,
        sharpness: float = 20.0,
    ) -> None:
        self.n_classes, self.names = n_classes, dict(names or {})
        self.C, self.name_rows, self.sharpness = C, name_rows, sharpness
        self.knows = False
        self._regression: LogisticRegression | None = None

    def fit(self, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Self:
        """Learn from the rows of `vectors` [n, d] whose label [n] is a class id; others have -100.

        Sets `knows`: whether there was anything to learn from.
        """
        rows = np.flatnonzero((labels != UNLABELLED) & (labels < self.n_classes))
        seen = {int(label) for label in np.unique(labels[rows])}
        self.knows = len(seen | self.names.keys()) > 1
        self._regression = None
        if self.knows and seen:
            counts = np.bincount(labels[rows], minlength=self.n_classes)
            x, y, weights = [vectors[rows]], [labels[rows]], [np.ones(len(rows))]
            for label, texts in self.names.items():
                x.append(texts)
                y.append(np.full(len(texts), label))
                weights.append(np.full(len(texts), self.name_rows / (self.name_rows + counts[label])))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The number of unique classes")  # of few rows many classes are usual
                self._regression = LogisticRegression(C=self.C, max_iter=ITERATIONS).fit(
                    np.concatenate(x).astype(np.float64), np.concatenate(y), np.concatenate(weights)
                )
        return self

    def predict_proba(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities [n, k] of the classes; 0 for a class with neither a labelled row nor a name."""
        probabilities = np.zeros((len(vectors), self.n_classes), np.float32)
        for start in range(0, len(vectors), CHUNK):
            chunk = slice(start, start + CHUNK)
            if not self.knows:
                probabilities[chunk] = 1 / max(1, self.n_classes)
            elif self._regression is not None:
                probabilities[chunk, self._regression.classes_] = self._regression.predict_proba(vectors[chunk])
            else:
                means = np.stack([texts.mean(axis=0) for texts in self.names.values()])
                means /= np.linalg.norm(means, axis=1, keepdims=True)
                cosines = vectors[chunk] @ means.T
                probabilities[chunk, list(self.names)] = softmax(self.sharpness * cosines, axis=1)
        return probabilities
