"""Learning curves: every method at every label budget with every seed, only what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from datasets import Dataset

from ganbert.evaluation.engines import Engine, one_by_one
from ganbert.evaluation.results import Results
from ganbert.evaluation.runs import Record, Run, key_of
from ganbert.evaluation.splits import Budget, Split, few_label_split, set_development_rows_aside
from ganbert.evaluation.tasks import task_named


@dataclass(frozen=True)
class TaskSource:
    """The rows of a task of the registry.

    Attributes:
        name: of the task.
        root: folder of local copies; None loads from the task's public home.
        part: "test" measures on the test set; "dev" on development rows, for choosing settings, and never reads the
            test set. Training never sees the development rows.
    """

    name: str
    root: Path | None = None
    part: Literal["test", "dev"] = "test"
    version: str = ""

    def split(self, budget: str, seed: int, *, balanced: bool = False) -> Split:
        """Return the rows of a label budget and a seed, as the paper splits them (section 4)."""
        train, measured = _rows(self.name, self.root, self.part)
        n_train = task_named(self.name).n_train or _n_rows(self.name, self.root)
        return few_label_split(train, measured, Budget.parse(budget).rows(n_train), seed, balanced=balanced)

    def settings(self) -> dict[str, Any]:
        """Return what the paper trained this task with."""
        task = task_named(self.name)
        return {"max_length": task.max_length, "epochs": task.epochs, "learning_rate": task.learning_rate}


@lru_cache(maxsize=2)
def _rows(name: str, root: Path | None, part: Literal["test", "dev"]) -> tuple[Dataset, Dataset]:
    task = task_named(name)
    train, development = set_development_rows_aside(task.load("train", root))
    return train, development if part == "dev" else task.load("test", root)


@lru_cache(maxsize=2)
def _n_rows(name: str, root: Path | None) -> int:
    return len(task_named(name).load("train", root))


def runs_of(
    sources: Sequence[Any], methods: Sequence[str], budgets: Sequence[str] | None, seeds: int, **options: Any
) -> list[Run]:
    """Return all runs, so ordered that the first seed of everything comes before the second of anything.

    Args:
        sources: of rows.
        methods: by name.
        budgets: label budgets; None takes those of each task.
        seeds: how many, from 0.
        options: further fields of `Run`.
    """
    return [
        Run(source, method, budget, seed, **options)
        for seed in range(seeds)
        for source in sources
        for budget in budgets or [f"{percent:g}%" for percent in task_named(source.name).budgets]
        for method in methods
    ]


def measure(
    runs: Iterable[Run],
    results: Results,
    engine: Engine = one_by_one,
    *,
    ended: Callable[[Run, Record], None] = lambda run, record: None,
) -> tuple[list[Record], list[str]]:
    """Carry out what is missing, and write each record as its run ends.

    Args:
        runs: all that are wanted.
        results: where their records are and go.
        engine: one of `ganbert.evaluation.engines`.
        ended: told of each run as it ends.

    Returns:
        The records of all these runs, and what kept some from being carried out.
    """
    runs = list(runs)
    problems: dict[str, None] = {}
    with closing(results):
        for done in engine(results.claimed(results.missing(runs))):
            if done.record is None:
                results.give_up(done.run.key)
                problems[f"{done.run.source.name} {done.run.budget} {done.run.method}: {done.problem}"] = None
            else:
                results.add(done.record)
                ended(done.run, done.record)
    records = {key_of(record): record for record in results.read()}
    return [records[run.key] for run in runs if run.key in records], list(problems)
