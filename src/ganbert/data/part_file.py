"""A file that appears under its name when it is whole; what a killed process left of one, the next one removes."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_STALE_SECONDS = 60  # between the creation of a file and its lock


@contextmanager
def part_file(target: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `target`; it takes its place, behind a symbolic link too, when the block ends without error.

    Raises:
        OSError: it cannot be opened, written, or moved; `target` is as it was.
    """
    target = Path(os.path.realpath(target))
    mark = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    _remove_stale(target.parent, f".{mark}.*.part")
    part = target.with_name(f".{mark}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            _lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _remove_stale(folder: Path, pattern: str) -> None:
    """Remove files whose process is gone: its lock went with it."""
    for part in folder.glob(pattern):
        with suppress(OSError), part.open("rb") as file:
            if time.time() - os.fstat(file.fileno()).st_mtime > _STALE_SECONDS and _lock(file):
                part.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Take the lock of a file, which ends with this process at the latest; False if that is not possible."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):  # Windows; some network file systems; or another process has it
        return False
    return True
