"""A comparison: which runs it is made of, carrying out those that are missing, and what it leaves in its folder."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbert.compare.curves import plot_curves
from ganbert.compare.executors import Engine, one_by_one
from ganbert.compare.methods import method_named
from ganbert.compare.report import write_report
from ganbert.compare.row_sources import RowSource
from ganbert.compare.runs import Run, what_is_wrong
from ganbert.compare.statistics import Summary, summarise
from ganbert.compare.store import LATER, RESULTS, Record, Results, check_folder, key_of
from ganbert.errors import InputError, RunError
from ganbert.runtime import choose_compute

CONDITIONS = ("split", "encoder", "balanced", "precision", "settings", *LATER)
"""What has to be the same of two runs for a report to show both."""


def compare(
    sources: Sequence[RowSource],
    methods: Sequence[str],
    folder: Path,
    *,
    budgets: Sequence[str] | None = None,
    seeds: int = 5,
    against: str | None = None,
    engine: Engine = one_by_one,
    **options: Any,
) -> list[Summary]:
    """Measure methods on the same rows, and write results, curves and report into a folder.

    Called again, it does only what is missing.

    Args:
        sources: of rows, such as `TaskRows("qc-coarse")` or `TableRows((Path("messages.csv"),))`.
        methods: by name, or as `package.module:name`.
        folder: where to.
        budgets: label budgets, as `100` or `10%`; None takes those of each task, and all labels of a table.
        seeds: how many, from 0.
        against: the method that all others are measured against; None is the baseline of each.
        engine: one of `ganbert.compare.executors`.
        options: as for `runs_of`: `encoder`, `max_steps`, `device` and so on.

    Returns:
        A summary for each method at each budget of each source.

    Raises:
        InputError: rows, methods or folder cannot be used.
        RunError: not all runs could be carried out; the others are in the folder.
    """
    if against is not None and against not in methods:
        raise InputError(f"against {against!r}: is not among the methods")
    check_folder(folder, [])
    runs = runs_of(sources, methods, budgets, seeds, **options)
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(folder / RESULTS)
    whole_records(results)
    check(results.missing(runs))
    measured = measure(runs, results, engine)
    if measured.records:
        write_folder([*measured.records, *measured.beside], against, folder)
    if measured.problems:
        raise RunError("not all runs could be carried out:\n" + "\n".join(measured.problems))
    return summarise(measured.records, against)


def write_folder(records: Sequence[Record], against: str | None, folder: Path, commands: Sequence[str] = ()) -> None:
    """Write curves and report; the records are in the folder whatever comes of it: a `RunError` says so.

    Args:
        records: of all runs to show.
        against: the method that all others are measured against; None is the baseline of each.
        folder: where to.
        commands: that made them.
    """
    summaries = summarise(records, against)
    try:
        plot_curves(summaries, folder)
        write_report(records, summaries, folder, commands=commands)
    except OSError as error:
        raise RunError(
            f"{folder}: the report cannot be written ({error.strerror or error}); all records are in {RESULTS}, and "
            "the same command again writes it"
        ) from error


def runs_of(
    sources: Sequence[RowSource],
    methods: Sequence[str],
    budgets: Sequence[str] | None,
    seeds: int,
    *,
    encoder: str | Sequence[str] = "minilm",
    selection: str | Sequence[str] = "random",
    names: str | Sequence[str] = "none",
    precision: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    **options: Any,
) -> list[Run]:
    """Return all runs, each once, so ordered that the first seed of everything comes before the second of anything.

    A method that uses no seed has one run where its rows are the same for all seeds.

    Args:
        sources: of rows.
        methods: by name.
        budgets: label budgets; None takes those of each task, and all labels of a table.
        seeds: how many, from 0.
        encoder, selection, names: as in `Run`; of several each is combined with each.
        precision, device, threads: as for `choose_compute`; "auto" is what this machine does.
        options: further fields of `Run`.
    """
    options |= {"precision": choose_compute(device, precision, threads).precision, "device": device, "threads": threads}
    encoders, selections, known = ([of] if isinstance(of, str) else of for of in (encoder, selection, names))

    @functools.cache
    def needs_one_run(method: str, source: RowSource, budget: str) -> bool:
        return method_named(method).deterministic and source.is_same_for_all_seeds(budget)

    runs = (
        Run(source, method, budget, seed, encoder=encoder, selection=selection, names=names, **options)
        for seed in range(seeds)
        for source in sources
        for budget in budgets or source.budgets
        for encoder, selection, names in itertools.product(encoders, selections, known)
        for method in methods
        if seed == 0 or not needs_one_run(method, source, budget)
    )
    return list({run.key: run for run in runs}.values())


def whole_records(results: Results) -> list[Record]:
    """Return all records; `InputError` for one that tables and report cannot show, before anything is run."""
    records = results.read()
    for row, record in enumerate(records, start=1):
        if (problem := what_is_wrong(record)) is not None:
            raise InputError(
                f"is no record of a run ({problem}): take the line out, or name another folder",
                path=results.path,
                row=row,
            )
    return records


def check(runs: Iterable[Run]) -> list[str]:
    """Read the rows of the first seed of everything, and return what a person should know of them.

    Raises:
        InputError: they cannot be had, or not split so; or a method needs a library that is not installed.
    """
    runs = list(runs)
    for name in dict.fromkeys(run.method for run in runs):
        method_named(name).require_library()
    remarks: dict[str, None] = {}
    seen: set[tuple[object, ...]] = set()
    for run in runs:
        place = (run.source, run.budget, run.selection, run.names, run.encoder if run.selection != "random" else "")
        if place not in seen:
            seen.add(place)
            run.split()
            remarks |= dict.fromkeys(run.source.remarks)
    return list(remarks)


def skipped_by(runs: Iterable[Run]) -> dict[str, int]:
    """Return how many rows without text and blank lines reading the sources left out."""
    sources = dict.fromkeys(run.source for run in runs)
    return {name: sum(source.skipped.get(name, 0) for source in sources) for name in ("skipped_empty", "skipped_blank")}


@dataclass(frozen=True)
class Measured:
    """What came of runs that were wanted.

    Attributes:
        records: in the order of the runs.
        beside: further records of the same file that can stand in a report with them, see `comparable`.
        problems: what kept some runs from being carried out.
        elsewhere: how many another process is carrying out.
    """

    records: list[Record]
    beside: list[Record]
    problems: list[str]
    elsewhere: int


def measure(
    runs: Iterable[Run],
    results: Results,
    engine: Engine = one_by_one,
    *,
    ended: Callable[[Run, Record], None] = lambda run, record: None,
    failed: Callable[[Run], None] = lambda run: None,
) -> Measured:
    """Carry out what is missing, and write each record as its run ends.

    Args:
        runs: all that are wanted.
        results: where their records are and go.
        engine: one of `ganbert.compare.executors`.
        ended: called with each run as it ends, and its record.
        failed: called with each run that could not be carried out.
    """
    runs = list(runs)
    problems: dict[str, str] = {}
    with closing(results):
        for done in engine(results.claimed(results.missing(runs))):
            if done.record is None:
                results.give_up(done.run.key)
                problems[done.run.key] = f"{done.run.source.name} {done.run.budget} {done.run.method}: {done.problem}"
                failed(done.run)
            else:
                try:
                    results.add(done.record)
                except OSError as error:  # every further record would be lost as well
                    raise RunError(f"{results.path}: cannot be written: {error.strerror or error}") from error
                ended(done.run, done.record)
    records = {key_of(record): record for record in results.read()}
    return Measured(
        [records[run.key] for run in runs if run.key in records],
        [records[key] for key in comparable(records, runs)],
        list(dict.fromkeys(problems.values())),
        sum(run.key not in records and run.key not in problems for run in runs),
    )


def comparable(records: Mapping[str, Record], runs: Sequence[Run]) -> list[str]:
    """Return the keys of records of other runs under the same conditions.

    That is on the same part of the rows with the same encoder, precision and settings: other methods, budgets, seeds
    and tasks. Of each task it is one version of its rows: that of the runs, else the last one.
    Methods that no longer exist are left out.
    """
    wanted = {run.key for run in runs}
    conditions = [_conditions(run.identity) for run in runs]
    version = {record["task"]: record["data"] for record in records.values()}
    version |= {run.source.name: run.source.version for run in runs}
    return [
        key
        for key, record in records.items()
        if key not in wanted
        and _conditions(record) in conditions
        and record["data"] == version[record["task"]]
        and _is_known(record["method"])
    ]


def _conditions(identity: Record) -> Record:
    return {name: identity.get(name, LATER.get(name)) for name in CONDITIONS}


def _is_known(method: str) -> bool:
    try:
        method_named(method)
    except InputError:
        return False
    return True
