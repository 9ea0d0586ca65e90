"""Files that are there whole or not at all, whenever the process or the machine stops."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ganbert.errors import InputError
from ganbert.storage.fields import read_json

_CAN_LOCK = importlib.util.find_spec("fcntl") is not None
_NOT_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE}


@contextmanager
def part_file(target: Path, *, follow_link: bool = False) -> Iterator[IO[bytes]]:
    """Open a file beside `target`, which takes its place when the block ends without error, synced to disk.

    What a killed process left of the same target is removed first.

    Args:
        target: what it is to become; an old file stays until then.
        follow_link: write what a symbolic link leads to, in place of the link itself.

    Raises:
        OSError: it cannot be opened, written, or moved; `target` is as it was.
    """
    target = Path(os.path.realpath(target)) if follow_link else target
    mark = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    _remove_stale(target.parent, f".{mark}.*.part")
    part, file = _open_locked(target.parent, mark)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if _CAN_LOCK:
                part.replace(target)  # while it is locked, or another process may take it for a stale one
        if not _CAN_LOCK:  # Windows moves no file that is open
            part.replace(target)
    finally:
        with suppress(OSError):  # the error that brought us here says more
            part.unlink(missing_ok=True)
    sync_folder(target.parent)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a small file by `part_file`.

    Raises:
        OSError: it cannot be written; `path` is as it was.
    """
    with part_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def _open_locked(folder: Path, mark: str) -> tuple[Path, IO[bytes]]:
    """Open a new file and lock it; the lock ends with this process at the latest."""
    while True:
        part = folder / f".{mark}.{secrets.token_hex(8)}.part"
        file = part.open("xb")
        _lock(file, wait=True)
        if os.fstat(file.fileno()).st_nlink:  # else another process removed it as a stale one before it was locked
            return part, file
        file.close()


def _remove_stale(folder: Path, pattern: str) -> None:
    """Remove files whose process is gone: its lock went with it."""
    for part in folder.glob(pattern):
        with suppress(OSError), part.open("rb") as file:
            if _lock(file, wait=False):
                part.unlink()


def _lock(file: IO[bytes], *, wait: bool) -> bool:
    """Lock a file; False if another process has locked it, or the file system cannot."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):  # Windows; some network file systems; or another process has it
        return False
    return True


def sync(path: Path) -> None:
    """Flush what was written to a file to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to disk, where the system can do that."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if there is no such file, or no whole object in it."""
    try:
        return read_json(path)
    except InputError:
        return None


def why_not_written(error: BaseException) -> str | None:
    """Return in words why a file could not be written, if that caused an error of any library; else None."""
    seen: BaseException | None = error
    while seen is not None:
        number = seen.errno if isinstance(seen, OSError) else None
        if found := re.search(r"\(os error (\d+)\)", str(seen)):  # libraries in Rust
            number = int(found[1])
        if number in _NOT_WRITTEN:
            return os.strerror(number).lower()
        if "PytorchStreamWriter" in str(seen) or "inline_container.cc" in str(seen):
            return "no space left, or a file too large"
        seen = seen.__cause__ or seen.__context__
    return None
