"""How long runs will take, by what runs of the same kind took."""

from __future__ import annotations

from collections.abc import Iterable

from ganbert.compare.runs import Record, Run

ALIKE = ("task", "split", "method", "budget", "encoder", "precision", "settings")
"""What decides how long a run takes; the machine does as well, so the last run counts and not the mean."""


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
