"""What `curve` and `compare` have in common: carry runs out, and show what they show."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ganbert.cli import options
from ganbert.errors import RunError
from ganbert.evaluation.measure import check, measure
from ganbert.evaluation.plots import plot_curves
from ganbert.evaluation.report import write_report
from ganbert.evaluation.results import Results
from ganbert.evaluation.statistics import Summary, sentence, summarise
from ganbert.terminal import printable, rich_text
from ganbert.training.train import InterruptedRunError

if TYPE_CHECKING:
    from ganbert.evaluation.engines import Engine
    from ganbert.evaluation.runs import Record, Run


def carry_out_and_show(
    runs: Sequence[Run], output: Path, engine: Engine, *, against: str | None, as_json: bool
) -> None:
    """Do what is missing, write results, plots and report into the folder, and print tables or one JSON object.

    What is printed is what was asked for; plots and report show the whole folder, as far as it can be compared.
    """
    output.mkdir(parents=True, exist_ok=True)
    results = Results(output / "results.jsonl")
    missing = results.missing(runs)
    n_missing = len(missing)
    stderr = Console(stderr=True)
    for remark in check(missing):
        stderr.print(remark, highlight=False, soft_wrap=True)
    stderr.print(f"{len(runs)} runs, {n_missing} of them still to be done. Results: {results.path}", highlight=False)
    commands = _commands_of(output, anew=n_missing > 0)
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
                f"{rich_text(run.source.name)} {run.budget} {run.method} seed {run.seed}: "
                f"accuracy {record['accuracy']:.3f}, macro F1 {record['macro_f1']:.3f}, "
                f"{record['steps']} steps, {record['seconds']:.0f} s",
                highlight=False,
                soft_wrap=True,
            )

        with interruptible():
            measured = measure(runs, results, engine, ended=ended)
    records, problems = measured.records, measured.problems
    if measured.elsewhere:
        stderr.print(
            f"{measured.elsewhere} of {len(runs)} runs are another process's, and not among these figures yet: "
            "the same command again shows all.",
            highlight=False,
            soft_wrap=True,
        )
    if not records:
        if problems:
            raise RunError("\n".join(problems))
        return
    summaries = summarise(records, against)
    of_folder = [*records, *measured.beside]
    all_summaries = summarise(of_folder, against)
    plot_curves(all_summaries, output)
    write_report(of_folder, all_summaries, output, commands=commands)
    if as_json:
        options.print_json(
            {
                "runs": records,
                "summary": [as_dict(summary) for summary in summaries],
                "missing": len(runs) - len(records),
                "output": str(output),
            }
        )
    else:
        print_summaries(summaries)
        print(f"Report: {printable(output / 'report.html')}")
    if problems:
        raise RunError("not all runs could be carried out:\n" + "\n".join(problems))


def _commands_of(folder: Path, *, anew: bool) -> list[str]:
    """Return the commands that results of this folder came from, this one among them if it does something anew."""
    path = folder / "commands.txt"
    commands = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    command = shlex.join(["ganbert", *sys.argv[1:]])
    if command not in commands and (anew or not commands):
        commands.append(command)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:  # several may share the folder
            file.write(f"{command}\n")
    return commands


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM stop all processes as Ctrl-C does, and say how to go on."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args else signal.SIGINT
        raise InterruptedRunError("stopped; the same command again does only what is missing", number) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def print_summaries(summaries: Sequence[Summary]) -> None:
    """Print a table for each task and budget, and a sentence about each method that has a baseline."""
    console = Console()
    if not console.is_terminal:
        console.width = 120  # a file or a pipe has no width: nothing has to be cut
    for task, split, budget in dict.fromkeys((s.task, s.split, s.budget) for s in summaries):
        here = [s for s in summaries if (s.task, s.split, s.budget) == (task, split, budget)]
        title = f"{rich_text(task)}, {budget} ({here[0].n_labelled} labelled rows), measured on {split}"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        table.add_column("method", overflow="fold")
        for name in ("accuracy", "macro F1", "ECE", "difference", "steps", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        for s in here:
            table.add_row(
                s.method,
                *(
                    s.figures[name].percent() if name == s.metric else f"{100 * s.figures[name].mean:.1f}"
                    for name in ("accuracy", "macro_f1", "ece")
                ),
                s.gain.percent("+") if s.gain else "",
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
