"""What every reader of tables is given: where the table is, how to read it, and a log to fill."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from ganbert.data.table_text import STANDARD, Dialect, is_gzip
from ganbert.errors import InputError

COLUMNS = 2**12  # more are refused: no table of texts has them
_NESTED = b"ganbert.nested_rows"  # in the metadata of a field


@dataclass
class ReadLog:
    """What reading a table left out or decided by itself; complete when the table has been read to its end.

    Attributes:
        notes: sentences for a person, such as the delimiter that was found.
        n_blank: blank lines that were passed over; an empty one at the end of the file is none.
        dialect: how a text file is laid out; known when its first chunk is.
    """

    notes: list[str] = field(default_factory=list)
    n_blank: int = 0
    dialect: Dialect = field(default_factory=Dialect)


@dataclass(frozen=True)
class Source:
    """What a reader is given: where the table is, how to read it, and where to note what it did."""

    path: Path
    encoding: str
    chunk_rows: int
    delimiter: str | None
    log: ReadLog

    def error(self, message: str, *, row: int | None = None, column: str | None = None) -> InputError:
        """Return the error for a place in this table."""
        path = "standard input" if self.path == STANDARD else self.path
        return InputError(message, path=path, row=row, column=column)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the table, unpacked: a file whose name ends in .gz, or standard input that begins as gzip does."""
        if self.path == STANDARD:
            if sys.stdin is None:
                raise self.error("is closed")
            file = sys.stdin.buffer
            peek = getattr(file, "peek", lambda n: b"")
            yield _unpacked(file) if peek(2)[:2] == b"\x1f\x8b" else file
        else:
            with self.path.open("rb") as file:
                yield _unpacked(file) if is_gzip(self.path) else file

    def note_delimiter(self, delimiter: str) -> None:
        """Keep the delimiter for what is made of this table."""
        self.log.dialect = replace(self.log.dialect, delimiter=delimiter)

    def check_width(self, n_columns: int) -> None:
        """Refuse more columns than a table of texts has."""
        if n_columns > COLUMNS:
            raise self.error(f"{n_columns:,} columns; more than {COLUMNS:,} are not read")


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file))


def mark_nested(name: str, kind: pa.DataType, rows: list[int]) -> pa.Field:
    """Return the field of a column; `rows` of it hold the JSON of a list or an object among strings."""
    return pa.field(name, kind, metadata={_NESTED: json.dumps(rows)} if rows else None)


def nested_rows(field: pa.Field) -> list[int]:
    """Return which rows of a chunk hold, in this column of strings, the JSON of a list or an object."""
    return list(json.loads((field.metadata or {}).get(_NESTED, "[]")))
