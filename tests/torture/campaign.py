"""A campaign: many cases of all kinds, side by side, and the table of how many were tried, held and failed."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.torture.cases import Case, Verdict

SHOWN = 5
"""Failures of each kind that are shown in full."""

# Before anything is imported: forks of a process that has computed nothing share no thread, and wait for no network.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "MPLBACKEND": "Agg",
    "GANBERT_DEBUG": "",
}


def cases_of(counts: dict[str, int], seed: int) -> list[Case]:
    """Return the cases of a campaign, numbered from `seed`, the kinds mixed evenly."""
    marked = [((i + 0.5) / n, Case(kind, seed + i)) for kind, n in counts.items() for i in range(n)]
    return [case for _, case in sorted(marked, key=lambda pair: pair[0])]


def run(
    cases: list[Case], *, jobs: int, minutes: float, rows: Path, on_verdict: Callable[[Verdict], None] = lambda v: None
) -> list[Verdict]:
    """Carry out cases, each in a fork of its own.

    Args:
        cases: in the order in which they are begun.
        jobs: cases at once.
        minutes: after which none is begun any more.
        rows: JSON Lines file of all verdicts, written as they come.
        on_verdict: told each of them.
    """
    os.environ.update(ENVIRONMENT)
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.torture.kinds"])
    end = time.monotonic() + 60 * minutes
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="torture-bases-") as root, rows.open("a", encoding="utf-8") as file:
        os.environ["HF_DATASETS_CACHE"], os.environ["MPLCONFIGDIR"] = f"{root}/cache", f"{root}/matplotlib"
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            for verdict in _in_turn(pool, cases, Path(root), jobs, end):
                file.write(json.dumps(asdict(verdict)) + "\n")
                file.flush()
                on_verdict(verdict)
                verdicts.append(verdict)
    return verdicts


def show(verdicts: list[Verdict], counts: dict[str, int], console: Console) -> None:
    """Print the table, and the first failures with the command that repeats each of them."""
    table = Table("kind", "asked for", "tried", "held", "failed", "seconds", "how they held")
    for column in table.columns[1:6]:
        column.justify = "right"
    for kind, asked in counts.items():
        of_kind = [verdict for verdict in verdicts if verdict.kind == kind]
        held = Counter(verdict.how for verdict in of_kind if verdict.held)
        numbers = [
            asked,
            len(of_kind),
            held.total(),
            len(of_kind) - held.total(),
            round(sum(v.seconds for v in of_kind)),
        ]
        table.add_row(kind, *map(str, numbers), ", ".join(f"{n} {how}" for how, n in held.most_common()))
    console.print(table)
    failed: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if not verdict.held:
            failed.setdefault((verdict.kind, verdict.how), []).append(verdict)
    for (kind, how), group in sorted(failed.items(), key=lambda item: -len(item[1])):
        first = ", ".join(str(verdict.number) for verdict in group[:SHOWN])
        console.print(f"{len(group)} x {kind}: {how}  (cases {first})", markup=False, highlight=False, style="bold red")
        console.print(_short(group[0].detail), markup=False, highlight=False, soft_wrap=True)
        console.print(
            f"python -m tests.torture --only {kind} --case {group[0].number}\n",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _in_turn(pool: ProcessPoolExecutor, cases: list[Case], root: Path, jobs: int, end: float) -> Iterator[Verdict]:
    """Yield verdicts as they come; only a few cases wait in the pool, so that it can stop at any time."""
    from tests.torture.worker import work

    waiting: set[Future[dict[str, Any]]] = set()
    rest = iter(cases)
    while True:
        while len(waiting) < 2 * jobs and time.monotonic() < end and (case := next(rest, None)) is not None:
            waiting.add(pool.submit(work, case.kind, case.number, str(root)))
        if not waiting:
            return
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            yield Verdict(**future.result())


def _short(detail: str, lines: int = 14, width: int = 300) -> str:
    shown = [line[:width] for line in detail.splitlines()]
    return "\n".join(shown if len(shown) <= lines else [*shown[: lines // 2], "...", *shown[-lines // 2 :]])
