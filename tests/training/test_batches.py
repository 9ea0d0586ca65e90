"""Batches: fixed shares, copies, no row forgotten, little padding, and the same plan from the same seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ganbert.training.batches import WINDOW, BatchPlan, Stream, batch_streams
from ganbert.training.recipe import BERT, CODE, DEFAULT, PAPER, Recipe


def rows(n: int, first: int = 0) -> NDArray[np.int64]:
    return np.arange(first, first + n)


def plan(
    recipe: Recipe,
    labelled: int,
    unlabelled: int,
    n_batches: int,
    seed: int = 0,
    lengths: NDArray[np.int64] | None = None,
) -> BatchPlan:
    """Plan for rows of which the first `labelled` have a label, at random lengths unless told."""
    streams = batch_streams(recipe, rows(labelled), rows(unlabelled, labelled), seed)
    if lengths is None:
        lengths = np.random.default_rng(0).integers(1, 60, labelled + unlabelled)
    return BatchPlan(streams, lengths, n_batches, seed)


def drawn(batches: BatchPlan) -> Counter[int]:
    return Counter(row for batch in batches for row in batch)


def test_every_batch_has_the_fixed_number_of_labelled_rows() -> None:
    for batch in plan(replace(DEFAULT, batch_size=16, labelled_share=0.25), 50, 3000, 100):
        assert len(batch) == 16
        assert sum(row < 50 for row in batch) == 4


@pytest.mark.parametrize("labelled", [4, 5, 9, 50, 127, 128, 129, 1000])
def test_no_labelled_row_stands_twice_in_a_batch(labelled: int) -> None:
    recipe = replace(DEFAULT, batch_size=8, labelled_share=0.5)  # a window holds 128 labelled rows
    for batch in plan(recipe, labelled, 3000, 400):
        assert len(set(batch)) == len(batch) == 8


def test_fewer_labelled_rows_than_places_leave_places_empty() -> None:
    for batch in plan(replace(DEFAULT, batch_size=64), 10, 3000, 40):
        assert sorted(row for row in batch if row < 10) == list(range(10))
        assert len(batch) == 10 + 32


def test_a_share_of_one_leaves_no_place_for_unlabelled_rows() -> None:
    assert max(drawn(plan(replace(DEFAULT, batch_size=8, labelled_share=1.0), 20, 500, 50))) < 20


@pytest.mark.parametrize(("recipe", "copies"), [(PAPER, 4), (CODE, 5), (replace(PAPER, replication="none"), 1)])
def test_replication_puts_each_labelled_row_in_a_pass_as_often_as_it_has_copies(recipe: Recipe, copies: int) -> None:
    n_rows = 109 * copies + 5343
    recipe = replace(recipe, batch_size=n_rows // 3)  # a pass is three batches and a row or two
    times = drawn(plan(recipe, 109, 5343, 3 * 30))
    assert {times[row] for row in range(109)} <= set(range(29 * copies, 30 * copies + 1))
    assert {times[row] for row in range(109, 109 + 5343)} <= {29, 30}


@pytest.mark.parametrize("recipe", [BERT, DEFAULT.plain(), CODE.plain()])
def test_a_recipe_without_the_adversary_never_draws_an_unlabelled_row(recipe: Recipe) -> None:
    batches = plan(recipe, 109, 5343, 90)
    assert set(drawn(batches)) == set(range(109))
    assert batches.batch_size == 64


def test_fewer_labelled_rows_than_a_batch_are_one_batch() -> None:
    for batch in plan(BERT, 10, 500, 40):
        assert sorted(batch) == list(range(10))


@pytest.mark.parametrize("recipe", [PAPER, DEFAULT])
def test_all_rows_labelled_is_ordinary_training(recipe: Recipe) -> None:
    batches = plan(recipe, 200, 0, 40)
    assert {len(batch) for batch in batches} == {64}
    assert set(drawn(batches)) == set(range(200))


@pytest.mark.parametrize("recipe", [PAPER, DEFAULT])
def test_unlabelled_rows_are_capped_at_a_hundred_for_each_labelled_row(recipe: Recipe) -> None:
    def unlabelled_rows(seed: int) -> set[int]:
        return {row for stream in batch_streams(recipe, rows(3), rows(5000, 3), seed) for row in stream.rows if row > 2}

    assert len(unlabelled_rows(seed=0)) == 300
    assert unlabelled_rows(seed=0) == unlabelled_rows(seed=0)
    assert unlabelled_rows(seed=0) != unlabelled_rows(seed=1)
    assert max(unlabelled_rows(seed=0)) > 4000  # from all over the table, not its head


def test_without_a_cap_all_unlabelled_rows_are_used() -> None:
    (stream,) = batch_streams(CODE, rows(3), rows(5000, 3), 0)
    assert len(set(stream.rows.tolist())) == 5003


@pytest.mark.parametrize("recipe", [PAPER, DEFAULT, BERT])
def test_the_seed_alone_decides_the_plan(recipe: Recipe) -> None:
    batches = plan(recipe, 40, 3000, 70, seed=3)
    assert list(batches) == list(batches) == list(plan(recipe, 40, 3000, 70, seed=3))
    assert list(batches) != list(plan(recipe, 40, 3000, 70, seed=4))


@pytest.mark.parametrize("n_batches", [1, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW + 5])
def test_a_plan_has_as_many_batches_as_asked_for(n_batches: int) -> None:
    batches = plan(DEFAULT, 40, 3000, n_batches)
    assert len(batches) == n_batches == len(list(batches))


def test_going_on_from_the_middle_meets_the_same_batches() -> None:
    batches = plan(DEFAULT, 40, 3000, 100)
    assert list(islice(batches, 45, None)) == list(batches)[45:]


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 400), places=st.integers(1, 12), n_batches=st.integers(1, 100), seed=st.integers(0, 9))
def test_every_row_is_drawn_once_before_any_is_drawn_twice(n: int, places: int, n_batches: int, seed: int) -> None:
    places = min(n, places)
    lengths = np.random.default_rng(seed).integers(1, 60, n)
    batches = list(BatchPlan([Stream(rows(n), places)], lengths, n_batches, seed))
    times = Counter(row for batch in batches for row in batch)
    assert set(times) <= set(range(n))
    assert max(times.values()) - min(times[row] for row in range(n)) <= 1
    assert all(len(set(batch)) == places for batch in batches)


def test_a_short_stream_is_passed_over_batch_by_batch() -> None:
    batches = list(plan(replace(BERT, batch_size=10), 20, 0, 2 * WINDOW))
    for first, second in zip(batches[::2], batches[1::2], strict=True):
        assert sorted(first + second) == list(range(20))
    assert len({tuple(batch) for batch in batches}) == len(batches)  # each pass in an order of its own


def spread(batches: BatchPlan | list[list[int]], lengths: NDArray[np.int64]) -> float:
    """Tokens of padding that the shortest row of a batch needs, on average."""
    return float(np.mean([np.ptp(lengths[batch]) for batch in batches]))


LENGTHS = np.random.default_rng(5).lognormal(3, 0.6, 6000).astype(np.int64)
SHUFFLED = [batch.tolist() for batch in np.random.default_rng(6).permutation(6000).reshape(-1, 16)]


def test_batches_of_a_long_stream_need_little_padding() -> None:
    batches = BatchPlan([Stream(rows(6000), 16)], LENGTHS, 6000 // 16, 0)
    assert spread(batches, LENGTHS) < 0.15 * spread(SHUFFLED, LENGTHS)


def test_batches_of_a_long_stream_come_in_no_order_of_length() -> None:
    batches = list(BatchPlan([Stream(rows(6000), 16)], LENGTHS, 6000 // 16, 0))
    means = np.array([LENGTHS[batch].mean() for batch in batches])
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2


def test_long_rows_of_two_long_streams_meet() -> None:
    streams = [Stream(rows(3000), 8), Stream(rows(3000, 3000), 8)]
    assert spread(BatchPlan(streams, LENGTHS, 3000 // 8, 0), LENGTHS) < 0.25 * spread(SHUFFLED, LENGTHS)


def test_a_short_stream_is_not_sorted() -> None:
    short = WINDOW * 4 - 1

    def batches(n: int, lengths: NDArray[np.int64]) -> list[list[int]]:
        return list(BatchPlan([Stream(rows(n), 4)], lengths, 2 * WINDOW, 0))

    assert batches(short, LENGTHS) == batches(short, LENGTHS[::-1])
    assert batches(short + 1, LENGTHS) != batches(short + 1, LENGTHS[::-1])


def test_a_stream_that_is_sorted_alone_leaves_the_labelled_rows_random() -> None:
    recipe = replace(DEFAULT, batch_size=8, unlabelled_per_labelled=None)
    labelled_first = [batch[:4] for batch in plan(recipe, 40, 5960, 100, lengths=LENGTHS)]
    assert labelled_first == [batch[:4] for batch in plan(recipe, 40, 5960, 100, lengths=LENGTHS[::-1])]


# Class names


def with_names(recipe: Recipe, labelled: int, unlabelled: int, names: int) -> list[Stream]:
    n = labelled + unlabelled
    return batch_streams(recipe, rows(labelled), rows(unlabelled, labelled), 0, names=rows(names, n))


@pytest.mark.parametrize("recipe", [PAPER, CODE, DEFAULT])
def test_names_are_drawn_as_labelled_rows_are_and_change_no_number_of_rows(recipe: Recipe) -> None:
    plain, named = with_names(recipe, 30, 5000, 0), with_names(recipe, 30, 5000, 6)
    assert [stream.per_batch for stream in plain][-1] == [stream.per_batch for stream in named][-1]
    without = np.concatenate([stream.rows for stream in plain])
    times = Counter(np.concatenate([stream.rows for stream in named]).tolist())
    assert times == Counter(without.tolist()) | dict.fromkeys(range(5030, 5036), times[0])
    assert times[0] == (1 if recipe is DEFAULT else recipe.copies_of_labelled(30, int((without >= 30).sum())))


def test_names_take_places_of_labelled_rows() -> None:
    (stream,) = with_names(BERT, 10, 500, 4)
    assert stream.rows.tolist() == [*range(10), *range(510, 514)]
    assert stream.per_batch == 14
    assert [stream.per_batch for stream in with_names(DEFAULT, 10, 500, 4)] == [14, 32]


def test_without_a_labelled_row_the_pile_and_the_names_fill_the_batch() -> None:
    pile, names = rows(500), rows(4, 500)
    first, second = with_names(DEFAULT, 0, 500, 4)
    assert (first.rows.tolist(), first.per_batch, second.per_batch) == (names.tolist(), 4, 32)
    (alone,) = with_names(DEFAULT, 0, 500, 0)
    assert (alone.rows.tolist(), alone.per_batch) == (pile.tolist(), 32)
    (stream,) = with_names(PAPER, 0, 500, 4)
    assert stream.rows.tolist() == [*names, *pile]


def test_batch_size_counts_all_streams() -> None:
    assert plan(DEFAULT, 40, 3000, 1).batch_size == 64
    assert plan(DEFAULT, 10, 3000, 1).batch_size == 10 + 32
