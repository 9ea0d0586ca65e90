"""Small files that are there whole or not at all, whenever the process or the machine stops."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

_NOT_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE}


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name beside `path`, sync it to disk, and rename it; an old file stays until then.

    Raises:
        OSError: it cannot be written; `path` is as it was.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):  # the error that brought us here says more
            part.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync(path: Path) -> None:
    """Bring what was written to a file to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can do that."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if there is no such file, or no whole object in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def why_not_written(error: BaseException) -> str | None:
    """Return in words why a file could not be written, if that is what an error of any library comes from."""
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
