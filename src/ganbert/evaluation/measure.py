"""Which runs a comparison is made of, and carrying out those that are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

from ganbert.evaluation.engines import Engine, one_by_one
from ganbert.evaluation.results import Results
from ganbert.evaluation.runs import Record, Run, key_of
from ganbert.evaluation.sources import Source
from ganbert.evaluation.tasks import task_named


def runs_of(
    sources: Sequence[Source], methods: Sequence[str], budgets: Sequence[str] | None, seeds: int, **options: Any
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
