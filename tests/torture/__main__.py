"""Torture: hostile tables, settings, folders, kills and faults against what `docs/reliability.md` promises.

python -m tests.torture --tables 10000 --configs 1000 --folders 200 --kills 200 --faults 50
python -m tests.torture --only table --case 12345
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.torture.campaign import cases_of, run, show
from tests.torture.cases import Case, Verdict

KINDS = ("table", "config", "setting", "folder", "kill", "fault")


def main(
    tables: Annotated[int, typer.Option(min=0, help="Tables read and written.")] = 0,
    configs: Annotated[int, typer.Option(min=0, help="Changed config.json files.")] = 0,
    settings: Annotated[int, typer.Option(min=0, help="Odd values of --set and of options.")] = 0,
    folders: Annotated[int, typer.Option(min=0, help="Folders with damaged files.")] = 0,
    kills: Annotated[int, typer.Option(min=0, help="Runs killed at a file event.")] = 0,
    faults: Annotated[int, typer.Option(min=0, help="Runs with a fault of the machine.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Number of the first case of each kind; else drawn.")] = None,
    minutes: Annotated[float, typer.Option(help="No case is begun after that.")] = 60.0,
    jobs: Annotated[int, typer.Option(min=1, help="Cases at once.")] = 2,
    rows: Annotated[Path, typer.Option(help="JSON Lines file to which the verdicts are added.")] = Path(
        "torture.jsonl"
    ),
    only: Annotated[str | None, typer.Option(help=f"One case, of this kind: {', '.join(KINDS)}.")] = None,
    case: Annotated[int, typer.Option(help="Its number.")] = 0,
) -> None:
    """Try to break ganbert; exit status 1 if it could be done."""
    console = Console()
    if only is not None:
        if only not in KINDS:
            raise typer.BadParameter(f"{only}: choose one of {', '.join(KINDS)}", param_hint="--only")
        verdict = run([Case(only, case)], jobs=1, minutes=minutes, rows=rows)[0]
        console.print(f"{only} {case}: {'held' if verdict.held else 'FAILED'}, {verdict.how}", markup=False)
        console.print(verdict.detail, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(not verdict.held)
    counts = dict(zip(KINDS, (tables, configs, settings, folders, kills, faults), strict=True))
    counts = {kind: n for kind, n in counts.items() if n}
    seed = secrets.randbelow(10**9) if seed is None else seed
    console.print(
        f"Cases from number {seed} on: the same again with --seed {seed}. Verdicts go to {rows}.", soft_wrap=True
    )
    verdicts = _with_bar(cases_of(counts, seed), jobs, minutes, rows)
    show(verdicts, counts, console)
    raise typer.Exit(not all(verdict.held for verdict in verdicts))


def _with_bar(cases: list[Case], jobs: int, minutes: float, rows: Path) -> list[Verdict]:
    console, failed = Console(stderr=True), 0
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("0 failed", total=len(cases))

        def count(verdict: Verdict) -> None:
            nonlocal failed
            failed += not verdict.held
            bar.update(task, advance=1, description=f"{failed} failed")

        return run(cases, jobs=jobs, minutes=minutes, rows=rows, on_verdict=count)


if __name__ == "__main__":
    typer.run(main)
