"""Kills and faults while predictions are written: the output is there whole or not at all, the input stays as it is."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from pathlib import Path

from tests.torture.bases import TEXTS, Bases
from tests.torture.cases import Failure
from tests.torture.forks import Ended, ganbert, refused_in_one_line
from tests.torture.injector import ERRORS, Injector, counting, failing, full_after, kill, kill_within
from tests.torture.predictions import failed_how

INPUT = "text\n" + "\n".join(TEXTS) + "\n"
OLD = "what was there before\n"


class PredictionRun:
    """One run of `ganbert predict`, into a file that is new or, with `--overwrite`, was there before.

    Args:
        rng: chooses the format.
        folder: an empty one.
        bases: for the model.
    """

    def __init__(self, rng: random.Random, folder: Path, bases: Bases) -> None:
        self.model = bases.model
        self.folder, self.table = folder, folder / "in.csv"
        self.output = folder / "out" / f"p{rng.choice(['.csv', '.csv.gz', '.jsonl', '.parquet'])}"
        self.output.parent.mkdir()
        self.table.write_text(INPUT, encoding="utf-8")
        if (ended := self.start(self.output)).status != 0:
            raise Failure("an undisturbed run fails", ended.said)
        self.expected = self.output.read_bytes()
        self.n_events = self._count(folder / "counted" / self.output.name)
        self.replaces = rng.random() < 0.5
        self.output.write_text(OLD) if self.replaces else self.output.unlink()

    def start(self, output: Path, *more: str, disturb: Callable[[], object] = lambda: None) -> Ended:
        """Run the command."""
        arguments = ["predict", self.model, self.table, "--output", output, "--precision", "float32", "--threads", "1"]
        return ganbert(*arguments, *more, prepare=disturb)

    def disturbed(self, disturb: Callable[[], object]) -> Ended:
        """Run it under a fault, and check that nothing half is left where a table was asked for."""
        ended = self.start(self.output, *["--overwrite"] * self.replaces, disturb=disturb)
        found = self.output.read_bytes() if self.output.exists() else None
        if found not in (self.expected, OLD.encode() if self.replaces else None):
            raise Failure("a half-written table", ended.said)
        return ended

    def again(self) -> None:
        """Run it without a fault, and check that all is as if there had been none."""
        ended = self.start(self.output, *["--overwrite"] * self.output.exists())
        if ended.status != 0 or self.output.read_bytes() != self.expected:
            raise Failure("predictions cannot be made again", ended.said)
        if self.table.read_text(encoding="utf-8") != INPUT:
            raise Failure("file lost", self.table.name)
        if more := {path.name for path in self.output.parent.iterdir()} - {self.output.name}:
            raise Failure("leftovers", sorted(more))

    def _count(self, output: Path) -> int:
        output.parent.mkdir()
        report = self.folder / "events"
        injector = Injector(output.parent, counting(report), 1, once=False)
        ended = self.start(output, disturb=injector.install)
        if ended.status != 0:
            raise Failure("an undisturbed run fails", ended.said)
        return report.read_text().count("\n")


def check_kill(rng: random.Random, folder: Path, bases: Bases) -> str:
    """Kill it at one of its file events and run it again."""
    run = PredictionRun(rng, folder, bases)
    act = rng.choice([kill, kill_within(rng.choice([0, 10, 100]))])
    run.disturbed(Injector(run.output.parent, act, rng.randint(1, run.n_events)).install)
    run.again()
    return "predicted again"


def check_fault(rng: random.Random, folder: Path, bases: Bases) -> str:
    """Let one of its file operations fail."""
    run = PredictionRun(rng, folder, bases)
    code, n = rng.choice(ERRORS), rng.randint(1, run.n_events)
    act = rng.choice([failing(code), full_after(rng.choice([0, 10, 100]))])
    ended = run.disturbed(Injector(run.output.parent, act, n, once=rng.random() < 0.5).install)
    if ended.status != 0 and not refused_in_one_line(ended):
        raise Failure(failed_how(ended.err), f"predict, {errno.errorcode[code]} at event {n}\n{ended.said}")
    run.again()
    return "predicted again"
