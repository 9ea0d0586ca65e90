"""STRATEGIES: which rows of a pool to label next. Each is a function from a pool to rows, with its paper.

They choose among the rows that are open, and `pool.pick` keeps near-duplicates apart for all of them. Memory is bounded
by chunks and samples, so that a pool may have 10^5 rows and more.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from ganbert.errors import InputError
from ganbert.plugins import Registry
from ganbert.select.pool import BLOCK, Choose, Pool, Rows, nearest_cosine

NEIGHBOURS = 20
"""Of a row that say how typical it is, in TypiClust."""
SMALL_CLUSTER = 5
"""Clusters of at most so many rows come last; TypiClust passes over them."""
MOST_CLUSTERS = 500
"""Clusters of TypiClust at most, unless more rows are wanted at once."""
PURITY = 0.95
"""Share of balls that hold one pseudo-label only, in ProbCover."""
SAMPLE = 4096
"""Rows that stand for all, where a matrix of all pairs would be too large."""


@dataclass(frozen=True)
class Strategy:
    """A way to choose the rows to label next.

    Attributes:
        choose: takes a pool, a number of rows and a random generator; returns rows, the most telling first.
        says: what it does, for a person.
        paper: where it comes from.
        reason: why a row was chosen, where the strategy looks at nothing in it; else the row itself gives the reason.
    """

    choose: Choose
    says: str
    paper: str = ""
    reason: str | None = None


def random(pool: Pool, n: int, rng: np.random.Generator) -> Rows:
    """Draw rows at random."""
    return rng.permutation(pool.candidates)[:n]


def typical(pool: Pool, n: int, rng: np.random.Generator) -> Rows:
    """Make as many clusters as there will be labels; take the most typical row of the largest without a label."""
    n_anchors = int(pool.anchors.sum())
    k = min(n_anchors + n, max(n, MOST_CLUSTERS), max(1, len(pool.vectors) // 2))
    cluster = clustered(pool.vectors, k, rng).labels_
    sizes, n_labelled = np.bincount(cluster, minlength=k), np.bincount(cluster[pool.anchors], minlength=k)
    chosen: list[int] = []
    for j in np.lexsort((-sizes, n_labelled, sizes <= SMALL_CLUSTER)):
        members = np.flatnonzero(pool.open & (cluster == j))
        if len(members):
            chosen.append(members[typicality(pool.vectors, members, sample(members, rng)).argmax()])
        if len(chosen) == n:
            break
    return np.array(chosen, dtype=np.int64)


def coverage(pool: Pool, n: int, rng: np.random.Generator) -> Rows:
    """Take the row whose ball holds most rows that no ball of a labelled one holds, again and again."""
    rows = sample(pool.candidates, rng)
    vectors = pool.vectors[rows]
    n_clusters = pool.n_classes if pool.n_classes > 1 else int(pool.anchors.sum()) + n
    limit = 1 - pure_radius(vectors, n_clusters, rng) ** 2 / 2  # a ball is what has a greater cosine
    nearest = nearest_cosine(vectors, pool.vectors[pool.anchors])
    gains = np.empty((len(rows), len(rows)), np.bool_)  # [ball, row]
    for start in range(0, len(rows), BLOCK):
        gains[start : start + BLOCK] = vectors[start : start + BLOCK] @ vectors.T > limit
    gains[:, nearest > limit] = False
    chosen: list[int] = []
    while len(chosen) < n and gains.any():
        best = int(gains.sum(axis=1).argmax())
        gains[:, gains[best].copy()] = False
        chosen.append(best)
    return rows[chosen] if chosen else rows[nearest.argsort(kind="stable")][:n]  # all is covered: the farthest rows


def margin(pool: Pool, n: int, rng: np.random.Generator) -> Rows:
    """Take the rows whose two most probable classes are closest; at random where nothing is known."""
    rows = rng.permutation(pool.candidates)
    most_telling = pool.margins()[rows].argsort(kind="stable")
    return np.asarray(rows[most_telling][:n])


def badge(pool: Pool, n: int, rng: np.random.Generator) -> Rows:
    """Draw rows far from each other in the space of the gradients that their most probable label would give.

    The gradient of logistic regression is (p - onehot(argmax p)) x h. Inner products of such gradients g x h are
    (g . g') (h . h'), so they are never written out.
    """
    if pool.n_classes < 2:
        return random(pool, n, rng)
    p, guess = pool.probabilities, pool.probabilities.argmax(axis=1)
    squares = np.einsum("nk,nk->n", p, p) - 2 * p.max(axis=1) + 1  # of the lengths of all gradients; |h| is 1
    distances = np.where(pool.open, np.inf, 0)
    chosen: list[int] = []
    chances = np.where(pool.open, squares, 0).astype(np.float64)
    while chances.any() and len(chosen) < n:
        # k-means++, which begins with the longest gradient
        last = int(rng.choice(len(chances), p=chances / chances.sum()) if chosen else chances.argmax())
        chosen.append(last)
        g = p[last].copy()
        g[guess[last]] -= 1
        inner = (p @ g - g[guess]) * (pool.vectors @ pool.vectors[last])
        chances = distances = np.minimum(distances, np.maximum(squares + squares[last] - 2 * inner, 0))
        distances[last] = 0
    return np.array(chosen, dtype=np.int64) if chosen else random(pool, n, rng)


def cluster_margin(pool: Pool, n: int, rng: np.random.Generator) -> Rows:
    """Make n clusters in which uncertain rows weigh more; take the row nearest to the centre of each."""
    weights = np.where(pool.open, 1 - pool.margins(), 0)
    if not weights.any():
        return random(pool, n, rng)
    kmeans = clustered(pool.vectors, min(n, int(np.count_nonzero(weights))), rng, weights)
    centres = kmeans.cluster_centers_.astype(np.float32)
    best, nearest = np.zeros(len(centres), np.int64), np.full(len(centres), -np.inf, np.float32)
    rows = np.flatnonzero(weights)
    for start in range(0, len(rows), BLOCK):
        chunk = rows[start : start + BLOCK]
        closeness = pool.vectors[chunk] @ centres.T - (centres**2).sum(axis=1) / 2
        closest = closeness.argmax(axis=0)
        value = closeness[closest, np.arange(len(centres))]
        best, nearest = np.where(value > nearest, chunk[closest], best), np.maximum(nearest, value)
    most_telling = -np.bincount(kmeans.labels_, weights, minlength=len(centres))
    return best[most_telling.argsort(kind="stable")]


def facility_location(pool: Pool, n: int, rng: np.random.Generator) -> Rows:
    """Take the row that brings most uncertain rows nearer to a labelled one, again and again.

    A row is served by the nearest labelled or chosen one, as well as their cosine says, and matters as much as it is
    uncertain. With nothing known of the classes all matter the same, and the choice is what stands for the pile best.
    """
    rows, served = (sample(rows, rng, SAMPLE // 2) for rows in (pool.candidates, np.arange(len(pool.vectors))))
    weights = 1 - pool.margins()[served]
    cosines = np.maximum(pool.vectors[rows] @ pool.vectors[served].T, 0)  # [row, served]
    best = np.maximum(nearest_cosine(pool.vectors[served], pool.vectors[pool.anchors]), 0)
    chosen: list[int] = []
    while len(chosen) < min(n, len(rows)):
        gains = np.maximum(cosines - best, 0) @ weights
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        best = np.maximum(best, cosines[chosen[-1]])
    return rows[chosen]


def clustered(
    vectors: NDArray[np.float32], k: int, rng: np.random.Generator, weights: NDArray[np.floating[Any]] | None = None
) -> KMeans | MiniBatchKMeans:
    """Return k-means of the vectors, by mini-batches where there is much to do; the same for the same `rng`."""
    seed = int(rng.integers(2**31))
    if k <= 50 and len(vectors) <= 10_000:
        kmeans = KMeans(k, n_init=3, random_state=seed)
    else:
        kmeans = MiniBatchKMeans(k, n_init=3, batch_size=2048, random_state=seed)
    # On one thread: several add up in the order in which they end, and two runs would differ in their last digits.
    with threadpool_limits(1, "openmp"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different vectors than clusters
        return kmeans.fit(vectors, sample_weight=weights)


def typicality(vectors: NDArray[np.float32], rows: Rows, others: Rows) -> NDArray[np.float32]:
    """Return how typical each of m rows [m] is of others, it among them: 1 / its mean distance to the nearest.

    These are 20, or half of the others.
    """
    group = vectors[others]
    n_nearest = min(NEIGHBOURS, len(group) // 2)
    if n_nearest == 0:
        return np.ones(len(rows), np.float32)
    typical = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK):
        cosines = vectors[rows[start : start + BLOCK]] @ group.T
        nearest = np.sort(np.partition(cosines, -n_nearest - 1, axis=1)[:, -n_nearest - 1 :], axis=1)
        distances = np.sqrt(np.maximum(2 - 2 * nearest[:, :-1], 0))  # without the last, which is the row itself
        typical[start : start + BLOCK] = 1 / (distances.mean(axis=1) + 1e-5)
    return typical


def pure_radius(vectors: NDArray[np.float32], k: int, rng: np.random.Generator) -> float:
    """Return the largest radius at which 95% of the balls around m rows hold rows of one of k clusters only."""
    cluster = clustered(vectors, min(k, len(vectors)), rng).labels_
    nearest = np.full(len(vectors), -1, np.float32)  # of another cluster
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        cosines = vectors[rows] @ vectors.T
        cosines[cluster[rows, None] == cluster] = -1
        nearest[rows] = cosines.max(axis=1)
    distances = np.sqrt(np.maximum(2 - 2 * nearest, 0))
    return float(np.sort(distances)[int((1 - PURITY) * len(vectors))])


def sample(rows: Rows, rng: np.random.Generator, most: int = SAMPLE) -> Rows:
    """Return the rows, or a sample of them if they are more than `most`, in their order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def _as_strategy(name: str, value: Any) -> Strategy:
    """Return a strategy, or one made of a function; `TypeError` for anything else."""
    if isinstance(value, Strategy):
        return value
    if not callable(value):
        raise TypeError(f"{value!r} is neither a Strategy nor a function")
    return Strategy(value, (value.__doc__ or name).strip().splitlines()[0].rstrip("."))


