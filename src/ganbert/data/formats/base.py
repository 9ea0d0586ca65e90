"""What readers and writers of tables share: what a reader is given, rows of cells as tables, encoded text, JSON."""

from __future__ import annotations

import codecs
import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from ganbert.data.formats import STANDARD, Dialect
from ganbert.errors import InputError, RunError
from ganbert.storage.fields import one_line

MOST_COLUMNS = 2**12  # more are refused: no table of texts has them
_NESTED = b"ganbert.nested_rows"  # in the metadata of a field


@dataclass
class ReadLog:
    """What reading a table left out or decided by itself; complete when the table has been read to its end.

    Attributes:
        notes: sentences for a person, such as the delimiter that was found.
        n_blank: blank lines that were skipped, except one at the end of the file.
        dialect: how a text file is laid out; known when its first chunk is.
    """

    notes: list[str] = field(default_factory=list)
    n_blank: int = 0
    dialect: Dialect = field(default_factory=Dialect)


@dataclass(frozen=True)
class Source:
    """What a reader is given: where the table is, how to read it, and where to note what it did.

    `delimiter` is the one that the options name; `usual` is that of the format's dialect, for files that show no other.
    """

    path: Path
    encoding: str
    chunk_rows: int
    delimiter: str | None
    log: ReadLog
    usual: str = ","

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
        """Keep the delimiter for tables made from this one."""
        self.log.dialect = replace(self.log.dialect, delimiter=delimiter)

    def check_width(self, n_columns: int) -> None:
        """Refuse more columns than a table of texts has."""
        if n_columns > MOST_COLUMNS:
            raise self.error(f"{n_columns:,} columns; more than {MOST_COLUMNS:,} are not read")


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file))


def mark_nested(name: str, kind: pa.DataType, rows: list[int]) -> pa.Field:
    """Return the field of a column; `rows` of it hold the JSON of a list or an object among strings."""
    return pa.field(name, kind, metadata={_NESTED: json.dumps(rows)} if rows else None)


def nested_rows(field: pa.Field) -> list[int]:
    """Return which rows of a chunk hold, in this column of strings, the JSON of a list or an object."""
    return list(json.loads((field.metadata or {}).get(_NESTED, "[]")))


class CellTable:
    """Makes tables of rows, with the names of a header. Columns without a name after the last named one are left out.

    Spreadsheets leave such columns, mostly empty. Rows with text in them are counted and noted.
    """

    def __init__(self, source: Source, header: Sequence[str]) -> None:
        source.check_width(len(header))
        self._source, self._n_columns = source, len(header)
        n_named = max((i for i, name in enumerate(header, 1) if name.strip()), default=len(header))
        self._names = list(header[:n_named])
        self.n_rows = 0
        self._n_beyond, self._first_beyond = 0, 0

    def chunk(self, rows: Sequence[Sequence[str]]) -> pa.Table:
        """Return rows, each as wide as the header, as a table."""
        columns: list[Iterable[str]] = list(zip(*rows, strict=True)) or [()] * self._n_columns
        n_named = len(self._names)
        for row, cells in enumerate(zip(*columns[n_named:], strict=True), self.n_rows + 1):
            if any(map(str.strip, cells)):
                self._first_beyond = self._first_beyond or row
                self._n_beyond += 1
        self.n_rows += len(rows)
        return pa.table([pa.array(cells, pa.string()) for cells in columns[:n_named]], names=self._names)

    def close(self) -> None:
        """Add a note about what was left out."""
        if self._n_beyond:
            rows = "row has" if self._n_beyond == 1 else "rows have"
            self._source.log.notes.append(
                f"{self._n_beyond} {rows} text in columns without a name (the first is row {self._first_beyond}): "
                "it is left out; name these columns in the header to keep it"
            )


def with_columns(chunk: pa.Table, names: list[str]) -> pa.Table:
    """Return the chunk with exactly these columns, null where it lacks one.

    Raises:
        RunError: it has others.
    """
    if new := [name for name in chunk.column_names if name not in names]:
        raise RunError(f"column {new[0]!r} turns up after the first chunk, and only a .jsonl file can take it then")
    nulls = pa.nulls(len(chunk))
    return pa.table([chunk[name] if name in chunk.column_names else nulls for name in names], names=names)


class EncodedFile:
    """A binary file that takes text."""

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        self._file, self._encoder = file, codecs.getincrementalencoder(dialect.encoding)()
        self._encoding, self._bom, self._started = dialect.encoding, dialect.bom, False

    def write(self, text: str) -> None:
        """Append text."""
        if not self._started and (self._bom or text.startswith("\ufeff")):  # readers take the first one for a mark
            text = "\ufeff" + text
        self._started = True
        try:
            self._file.write(self._encoder.encode(text))
        except UnicodeEncodeError as error:
            character = text[error.start]
            raise RunError(f"{character!r} is not in {self._encoding}, the encoding of the input") from None


def to_json(value: Any) -> str:
    """Return `value` as JSON on one line; what JSON has no word for (NaN, dates) becomes null or text."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # JSON has no NaN and no Infinity
        return to_json(json.loads(json.dumps(value, default=str), parse_constant=lambda _: None))


def is_gzip(path: Path) -> bool:
    """Whether the ending says so."""
    return path.name.lower().endswith(".gz")


def reason(error: Exception) -> str:
    """Return what an error says, on one line and without the path that is named beside it."""
    return one_line((isinstance(error, OSError) and error.strerror) or error)
