"""Pool: what a strategy chooses from; and `pick`, which sees to it that no text is proposed twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ganbert.select.clusters import cosine_range

NEAR = 0.95
"""Cosine above which two texts are near-duplicates: labelling both tells little more than labelling one."""

BLOCK = 1024
"""Rows that are compared with others at once: what bounds the memory."""

Rows: TypeAlias = NDArray[np.int64]
"""Positions in a pool."""


@dataclass(frozen=True)
class Pool:
    """Texts to choose from, and what is known of them.

    Attributes:
        vectors: [n, d] float32, each row of length 1.
        labels: [n] class ids, -100 where none is known.
        probabilities: [n, k] float32 of the classes, by a learner; all equal where nothing is known. k is 0 where not
            even the classes are.
        anchors: [n] whether a row is labelled, or chosen to be.
        open: [n] whether a row may be chosen: never an anchor, nor a near-duplicate of a chosen row.
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    anchors: NDArray[np.bool_]
    open: NDArray[np.bool_]

    @property
    def n_classes(self) -> int:
        """How many classes are known."""
        return int(self.probabilities.shape[1])

    @property
    def candidates(self) -> Rows:
        """Positions of the rows that may be chosen."""
        return np.flatnonzero(self.open)

    def margins(self) -> NDArray[np.float32]:
        """Return how much likelier the most probable class of each row is than the second, [n]; 0 with one class."""
        margins = np.zeros(len(self.vectors), np.float32)
        for start in range(0, len(margins) if self.n_classes > 1 else 0, BLOCK):
            two = np.partition(self.probabilities[start : start + BLOCK], -2, axis=1)[:, -2:]
            margins[start : start + BLOCK] = two[:, 1] - two[:, 0]
        return margins


Choose: TypeAlias = Callable[[Pool, int, np.random.Generator], Rows]
"""Chooses up to n open rows of a pool, the most telling first; at least one where any is open."""


def pick(choose: Choose, pool: Pool, n: int, seed: int = 0) -> Rows:
    """Return up to n rows to label next, the most telling first.

    These are a strategy's choices without near-duplicates of each other, in place of which it chooses further rows.
    Near-duplicates of labelled rows come last.

    Args:
        choose: the strategy.
        pool: where to choose.
        n: rows wanted; there are fewer only where nothing else is left.
        seed: the same seed gives the same rows.
    """
    limit = near_duplicate_cosine(pool.vectors)
    later = pool.open & (nearest_cosine(pool.vectors, pool.vectors[pool.anchors]) > limit)
    pool = replace(pool, open=pool.open & ~later)
    chosen: list[int] = []
    while len(chosen) < n and (pool.open | later).any():
        if not pool.open.any():
            pool, later = replace(pool, open=later), np.zeros_like(later)
        # In each round the same random numbers: a strategy finds its clusters again, and goes on among them.
        found = choose(pool, n - len(chosen), np.random.default_rng(seed))
        new = _unlike_each_other(pool.vectors, found[pool.open[found]], limit)[: n - len(chosen)]
        if len(new) == 0:
            break
        chosen.extend(new)
        anchors, unlike = pool.anchors.copy(), nearest_cosine(pool.vectors, pool.vectors[new]) <= limit
        anchors[new] = True
        pool, later = replace(pool, anchors=anchors, open=pool.open & ~anchors & unlike), later & unlike
    return np.array(chosen, dtype=np.int64)


def near_duplicate_cosine(vectors: NDArray[np.float32]) -> float:
    """Return the cosine above which two rows are near-duplicates: 0.95, and nearer to 1 where all rows are alike."""
    return 1 - (1 - NEAR) * cosine_range(vectors)


def nearest_cosine(vectors: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each row [n] to the nearest of `others` [m, d]; -1 where there is none."""
    nearest = np.full(len(vectors), -1, np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        for other in range(0, len(others), BLOCK):
            cosines = vectors[rows] @ others[other : other + BLOCK].T
            nearest[rows] = np.maximum(nearest[rows], cosines.max(axis=1))
    return nearest


def _unlike_each_other(vectors: NDArray[np.float32], rows: Rows, limit: float) -> list[int]:
    """Return the rows without near-duplicates of earlier ones."""
    kept: list[int] = []
    for row in map(int, rows):
        if row not in kept and not (vectors[kept] @ vectors[row] > limit).any():
            kept.append(row)
    return kept