STRATEGIES = Registry(
    "ganbert.strategies",
    {
        "random": Strategy(random, "rows drawn at random", reason="drawn at random"),
        "facility-location": Strategy(
            facility_location,
            "rows that stand for the uncertain part of the pile",
            "Wei et al. 2015, Submodularity in data subset selection and active learning, section 4",
        ),
        "typical": Strategy(
            typical,
            "the most typical row of each of the largest clusters without a label",
            "TypiClust, Hacohen et al. 2022, arXiv 2202.02794",
        ),
        "coverage": Strategy(
            coverage,
            "rows whose surroundings hold most rows that are unlike all labelled ones",
            "ProbCover, Yehuda et al. 2022, arXiv 2205.11320",
        ),
        "margin": Strategy(
            margin, "rows between two classes", "Scheffer et al. 2001, Active hidden Markov models, section 3"
        ),
        "badge": Strategy(
            badge, "uncertain rows of many kinds, drawn by their gradients", "BADGE, Ash et al. 2020, arXiv 1906.03671"
        ),
        "cluster-margin": Strategy(
            cluster_margin,
            "the middle of each cluster of rows, in which uncertain ones weigh more",
            "Zhdanov 2019, arXiv 1901.05954",
        ),
    },
    _as_strategy,
)
"""By name."""


AUTO = "facility-location"
"""What "auto" stands for: the best on average over the development rows of seven tasks, in a first search with few
seeds (docs/results/experiments.md). It adapts by its weights: from what stands for the pile to what is uncertain."""


def strategy_named(name: str) -> Strategy:
    """Return a strategy of the registry, or that of "auto"; `InputError` lists them."""
    if name != "auto" and name not in STRATEGIES:
        raise InputError(f"no strategy {name!r}: choose one of auto, {', '.join(STRATEGIES)}")
    return STRATEGIES[AUTO if name == "auto" else name]
