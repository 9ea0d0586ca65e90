"""Writers: chunks of rows to the bytes of one table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ganbert.data.table_text import one_line, to_json
from ganbert.errors import RunError


class Writer(Protocol):
    """What `TableWriter` needs of a format."""

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""

    def close(self) -> None:
        """Write what a file of this format ends with."""


class DelimitedWriter:
    """CSV or TSV, with the columns of the first chunk."""

    def __init__(self, file: IO[bytes], delimiter: str) -> None:
        self._file, self._delimiter = file, delimiter
        self._names: list[str] | None = None
        # `csv.writer` leaves a cell of blanks bare, to be skipped as a blank line, and in Python 3.11 a lone \r too
        self._needs_quotes = re.compile(rf'["\r\n\ufeff{delimiter}]|^[ \t]+$').search

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        rows: list[Iterable[Any]] = []
        if self._names is None:
            self._names = chunk.column_names
            rows = [self._names]
        rows += zip(*(column.to_pylist() for column in _with_columns(chunk, self._names).columns), strict=True)
        lines = ((self._delimiter.join(map(self._cell, row)) or '""') + "\n" for row in rows)
        self._file.write("".join(lines).encode())

    def _cell(self, value: Any) -> str:
        if value is None or value != value:  # null, or a float that is not a number
            return ""
        text = to_json(value) if isinstance(value, list | dict) else str(value)
        return '"' + text.replace('"', '""') + '"' if self._needs_quotes(text) else text

    def close(self) -> None:
        """Write nothing: the format has no end mark."""


class JsonLinesWriter:
    """JSON Lines, which take any chunk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        self._file.write("".join(to_json(row) + "\n" for row in chunk.to_pylist()).encode())

    def close(self) -> None:
        """Write nothing: the format has no end mark."""


class ParquetWriter:
    """Parquet, with the columns and types of the first chunk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: Any = None

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        if self._writer is None:  # a column without any value yet is most likely one of strings
            fields = [
                (field.name, pa.string() if pa.types.is_null(field.type) else field.type) for field in chunk.schema
            ]
            self._writer = pq.ParquetWriter(self._file, pa.schema(fields))
        schema = self._writer.schema
        columns = _with_columns(chunk, schema.names).columns
        self._writer.write_table(pa.table(list(map(_cast, columns, schema)), schema=schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        return column if column.type == field.type else column.cast(field.type)
    except pa.ArrowException as error:
        raise RunError(
            f"column {field.name!r} began as {field.type} and cannot go on as {column.type}: {one_line(error)}; "
            "a .jsonl file could hold both"
        ) from error


def _with_columns(chunk: pa.Table, names: list[str]) -> pa.Table:
    """The chunk with exactly these columns, null where it lacks one."""
    if new := [name for name in chunk.column_names if name not in names]:
        raise RunError(f"column {new[0]!r} turns up after the first chunk, and only a .jsonl file can take it then")
    nulls = pa.nulls(len(chunk))
    return pa.table([chunk[name] if name in chunk.column_names else nulls for name in names], names=names)
