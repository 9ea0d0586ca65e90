"""What `curve` and `compare` have in common: carry runs out, and show what they show."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ganbert.cli import options
from ganbert.errors import RunError
from ganbert.evaluation.measure import measure
from ganbert.evaluation.plots import plot_curves
from ganbert.evaluation.report import write_report
from ganbert.evaluation.results import Results
from ganbert.evaluation.statistics import Summary, sentence, summarise

if TYPE_CHECKING:
    from ganbert.evaluation.engines import Engine
    from ganbert.evaluation.runs import Record, Run


def carry_out_and_show(runs: Sequence[Run], output: Path, engine: Engine, *, as_json: bool) -> None:
    """Do what is missing, write results, plots and report into the folder, and print tables or one JSON object."""
    output.mkdir(parents=True, exist_ok=True)
    results = Results(output / "results.jsonl")
    n_missing = len(results.missing(runs))
    stderr = Console(stderr=True)
    stderr.print(f"{len(runs)} runs, {n_missing} of them still to be done. Results: {results.path}", highlight=False)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        bar = progress.add_task("", total=n_missing)

        def ended(run: Run, record: Record) -> None:
            progress.update(bar, advance=1)
            progress.console.print(
                f"{run.source.name} {run.budget} {run.method} seed {run.seed}: accuracy {record['accuracy']:.3f}, "
                f"macro F1 {record['macro_f1']:.3f}, {record['steps']} steps, {record['seconds']:.0f} s",
                highlight=False,
                soft_wrap=True,
            )

        records, problems = measure(runs, results, engine, ended=ended)
    if not records:
        raise RunError("\n".join(problems))
    summaries = summarise(records)
    plot_curves(summaries, output)
    write_report(records, summaries, output, command=shlex.join(["ganbert", *sys.argv[1:]]))
    if as_json:
        options.print_json(
            {"runs": records, "summary": [as_dict(summary) for summary in summaries], "output": str(output)}
        )
    else:
        print_summaries(summaries)
        print(f"Report: {output / 'report.html'}")
    if problems:
        raise RunError("not all runs could be carried out:\n" + "\n".join(problems))


def print_summaries(summaries: Sequence[Summary]) -> None:
    """Print a table for each task and budget, and a sentence about each method that has a baseline."""
    console = Console()
    for task, split, budget in dict.fromkeys((s.task, s.split, s.budget) for s in summaries):
        here = [s for s in summaries if (s.task, s.split, s.budget) == (task, split, budget)]
        title = f"{task}, {budget} ({here[0].n_labelled} labelled rows), measured on {split}"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        table.add_column("method", no_wrap=True)
        for name in ("accuracy", "macro F1", "ECE", "against baseline", "steps", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        for s in here:
            table.add_row(
                s.method,
                *(
                    s.figures[name].percent() if name == s.metric else f"{100 * s.figures[name].mean:.1f}"
                    for name in ("accuracy", "macro_f1", "ece")
                ),
                f"{s.gain.percent('+')} {s.baseline}" if s.gain else "",
                f"{s.steps:.0f}",
                f"{s.seconds:.0f}",
            )
        console.print(table)
        if (ceiling := min(s.ceiling for s in here)) < 1:
            console.print(f"Classes without a labelled row leave an accuracy of at most {ceiling:.1%} possible.")
        for text in filter(None, map(sentence, here)):
            console.print(text, highlight=False)
        console.print()


def as_dict(summary: Summary) -> dict[str, object]:
    """Return a summary as JSON can hold it."""
    import dataclasses

    return {**dataclasses.asdict(summary), "sentence": sentence(summary)}
