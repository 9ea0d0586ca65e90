"""The benchmark of strategies: what it measures on rows one can follow by hand, and its differences."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset

from benchmarks.strategies import differences, differences_table, outcome
from ganbert.compare.simulate import Simulated
from ganbert.runtime import choose_compute


def row(task: str, strategy: str, seed: int, accuracy: float, names: str = "labels") -> dict[str, Any]:
    return {"task": task, "strategy": strategy, "names": names, "seed": seed, "accuracy": {"100": accuracy}}


ROWS = [
    row("sst5", "random", 0, 0.30), row("sst5", "random", 1, 0.40), row("sst5", "random", 2, 0.90),
    row("sst5", "typical", 0, 0.33), row("sst5", "typical", 1, 0.43),
    row("hwu64", "random", 0, 0.60), row("hwu64", "typical", 0, 0.58), row("qc-fine", "typical", 0, 0.5),
    row("sst5", "typical", 0, 0.9, names="none"),
]  # fmt: skip


def test_a_difference_is_the_mean_over_the_seeds_that_both_have() -> None:
    assert differences(ROWS, "typical", "labels", 100) == pytest.approx({"sst5": 3.0, "hwu64": -2.0})
    assert differences(ROWS, "typical", "labels", 50) == {}
    assert differences(ROWS, "typical", "none", 100) == {}


def test_the_table_names_the_worst_task() -> None:
    line = differences_table(ROWS).splitlines()[2]
    assert line == "| `typical` | labels |  |  | +0.5 (hwu64 -2.0) |  | 2 |"


def test_rows_of_a_class_that_nobody_knows_are_errors(tiny_encoder: str) -> None:
    pool = Dataset.from_dict({"text": ["the red cat", "a small hammer"] * 10, "label": ["cat", "hammer"] * 10})
    development = Dataset.from_dict(
        {"text": ["the red cat", "a small hammer", "a bird"], "label": ["cat", "hammer", "bird"]}
    )
    selection = Simulated("random", tiny_encoder, 16, choose_compute("cpu", threads=1))
    found = outcome(selection, pool, development, {}, [2, 20], seed=0)
    assert found["accuracy"]["20"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["classes"]["20"] == 2
    assert found["classes"]["2"] <= 2
