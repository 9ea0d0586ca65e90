"""The folder of a comparison: what is written there, and what may not be replaced."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from ganbert.errors import InputError

RESULTS, COMMANDS = "results.jsonl", "commands.txt"
FILES = (RESULTS, COMMANDS, "curve.png", "curve.svg", "report.html", "summary.md")
"""All that a comparison leaves."""


def make_folder(folder: Path, inputs: Iterable[Path]) -> None:
    """Make the folder where it is not there, and refuse one that cannot be used; writes nothing else.

    Args:
        folder: of the results.
        inputs: tables that are read.

    Raises:
        InputError: it cannot be written to, one of its files would replace a table, or files of these names are there
            that are not of a comparison.
    """
    for table in inputs:
        for name in FILES:
            if table.exists() and (folder / name).exists() and table.samefile(folder / name):
                raise InputError("is a table to read and would be replaced: name another --output folder", path=table)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = [name for name in FILES if (folder / name).exists() and not (folder / name).is_file()]
        foreign = [name for name in FILES if (folder / name).exists() and not (folder / RESULTS).exists()]
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise InputError("is a file; --output names a folder", path=folder) from error
    except OSError as error:
        raise InputError(
            f"cannot be written to ({error.strerror}): name another --output folder", path=folder
        ) from error
    if strange:
        raise InputError("is no file: name another --output folder", path=folder / strange[0])
    if foreign:
        raise InputError(
            f"is not of a comparison, as there is no {RESULTS} beside it: name another --output folder",
            path=folder / foreign[0],
        )
