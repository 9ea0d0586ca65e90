"""Files kept for the next run, where `datasets` keeps its own: whole or absent, and never needed.

`HF_DATASETS_CACHE` says where; `datasets.disable_caching()` keeps none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import datasets

from ganbert.storage.disk import sync
from ganbert.storage.folders import scratch

T = TypeVar("T")


def kept_file(name: str, write: Callable[[Path], object], read: Callable[[Path], T | None]) -> T | None:
    """Return what an earlier run kept under a name, or write and keep it now.

    Args:
        name: of the file; it holds a hash of all that the content depends on.
        write: makes the file at a path, in a temporary folder.
        read: opens the file at a path; None if it is damaged.

    Returns:
        What `read` returns; None where nothing is kept, because caching is off or the disk does not allow it.
    """
    if not datasets.is_caching_enabled():
        return None
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "ganbert"
    kept = folder / name
    if kept.is_file() and (found := read(kept)) is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch(folder) as beside:
            write(beside / name)
            sync(beside / name)
            (beside / name).replace(kept)
    except OSError:  # read-only, full, ...: the next run has to do the work again
        return None
    return read(kept)
