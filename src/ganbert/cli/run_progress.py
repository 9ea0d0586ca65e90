"""How far `compare` and `curve` are: bars on a terminal, and a line for each run that has ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from ganbert.compare.forecast import Forecast, in_words
from ganbert.compare.runs import Record, Run
from ganbert.wording import printable


class RunProgress:
    """A bar of the runs with the time that is left, and under it a bar of the steps of the run under way.

    Args:
        console: where to.
        runs: that are still to be done.
        forecast: of how long they take.
    """

    def __init__(self, console: Console, runs: Iterable[Run], forecast: Forecast) -> None:
        self._waiting = {run.key: run for run in runs}
        self._n, self._forecast, self._console = len(self._waiting), forecast, console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=30)),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _TimeLeft(),
            console=console,
            expand=True,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._bars.add_task("runs", total=self._n)
        self._one = self._bars.add_task("", total=None, visible=False)
        self._look_ahead()

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Take the bars away."""
        self._bars.stop()

    def begun(self, run: Run) -> None:
        """Show a bar for a run; its steps are not known yet."""
        self._bars.reset(self._one, total=None, visible=True, description=f"{printable(run.method)}, seed {run.seed}")

    def step(self, taken: int, steps: int) -> None:
        """Show how many steps the run under way has taken."""
        self._bars.update(self._one, completed=taken, total=steps)

    def ended(self, run: Run, record: Record) -> None:
        """Tell what came of a run, and look at the time that is left anew."""
        self._forecast.learn(record)
        self.failed(run)
        name = f"{run.method} (plain fine-tune)" if record.get("fallback") else run.method
        line = (
            f"{run.source.name} {run.budget} {name} seed {run.seed}: accuracy {record['accuracy']:.3f}, "
            f"macro F1 {record['macro_f1']:.3f}, {record['steps']} steps, {record['seconds']:.0f} s"
        )
        if not self._console.is_terminal and self._waiting:
            line += f" [{self._n - len(self._waiting)}/{self._n}, {in_words(*self._left)}]"
        self._bars.console.print(Text(printable(line)), soft_wrap=True)

    def failed(self, run: Run) -> None:
        """Take note that a run has ended, without a record perhaps."""
        self._waiting.pop(run.key, None)
        self._bars.update(self._all, advance=1)
        self._bars.update(self._one, visible=False)
        self._look_ahead()

    def _look_ahead(self) -> None:
        self._left = self._forecast.left(self._waiting.values())
        self._bars.update(self._all, left=self._left, since=self._bars.get_time())


class _TimeLeft(ProgressColumn):
    """Of all runs what was foreseen when the last one ended, less what has gone by since; of one what its steps say."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """Return it in words."""
        if "left" in task.fields:
            seconds, unknown = task.fields["left"]
            return Text(in_words(max(0.0, seconds - (task.get_time() - task.fields["since"])), unknown))
        return Text("" if task.time_remaining is None else in_words(task.time_remaining, 0))
