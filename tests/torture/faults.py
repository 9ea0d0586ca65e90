"""Faults of the machine while a run is on: one line and a run that can be resumed, or a finished model all the same."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

from tests.torture import mounts, prediction_runs
from tests.torture.bases import Bases
from tests.torture.cases import Failure
from tests.torture.forks import Ended, refused_in_one_line, set_stream
from tests.torture.injector import ERRORS, Injector, failing, full_after, removing
from tests.torture.predictions import failed_how
from tests.torture.runs import USERS, Run, Undisturbed, Variant, undisturbed


def check(rng: random.Random, folder: Path, bases: Bases) -> str:
    """Disturb a run in one way, look at how it ends, and bring it to its end without the fault."""
    if rng.random() < 0.15:
        return prediction_runs.check_fault(rng, folder, bases)
    variant = Variant.drawn(rng)
    expected = undisturbed(variant, bases)
    run = Run(variant, folder, bases)
    fault = rng.choice(_FAULTS)
    try:
        return fault(rng, run, expected)
    except Failure as failure:
        raise Failure(failure.how, f"{variant.name}: {(fault.__doc__ or '').strip()}\n{failure.detail}") from None


def _ended_well(run: Run, ended: Ended, expected: Undisturbed) -> str:
    """Judge how a disturbed run ended, and resume it."""
    if ended.status == 0:
        run.check(expected, leftovers=True)  # what could not be removed is still there
        return "finished in spite of it"
    if not refused_in_one_line(ended):
        raise Failure(failed_how(ended.err), ended.said)
    run.check_users_files()
    try:
        return f"one line, {run.finish(expected)}"
    except Failure as failure:
        raise Failure(failure.how, f"{ended.said}{failure.detail}") from None


def _error(rng: random.Random, run: Run, expected: Undisturbed) -> str:
    """A file operation fails, once or from then on."""
    code, n, once = rng.choice(ERRORS), rng.randint(1, expected.n_events), rng.random() < 0.3
    ended = run.begin(Injector(run.folder, failing(code), n, once=once).install)
    return _told(f"{errno.errorcode[code]} at event {n}{'' if once else ' and later'}", run, ended, expected)


def _quota(rng: random.Random, run: Run, expected: Undisturbed) -> str:
    """No file may be longer than so many bytes, from some moment on."""
    size, n = rng.choice([0, 100, 1000, 20_000, 100_000]), rng.randint(1, expected.n_events)
    ended = run.begin(Injector(run.folder, full_after(size), n).install)
    return _told(f"at most {size} bytes a file from event {n} on", run, ended, expected)


def _small_disk(rng: random.Random, run: Run, expected: Undisturbed) -> str:
    """The output, the cache or the folder of temporary files stands on a small disk."""
    place, size = run.folder / rng.choice(["out", "out", "cache", "tmp"]), rng.choice([4096, 40_000, 200_000, 600_000])
    if run.variant.overwrite or not mounts.small(place, size):
        return _quota(rng, run, expected)
    if place.name == "out":
        (place / "notes.txt").write_text(USERS)
    ended = run.begin(lambda: None)
    how = f"{place.name} on a disk of {size} bytes"
    if ended.status == 0:
        return _told(how, run, ended, expected)
    if not refused_in_one_line(ended):
        raise Failure(failed_how(ended.err), f"{how}\n{ended.said}")
    mounts.unmount(place)
    run.output.parent.mkdir(exist_ok=True)
    return f"one line, {run.finish(expected)}"


def _read_only(rng: random.Random, run: Run, expected: Undisturbed) -> str:
    """The output, the cache or the folder of temporary files cannot be written to."""
    place = run.folder / rng.choice(["out", "out", "cache", "tmp"])
    if not mounts.read_only(place):
        return _error(rng, run, expected)
    ended = run.begin(lambda: None)
    if ended.status != 0:
        mounts.unmount(place)
    return _told(f"{place.name} is read-only", run, ended, expected)


def _removed(rng: random.Random, run: Run, expected: Undisturbed) -> str:
    """The output folder is removed while the run is on."""
    n = rng.randint(1, expected.n_events)
    ended = run.begin(Injector(run.folder, removing(run.output), n).install)
    if ended.status != 0 and not refused_in_one_line(ended):
        raise Failure(failed_how(ended.err), f"at event {n}\n{ended.said}")
    if ended.status == 0 and run.weights() != expected.weights:
        raise Failure("exit status 0 without a model", f"at event {n}\n{ended.said}")
    return "finished in spite of it" if ended.status == 0 else "one line"


def _no_screen(rng: random.Random, run: Run, expected: Undisturbed) -> str:
    """Standard output or error is full, closed, a broken pipe, or cannot show a character: the model is finished."""
    number, how = rng.choice([1, 1, 2]), rng.choice(["full", "closed", "broken", "ascii"])
    ended = run.begin(_spoiler(number, how))
    if ended.status != 0:
        raise Failure("a finished model is reported as a failure", f"descriptor {number} is {how}\n{ended.said}")
    run.check(expected)
    return "finished in spite of it"


def _spoiler(number: int, how: str) -> Callable[[], None]:
    name = "stdout" if number == 1 else "stderr"

    def spoil() -> None:
        if how == "closed":
            os.close(number)
            set_stream(name, None)
            return
        if how == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), number)
        elif how == "broken":
            reader, writer = os.pipe()
            os.close(reader)
            os.dup2(writer, number)
        set_stream(name, "ascii" if how == "ascii" else "utf-8")

    return spoil


def _told(how: str, run: Run, ended: Ended, expected: Undisturbed) -> str:
    try:
        return _ended_well(run, ended, expected)
    except Failure as failure:
        raise Failure(failure.how, f"{how}\n{failure.detail}") from None


_FAULTS: list[Callable[[random.Random, Run, Undisturbed], str]] = [
    _error, _error, _error, _quota, _quota, _small_disk, _small_disk, _read_only, _removed, _no_screen, _no_screen
]  # fmt: skip
