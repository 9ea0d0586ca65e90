"""Clusters: one for each class, around its labelled rows and its name, drawn towards the unlabelled rows there.

A mixture of von Mises-Fisher distributions (Banerjee et al. 2005) fitted by EM from labelled seeds (Basu et al. 2002).
It knows what the pile looks like, so it is at its best with few labels, or with names alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from ganbert.labels import UNLABELLED

CONCENTRATION = 30.0
"""Of all clusters: what cosines are multiplied by, divided by their `cosine_range`."""
ROUNDS = 10
"""Of EM; clusters of a few thousand rows stand still by then."""
PILE_ROWS = 5000
"""Unlabelled rows that clusters are fitted to: more change little."""
NAME_ROWS = 2.0
"""Labelled rows that the name of a class counts as."""
PILE_ROW = 1.0
"""Labelled rows that all unlabelled ones of a cluster count as together."""


class Clusters:
    """Classify vectors of unit length by the nearest cluster.

    Args:
        n_classes: k.
        names: a class id to the vectors [m, d] of the texts that say what the class is called; not all need one.

    Attributes:
        known: ids of the classes that have a labelled row or a name, sorted.
        centres: [known, d].
    """

    known: NDArray[np.int64]
    centres: NDArray[np.float32]

    def __init__(self, n_classes: int, names: Mapping[int, NDArray[np.float32]] | None = None) -> None:
        self.n_classes, self.names = n_classes, dict(names or {})

    def fit(self, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Self:
        """Learn from `vectors` [n, d], whose labels [n] are class ids, or -100 (or other ids) for unlabelled rows."""
        is_labelled = (labels != UNLABELLED) & (labels < self.n_classes)
        rows, y = vectors[is_labelled], labels[is_labelled]
        self.known = np.array(sorted({*y.tolist(), *self.names}), dtype=np.int64)
        fixed = np.zeros((len(self.known), vectors.shape[1]), np.float32)
        for i, label in enumerate(self.known.tolist()):
            fixed[i] = rows[y == label].sum(axis=0)
            if label in self.names:
                fixed[i] += NAME_ROWS * unit(self.names[label].mean(axis=0))
        self.centres = unit(fixed)
        self._concentration = CONCENTRATION / cosine_range(vectors)
        pile = vectors[spread(np.flatnonzero(~is_labelled))]
        for _ in range(ROUNDS if len(pile) and len(self.known) else 0):
            shares = softmax(self._cosines(pile), axis=1)
            self.centres = unit(fixed + PILE_ROW * unit(shares.T @ pile))
        return self

    def predict_log_proba(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logarithms [n, k] of the probabilities; -inf for a class that is not known."""
        log_p = np.full((len(vectors), self.n_classes), -np.inf, np.float32)
        log_p[:, self.known] = log_softmax(self._cosines(vectors), axis=1)
        return log_p

    def _cosines(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._concentration * (vectors @ self.centres.T), dtype=np.float32)


def cosine_range(vectors: NDArray[np.float32]) -> float:
    """Return how far apart the cosines of these vectors [n, d] lie, above 0 and at most 1.

    That is 1, unless all rows are much alike: vectors of an encoder that was not made for cosines may all have 0.9 and
    more. Above a mean cosine of one half it falls, to 0 where all rows are the same.
    """
    if len(vectors) == 0:
        return 1.0
    mean_cosine = float((vectors.mean(axis=0) ** 2).sum())
    return max(min(1.0, 2 * (1 - mean_cosine)), 1e-5)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors of length 1; what has no length stays as it is."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, np.finfo(np.float32).tiny), dtype=np.float32)


def spread(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows, or `PILE_ROWS` of them in regular steps."""
    if len(rows) <= PILE_ROWS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, PILE_ROWS).astype(np.int64)]
