"""Which rows would have been labelled: a selection strategy on rows whose labels are all known.

The pool holds every row that may be labelled. In batches of 25 the strategy is asked for the rows to label next, and
their labels are revealed to it, until the budget is reached.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from ganbert.data.class_names import ClassNames
from ganbert.data.corpus import texts_of
from ganbert.labels import UNLABELLED
from ganbert.predict.torch_backend import Encoder
from ganbert.runtime import Compute
from ganbert.select.pool import Pool, pick
from ganbert.select.quick import QuickLearner
from ganbert.select.strategies import strategy_named
from ganbert.select.vectors import vectors_of

BATCH = 25
"""Labels given between two requests, as somebody does who labels for some minutes and then asks what is next."""

Choose = Callable[[NDArray[np.int64], int], NDArray[np.int64]]
"""Which rows to label next: from [n] labels of the pool, class ids and -100 for those not labelled yet, and how many
rows are wanted, to the positions of rows without a label, the most telling first; perhaps of fewer."""


class Simulation:
    """Labelling of one pool by one strategy, carried as far as somebody asks: a larger budget contains the smaller.

    Args:
        labels: [n] true class ids of the pool.
        choose: the strategy.
    """

    def __init__(self, labels: NDArray[np.int64], choose: Choose) -> None:
        self._labels, self._choose = labels, choose
        self._order = np.empty(0, dtype=np.int64)

    def first(self, n: int) -> NDArray[np.int64]:
        """Return the first n rows that are labelled, in their order.

        Where the strategy wants fewer than a batch, as all other rows are near-duplicates, the next rows follow.

        Raises:
            ValueError: the strategy chose a row twice, or one that has a label.
        """
        while len(self._order) < n:
            known = np.full_like(self._labels, UNLABELLED)
            known[self._order] = self._labels[self._order]
            chosen = np.asarray(self._choose(known, BATCH), dtype=np.int64)[:BATCH]
            if len(np.unique(chosen)) < len(chosen) or (known[chosen] != UNLABELLED).any():
                raise ValueError(f"a strategy chose {chosen.tolist()}, not all of them once and without a label")
            others = np.setdiff1d(np.flatnonzero(known == UNLABELLED), chosen)
            self._order = np.concatenate([self._order, chosen, others[: BATCH - len(chosen)]])
        return self._order[:n]


@dataclass(frozen=True)
class Simulated:
    """The selection that a strategy makes, for `few_label_split`.

    Attributes:
        name: of the strategy, or "suggest" for the one that `ganbert suggest` takes.
        encoder: whose text vectors it sees, as it comes.
        max_length: tokens of a text that it sees.
        compute: device, precision and threads.
    """

    name: str
    encoder: str
    max_length: int
    compute: Compute

    def __call__(self, pool: Dataset, class_names: ClassNames, n: int, seed: int) -> NDArray[np.int64]:
        """Return the positions of n rows, in the order of labelling."""
        if n >= len(pool):
            return np.arange(len(pool))
        content = json.dumps([pool.to_dict(), class_names], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        return _simulation(self, _Pool(digest, pool, class_names), seed).first(n)


@dataclass(frozen=True)
class _Pool:
    """Rows and class names, told from others by their hash."""

    digest: str
    rows: Dataset = field(compare=False)
    class_names: ClassNames = field(compare=False)


@functools.lru_cache(maxsize=4)
def _simulation(selection: Simulated, pool: _Pool, seed: int) -> Simulation:
    """Return the simulation that budgets and methods of a seed share."""
    names = list(dict.fromkeys([*pool.class_names, *pool.rows["label"]]))
    ids = {name: i for i, name in enumerate(names)}
    labels = np.array([ids[label] for label in pool.rows["label"]], dtype=np.int64)
    return Simulation(labels, strategy(selection, pool.rows, pool.class_names, names, seed))


def strategy(selection: Simulated, rows: Dataset, class_names: ClassNames, names: list[str], seed: int) -> Choose:
    """Return a strategy at work on a pool. It knows the classes that have a name or a label already, and no others.

    Args:
        selection: which strategy, and the vectors that it sees.
        rows: of the pool.
        class_names: what the classes are called.
        names: of the classes, in the order of their ids; those of `class_names` come first.
        seed: of everything random.

    Raises:
        InputError: there is no strategy of that name.
    """
    choose = strategy_named("auto" if selection.name == "suggest" else selection.name).choose
    encoder = Encoder(selection.encoder, selection.max_length, selection.compute)
    vectors = vectors_of(encoder, *texts_of(rows))
    named = {i: vectors_of(encoder, class_names[name]) for i, name in enumerate(names[: len(class_names)])}

    def chosen(labels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        has_label = labels != UNLABELLED
        known = np.union1d(np.arange(len(named)), labels[has_label])
        ids = np.where(has_label, np.searchsorted(known, labels), UNLABELLED)
        learner = QuickLearner(len(known), named).fit(vectors, ids)
        return pick(choose, Pool(vectors, ids, learner.predict_proba(vectors), has_label, ~has_label), n, seed)

    return chosen
