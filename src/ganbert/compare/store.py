"""The folder of a comparison, and the file of records in it: one run a line, written as it ends.

A record is what a run leaves, a dictionary that JSON can hold. Several processes may share a file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ganbert.errors import InputError

if TYPE_CHECKING:
    from ganbert.compare.runs import Run

RESULTS, COMMANDS = "results.jsonl", "commands.txt"
FILES = (RESULTS, COMMANDS, "curve.png", "curve.svg", "report.html", "summary.md")
"""All that a comparison leaves."""

Record = dict[str, Any]

FILE_LOCK = "file.lock"
BEGINNING = b'{"task": '
"""Of every record."""


class Results:
    """A file of records.

    A run is claimed by a lock on a file of its own beside it. The system gives the lock back when the process that
    holds it dies, so nothing is lost; and who has a claim looks once more whether the run is done, so nothing is done
    twice.

    Args:
        path: the file; it need not exist.

    Raises:
        InputError: a line of it is no record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._claims = path.with_name(f"{path.name}.claims")
        self._held: dict[str, FileLock] = {}
        self.read()

    def read(self) -> list[Record]:
        """Return all records; a last line without an end is of a process that was killed, or still writes."""
        if not self.path.exists():
            return []
        records = []
        whole, _, torn = self.path.read_bytes().rpartition(b"\n")
        if not torn.startswith(BEGINNING[: len(torn)]):  # not what a killed process left, so it stays
            raise InputError("ends in what is no record of a run: name another file", path=self.path)
        # Not splitlines(), for which a line also ends at characters that a class name may hold.
        for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
            try:
                record = json.loads(line)
                key_of(record)
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"is no record of a run ({error}): take the line out, or name another file",
                    path=self.path,
                    row=number,
                ) from error
            records.append(record)
        return records

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """Return the runs that have no record."""
        done = {key_of(record) for record in self.read()}
        return [run for run in runs if run.key not in done]

    def claimed(self, runs: Iterable[Run]) -> Iterator[Run]:
        """Claim one run after the other and yield those that nobody else has claimed or done."""
        self._claims.mkdir(parents=True, exist_ok=True)
        for run in runs:
            lock = FileLock(self._claims / f"{run.key}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            if not self.missing([run]):
                self._release(run.key, lock)
                continue
            self._held[run.key] = lock
            yield run

    def add(self, record: Record) -> None:
        """Append the record of a claimed run, unless there is one."""
        key = key_of(record)
        with FileLock(self._claims / FILE_LOCK):
            if key not in {key_of(other) for other in self.read()}:
                with self.path.open("a+b") as file:
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)  # what a killed process left
                    file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
        self.give_up(key)

    def give_up(self, key: str) -> None:
        """Let others have a run that was claimed."""
        if (lock := self._held.pop(key, None)) is not None:
            self._release(key, lock)

    def close(self) -> None:
        """Give all claims up, and take the folder of claims away if nobody else needs it."""
        for key in list(self._held):
            self.give_up(key)
        if self._claims.exists() and {path.name for path in self._claims.iterdir()} <= {FILE_LOCK}:
            with suppress(OSError):  # another process makes a claim just now
                (self._claims / FILE_LOCK).unlink(missing_ok=True)
                self._claims.rmdir()

    def _release(self, key: str, lock: FileLock) -> None:
        lock.release()
        (self._claims / f"{key}.lock").unlink(missing_ok=True)


LATER: dict[str, Any] = {"selection": "random", "names": "none"}
"""Parts of a run's identity that older records lack, each with what it was then: it leaves their keys as they are."""


def key_of(identity: Record) -> str:
    """Return a short name of a run, or of its record."""
    names = ("task", "split", "data", "method", "budget", "seed", "encoder", "balanced", "precision", "settings")
    known = {name: identity[name] for name in names}
    known |= {name: identity[name] for name, before in LATER.items() if identity.get(name, before) != before}
    text = json.dumps(known, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def pack(ids: NDArray[np.int64]) -> str:
    """Return class ids of many rows as a short text: 7,500 rows of 20 classes take 8 kB at most.

    It is base64 of what zlib makes of little-endian 32-bit integers.
    """
    return base64.b64encode(zlib.compress(ids.astype("<i4").tobytes(), 9)).decode()


def unpack(text: str) -> NDArray[np.int64]:
    """Return the class ids; `ValueError` if the text holds none."""
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), "<i4").astype(np.int64)
    except zlib.error as error:
        raise ValueError(f"no packed class ids: {error}") from error


def check_folder(folder: Path, inputs: Iterable[Path]) -> None:
    """Refuse a folder that cannot be used; leaves nothing.

    Args:
        folder: of the results; it need not exist.
        inputs: tables that are read.

    Raises:
        InputError: it cannot be written to, one of its files would replace a table, or files of these names are there
            that are not of a comparison.
    """
    try:
        there = [folder / name for name in FILES if (folder / name).exists()]
        place = next(place for place in (folder, *folder.parents, Path()) if place.exists())
        if not place.is_dir():
            raise InputError("is a file; --output names a folder", path=place)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise InputError(f"cannot be written to ({error.strerror}): name another --output", path=folder) from error
    for file in there:
        if not file.is_file():
            raise InputError("is no file: name another --output folder", path=file)
        if any(table.exists() and table.samefile(file) for table in inputs):
            raise InputError("is a table to read and would be replaced: name another --output folder", path=file)
        if folder / RESULTS not in there:
            problem = f"is not of a comparison, as there is no {RESULTS} beside it: name another --output folder"
            raise InputError(problem, path=file)
