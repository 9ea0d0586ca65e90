"""The folder of a comparison: what is written there, and what may not be replaced."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from ganbert.errors import InputError

RESULTS, COMMANDS = "results.jsonl", "commands.txt"
FILES = (RESULTS, COMMANDS, "curve.png", "curve.svg", "report.html", "summary.md")
"""All that a comparison leaves."""


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
