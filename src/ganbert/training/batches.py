"""Which rows form which batch: labelled rows as copies or as a fixed share of each batch, rows of similar length."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from ganbert.data.tokens import by_length
from ganbert.runtime import own_rows
from ganbert.training.recipe import Recipe

WINDOW = 32
"""Batches among which rows are sorted by length: enough for batches nearly free of padding, few enough to shuffle."""

NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Stream:
    """Rows that are drawn from in random order, over and over, a fixed number for each batch."""

    rows: NDArray[np.int64]
    per_batch: int


def batch_streams(
    recipe: Recipe,
    labelled: NDArray[np.int64],
    unlabelled: NDArray[np.int64],
    seed: int,
    n_processes: int = 1,
    names: NDArray[np.int64] = NO_ROWS,
) -> list[Stream]:
    """Return what every batch is made of.

    Args:
        recipe: says whether unlabelled rows are used, and how labelled ones are kept in every batch.
        labelled: positions of the labelled rows.
        unlabelled: positions of the unlabelled rows.
        seed: picks the unlabelled rows where the recipe uses only some.
        n_processes: that share each batch; its size is rounded down to a multiple of it.
        names: positions of class names, which are drawn as labelled rows are; no number of rows depends on them.
    """
    n_labelled = len(labelled)
    used = recipe.n_unlabelled_used(n_labelled, len(unlabelled)) if recipe.uses_unlabelled else 0
    if used < len(unlabelled):
        unlabelled = np.sort(np.random.default_rng(seed).choice(unlabelled, used, replace=False))
    labelled = np.concatenate([labelled, names])
    # More labelled places than labelled rows would only repeat rows within a batch.
    if used == 0:
        streams = [Stream(labelled, min(recipe.batch_size, len(labelled)))]
    elif recipe.labelled_share is None:
        pool = np.concatenate([np.repeat(labelled, recipe.copies_of_labelled(n_labelled, used)), unlabelled])
        streams = [Stream(pool, min(recipe.batch_size, len(pool)))]
    else:
        places = recipe.labelled_rows_per_batch()
        shares = [Stream(labelled, min(places, len(labelled))), Stream(unlabelled, recipe.batch_size - places)]
        streams = [share for share in shares if share.per_batch]
    surplus = sum(stream.per_batch for stream in streams) % n_processes
    return [*streams[:-1], replace(streams[-1], per_batch=streams[-1].per_batch - surplus)]


class BatchPlan(Sampler[list[int]]):
    """All batches of a run, in order: one pass over the plan is the whole run.

    The plan depends on the seed alone, so a resumed run skips what it has done and meets the same batches. Of
    several processes that train together, each gets its own rows of every batch.

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
        for batch in self._batches():
            yield own_rows(batch.tolist())

    def times_shown(self, n_batches: int) -> NDArray[np.int64]:
        """Return [n] how often each row occurs in the first batches of all processes."""
        drawn = [np.empty(0, dtype=np.int64), *itertools.islice(self._batches(), n_batches)]
        return np.bincount(np.concatenate(drawn), minlength=len(self.lengths))

    def _batches(self) -> Iterator[NDArray[np.int64]]:
        parts = [self._parts(stream, np.random.default_rng([self.seed, i])) for i, stream in enumerate(self.streams)]
        return (np.concatenate(batch) for batch in zip(*parts, strict=True))

    def _parts(self, stream: Stream, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Yield what the stream gives to each batch: [per_batch] rows, of similar length where there are many."""
        per_batch = stream.per_batch
        # In a stream shorter than a window a row comes up more than once there: sorting would gather its copies in one
        # batch. Such a stream, the labelled rows above all, stays in random order.
        sort = len(stream.rows) >= WINDOW * per_batch
        order = np.random.default_rng([self.seed, len(self.streams)])  # the same for all: long rows meet long rows
        waiting = np.empty(0, dtype=np.int64)  # positions in stream.rows, each once before any a second time
        for start in range(0, self.n_batches, WINDOW):
            n = min(WINDOW, self.n_batches - start)
            while len(waiting) < n * per_batch:
                # Where one pass ends and the next begins, a row must not meet itself in a batch.
                again = rng.permutation(len(stream.rows))
                met = np.isin(again, waiting if sort else waiting[len(waiting) - len(waiting) % per_batch :])
                waiting = np.concatenate([waiting, again[~met], again[met]])
            window, waiting = stream.rows[waiting[: n * per_batch]], waiting[n * per_batch :]
            if sort:
                window = window[by_length(self.lengths[window])]
            parts = window.reshape(n, per_batch)
            yield from parts[order.permutation(n)] if sort else parts
