"""How far `compare` and `curve` are: bars on a terminal, a line for each run that has ended, and the time left.

The time left is what runs of the same kind took.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from ganbert.compare.runs import Run
from ganbert.compare.statistics import variants
from ganbert.compare.store import Record
from ganbert.metrics import SHOWN
from ganbert.wording import printable

ALIKE = ("task", "split", "method", "budget", "encoder", "precision", "settings")
"""What decides how long a run takes; the machine does as well, so the last run counts and not the mean."""


class RunProgress:
    """A bar of the runs with the time that is left, and under it a bar of the steps of the run under way.

    Args:
        console: where to.
        runs: that are still to be done.
        forecast: of how long they take.
    """

    def __init__(self, console: Console, runs: Iterable[Run], forecast: Forecast) -> None:
        self._waiting = {run.key: run for run in runs}
        self._variant = variants([run.identity for run in self._waiting.values()])
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
        """Print the figures of a run, and estimate the time left again."""
        self._forecast.learn(record)
        self.failed(run)
        figures = ", ".join(f"{metric.label} {record[metric.name]:.3f}" for metric in SHOWN)
        name = f"{run.method} (plain fine-tune)" if record.get("fallback") else run.method
        variant = f" [{of}]" if (of := self._variant(run.identity)) else ""
        line = (
            f"{run.source.name} {run.budget} {name}{variant} seed {run.seed}: {figures}, {record['steps']} steps, "
            f"{record['seconds']:.0f} s"
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


class Forecast:
    """The time that is left, from runs that have ended.

    Args:
        records: of such runs, oldest first.
        jobs: runs at once.
    """

    def __init__(self, records: Iterable[Record] = (), jobs: int = 1) -> None:
        self.jobs = jobs
        self._seconds: dict[str, float] = {}
        for record in records:
            self.learn(record)

    def learn(self, record: Record) -> None:
        """Take note of what a run took."""
        if isinstance(record.get("seconds_in_all"), int | float):
            self._seconds[_kind(record)] = float(record["seconds_in_all"])

    def left(self, runs: Iterable[Run]) -> tuple[float, int]:
        """Return the seconds that runs will take, and how many of them are of a kind that none has ended of."""
        seconds = [self._seconds.get(_kind(run.identity)) for run in runs]
        return sum(known for known in seconds if known is not None) / self.jobs, seconds.count(None)


def in_words(seconds: float, unknown: int) -> str:
    """Return the time that is left as a person reads it, with runs of unknown length told apart."""
    if unknown == 0:
        return f"about {_clock(seconds)} left"
    runs = "1 run" if unknown == 1 else f"{unknown} runs"
    return f"at least {_clock(seconds)} left ({runs} not timed yet)" if seconds else f"time left not known yet ({runs})"


def _kind(identity: Record) -> str:
    return repr([identity[name] for name in ALIKE])


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
