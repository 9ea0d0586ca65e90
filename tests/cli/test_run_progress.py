"""The time that is left: by what runs of the same kind took, and never less than is known."""

from __future__ import annotations

from typing import Any

import pytest

from ganbert.cli.run_progress import Forecast, in_words
from ganbert.compare.runs import Run
from ganbert.compare.store import Record
from tests.compare.test_comparison import NoRows


def run(method: str, seed: int = 0, budget: str = "1%", **options: Any) -> Run:
    return Run(NoRows(), method, budget, seed, **options)


def took(run: Run, seconds: float) -> Record:
    return {**run.identity, "seconds_in_all": seconds}


def test_two_instant_methods_say_nothing_of_a_slow_one() -> None:
    forecast = Forecast([took(run("tfidf"), 0.5), took(run("embed"), 1.5)])
    waiting = [run(method, seed) for method in ("tfidf", "embed", "bert", "default") for seed in (1, 2)]
    assert forecast.left(waiting) == (4.0, 4)
    forecast.learn(took(run("bert"), 600.0))
    forecast.learn(took(run("default"), 900.0))
    assert forecast.left(waiting) == (3004.0, 0)


def test_the_last_run_of_a_kind_counts_and_several_go_at_once() -> None:
    forecast = Forecast([took(run("bert"), 10.0), took(run("bert", 1), 30.0)], jobs=3)
    assert forecast.left([run("bert", 2), run("bert", 3)]) == (20.0, 0)


@pytest.mark.parametrize("other", [{"budget": "2%"}, {"max_steps": 9}, {"encoder": "large"}, {"precision": "bfloat16"}])
def test_runs_under_other_conditions_are_of_another_kind(other: dict[str, Any]) -> None:
    forecast = Forecast([took(run("bert"), 10.0)])
    assert forecast.left([run("bert", 1, **other)]) == (0.0, 1)


def test_what_is_not_known_is_said() -> None:
    assert in_words(3723.4, 0) == "about 1:02:03 left"
    assert in_words(56.0, 3) == "at least 0:00:56 left (3 runs not timed yet)"
    assert in_words(0.0, 1) == "time left not known yet (1 run)"
