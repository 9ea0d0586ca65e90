"""Simulated labelling: in batches, with labels revealed, and a larger budget containing the smaller."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ganbert.compare.simulate import BATCH, Simulation
from ganbert.labels import UNLABELLED

LABELS = np.arange(90) % 3


def test_in_batches_a_strategy_is_asked_with_the_labels_of_all_rows_before() -> None:
    seen: list[NDArray[np.int64]] = []

    def last(labels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        seen.append(labels)
        return np.flatnonzero(labels == UNLABELLED)[::-1][:n]

    simulation = Simulation(LABELS, last)
    assert simulation.first(30).tolist() == list(range(89, 59, -1))
    assert [int((labels != UNLABELLED).sum()) for labels in seen] == [0, BATCH]
    revealed = np.flatnonzero(seen[1] != UNLABELLED)
    assert revealed.tolist() == list(range(65, 90))
    assert seen[1][revealed].tolist() == LABELS[revealed].tolist()


def test_a_larger_budget_contains_the_smaller_whatever_was_asked_before() -> None:
    def choose(labels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        rows = np.flatnonzero(labels == UNLABELLED)
        return np.random.default_rng(7).permutation(rows)[:n]

    grown, at_once = Simulation(LABELS, choose), Simulation(LABELS, choose)
    small = grown.first(10).tolist()
    assert grown.first(80).tolist() == at_once.first(80).tolist()
    assert at_once.first(10).tolist() == small == at_once.first(80)[:10].tolist()
    assert sorted(grown.first(90)) == list(range(90))


def test_where_a_strategy_wants_no_more_rows_the_others_follow() -> None:
    simulation = Simulation(LABELS, lambda labels, n: np.flatnonzero(labels[:10] == UNLABELLED)[::-1][:n])
    assert simulation.first(13).tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10, 11, 12]
    assert sorted(simulation.first(90)) == list(range(90))


@pytest.mark.parametrize("rows", [[3, 3], [0, 1]])
def test_a_strategy_that_chooses_a_row_twice_is_found_out(rows: list[int]) -> None:
    simulation = Simulation(LABELS, lambda labels, n: np.array(rows))
    with pytest.raises(ValueError, match="not all of them once"):
        simulation.first(40)
