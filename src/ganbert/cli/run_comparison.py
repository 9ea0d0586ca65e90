"""What `curve` and `compare` have in common: carry runs out, and show what they show."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import datasets
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganbert.cli import options
from ganbert.cli.run_progress import Forecast, RunProgress
from ganbert.compare.comparison import check, measure, skipped_by, whole_records, write_folder
from ganbert.compare.executors import one_by_one
from ganbert.compare.intervals import Estimate
from ganbert.compare.report import rate
from ganbert.compare.statistics import Summary, ceilings, sentence, sentences, summarise
from ganbert.compare.store import COMMANDS, RESULTS, Results
from ganbert.errors import InterruptedRunError, RunError
from ganbert.metrics import EXPLAINED, SHOWN
from ganbert.wording import printable

if TYPE_CHECKING:
    from ganbert.compare.executors import Engine
    from ganbert.compare.runs import Run

WORDS = (
    "Figures in percent, means over seeds. 95% interval: where the figure would lie with other seeds and other rows. "
    f"Steps: updates of the weights. Rows/s: test rows predicted in a second. {EXPLAINED}"
)
"""What the columns mean, for those who meet them for the first time."""


def carry_out_and_show(
    runs: Sequence[Run],
    output: Path,
    engine: Engine,
    *,
    jobs: int = 1,
    against: str | None,
    as_json: bool,
) -> None:
    """Do what is missing, write results, plots and report into the folder, and print tables or one JSON object.

    What is printed is what was asked for; plots and report show the whole folder, as far as it can be compared.

    Args:
        runs: that are asked for.
        output: the folder, which `check_folder` has passed.
        engine, jobs: what carries them out, and how many at once.
        against: the method that all others are measured against; None is the baseline of each.
        as_json: print one JSON object.
    """
    output.mkdir(parents=True, exist_ok=True)
    datasets.disable_progress_bars()  # there are bars of our own
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"  # of the processes of --jobs
    results = Results(output / RESULTS)
    known = whole_records(results)
    missing = results.missing(runs)
    stderr = Console(stderr=True)
    for remark in check(missing):
        _say(stderr, remark)
    skipped = skipped_by(runs)
    _say(stderr, f"{len(runs)} runs, {len(missing)} of them still to be done. Results: {results.path}")
    commands = _commands_of(output, adds=len(missing) > 0)
    with RunProgress(stderr, missing, Forecast(known, jobs)) as progress, interruptible():
        if engine is one_by_one:
            engine = partial(one_by_one, begun=progress.begun, on_step=progress.step)
        measured = measure(runs, results, engine, ended=progress.ended, failed=progress.failed)
    records, problems = measured.records, measured.problems
    if measured.elsewhere:
        _say(
            stderr,
            f"{measured.elsewhere} of {len(runs)} runs are another process's, and not among these figures yet: "
            "the same command again shows all.",
        )
    if not records:
        if problems:
            raise RunError("\n".join(problems))
        return
    summaries = summarise(records, against)
    write_folder([*records, *measured.beside], against, output, commands)
    if as_json:
        options.print_json(
            {
                "runs": records,
                "summary": [as_dict(summary) for summary in summaries],
                "missing": len(runs) - len(records),
                **skipped,
                "output": str(output),
            }
        )
    else:
        print_summaries(summaries)
        print(f"Report: {printable(output / 'report.html')}")
    if problems:
        raise RunError("not all runs could be carried out:\n" + "\n".join(problems))


def _say(console: Console, text: str) -> None:
    console.print(Text(printable(text)), soft_wrap=True)


def _commands_of(folder: Path, *, adds: bool) -> list[str]:
    """Return the commands that made the results of this folder, with this one if it adds any."""
    path = folder / COMMANDS
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    commands = text.splitlines()
    command = printable(shlex.join(["ganbert", *sys.argv[1:]]))  # one line, whatever a file is called
    if command not in commands and (adds or not commands):
        commands.append(command)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:  # several may share the folder
            file.write("\n" * (text != "" and not text.endswith("\n")) + f"{command}\n")
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
    """Print a table for each task and budget, what ran in a method's place, and what each shows."""
    console = Console()
    if not console.is_terminal:
        console.width = 120  # a file or a pipe has no width: nothing has to be cut
    for task, split, budget in dict.fromkeys((s.task, s.split, s.budget) for s in summaries):
        here = [s for s in summaries if (s.task, s.split, s.budget) == (task, split, budget)]
        title = f"{task}, {budget} ({here[0].n_labelled} labelled rows), measured on {split}"
        _say(console, title)
        console.print(_table(here))
        for text in [*ceilings(here), *sentences(here)]:
            console.print(Text(printable(text)))
        console.print()
    console.print(Text(WORDS, style="dim"))


def _table(summaries: Sequence[Summary]) -> Table:
    metric = summaries[0].metric
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, 1))
    table.add_column("method", overflow="fold")
    for of in SHOWN:
        judged_by = "\n(95% interval)" if of.name == metric else ""
        table.add_column(f"{of.label}{judged_by}", justify="right", no_wrap=of.name == metric)
    for name in ("difference", "steps", "seconds", "rows/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for s in summaries:
        table.add_row(
            Text(printable(s.name)),
            *(_in_percent(s.figures.get(of.name), with_interval=of.name == metric) for of in SHOWN),
            s.gain.percent("+") if s.gain else "",
            f"{s.steps:.0f}",
            f"{s.seconds:.0f}",
            rate(s.rows_per_second),
        )
    return table


def _in_percent(figure: Estimate | None, *, with_interval: bool) -> str:
    if figure is None:  # older records lack newer metrics
        return ""
    return figure.share() if with_interval else f"{100 * figure.mean:.1f}"


def as_dict(summary: Summary) -> dict[str, object]:
    """Return a summary as JSON can hold it."""
    import dataclasses

    return {**dataclasses.asdict(summary), "name": summary.name, "sentence": sentence(summary)}
