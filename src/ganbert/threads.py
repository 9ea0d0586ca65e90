"""How many threads a process may be told to use; known to all parts, imports nothing heavy."""

from __future__ import annotations

import os

from ganbert.errors import InputError

MOST_THREADS = max(64, 4 * (os.cpu_count() or 1))
"""More only wait for each other; thousands make the system refuse to start another."""


def check_threads(threads: int | None) -> None:
    """Raise `InputError` for a number of threads that cannot be meant; None is as many as are useful."""
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InputError(f"--threads {threads}: at least 1, and here at most {MOST_THREADS}")
