"""Which rows stand in which batch: copies of labelled rows, or a fixed share of every batch; of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from ganbert.recipe import Recipe

WINDOW = 32
"""Batches among which rows are sorted by length: enough to make a batch nearly free of padding, few enough to shuffle."""


@dataclass(frozen=True)
class Stream:
    """Rows that are drawn from in random order, over and over, a fixed number for each batch."""

    rows: NDArray[np.int64]
    per_batch: int


def batch_streams(
    recipe: Recipe, labelled: NDArray[np.int64], unlabelled: NDArray[np.int64], seed: int
) -> list[Stream]:
    """Return what every batch is made of.

    Args:
        recipe: says whether unlabelled rows are used, and how labelled ones are kept in every batch.
        labelled: positions of the labelled rows.
        unlabelled: positions of the unlabelled rows.
        seed: picks the unlabelled rows where the recipe uses only some.
    """
    used = recipe.n_unlabelled_used(len(labelled), len(unlabelled)) if recipe.adversarial else 0
    if used < len(unlabelled):
        unlabelled = np.sort(np.random.default_rng(seed).choice(unlabelled, used, replace=False))
    # More labelled places than labelled rows would only repeat rows within a batch.
    if used == 0:
        return [Stream(labelled, min(recipe.batch_size, len(labelled)))]
    if recipe.labelled_share is None:
        pool = np.concatenate([np.repeat(labelled, recipe.copies_of_labelled(len(labelled), used)), unlabelled])
        return [Stream(pool, min(recipe.batch_size, len(pool)))]
    n_labelled = recipe.labelled_rows_per_batch()
    streams = [Stream(labelled, min(n_labelled, len(labelled)))]
    if n_labelled < recipe.batch_size:
        streams.append(Stream(unlabelled, recipe.batch_size - n_labelled))
    return streams


class BatchPlan(Sampler[list[int]]):
    """All batches of a run, in order: one pass over the plan is the whole run.

    The plan depends on the seed alone, so a resumed run skips what it has done and meets the same batches.

    Args:
        streams: what every batch is made of.
        lengths: [n] tokens of each row.
        n_batches: batches in the run.
        seed: of all shuffling.
    """

    def __init__(self, streams: Sequence[Stream], lengths: NDArray[np.int64], n_batches: int, seed: int) -> None:
        self.streams, self.lengths, self.n_batches, self.seed = streams, lengths, n_batches, seed
        self.batch_size = sum(stream.per_batch for stream in streams)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng([self.seed, len(self.streams)])
        windows = [
            self._windows(stream, np.random.default_rng([self.seed, i])) for i, stream in enumerate(self.streams)
        ]
        for start in range(0, self.n_batches, WINDOW):
            parts = [next(window) for window in windows]
            for i in order.permutation(WINDOW)[: self.n_batches - start]:
                yield np.concatenate([part[i] for part in parts]).tolist()

    def _windows(self, stream: Stream, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Yield [WINDOW, per_batch] rows, each line of similar length, forever."""
        size = WINDOW * stream.per_batch
        waiting = np.empty(0, dtype=np.int64)
        while True:
            while len(waiting) < size:
                waiting = np.concatenate([waiting, rng.permutation(stream.rows)])
            window, waiting = waiting[:size], waiting[size:]
            # In a stream shorter than the window a row comes up more than once: sorting would gather its copies in one
            # batch. Such a stream, the labelled rows above all, stays in random order.
            if len(stream.rows) >= size:
                window = window[np.argsort(self.lengths[window], kind="stable")]
            yield window.reshape(WINDOW, stream.per_batch)
