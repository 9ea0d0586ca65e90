"""CSV and TSV out, such that they read back equal or are not written."""

from __future__ import annotations

import re
from typing import IO, Any

import pyarrow as pa

from ganbert.data.table_text import Dialect, EncodedFile, to_json
from ganbert.data.table_writers import with_columns
from ganbert.errors import RunError


class CsvWriter:
    """CSV, with the columns of the first chunk; a cell is put in quotes where it needs them."""

    delimiter = ","

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        self.delimiter = dialect.delimiter or self.delimiter
        self._file, self._names, self._n_rows = EncodedFile(file, dialect), list[str](), 0
        # `csv.writer` leaves a cell of blanks bare, to be skipped as a blank line, and in Python 3.11 a lone \r too
        self._needs_quotes = re.compile(rf'["\r\n\ufeff{re.escape(self.delimiter)}]|^[ \t]+$').search

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        lines = []
        if not self._names:
            self._names = chunk.column_names
            lines = [self.header(self._names)]
        rows = zip(*(column.to_pylist() for column in with_columns(chunk, self._names).columns), strict=True)
        for row in rows:
            self._n_rows += 1
            lines.append(self.line([_as_text(cell) for cell in row]))
        self._file.write("".join(f"{line}\n" for line in lines))

    def header(self, names: list[str]) -> str:
        """Return the first line; a name that a reader could take for a sign of another delimiter is put in quotes."""
        misleading = re.compile(r"[,;|\t]|^sep=", re.IGNORECASE).search
        return self.delimiter.join(_quoted(name) if misleading(name) else self.line([name]) for name in names)

    def line(self, cells: list[str]) -> str:
        """Return a row as a line, without its end."""
        return self.delimiter.join(_quoted(cell) if self._needs_quotes(cell) else cell for cell in cells) or '""'

    def close(self) -> None:
        """Write nothing: the format has no end mark."""


class TsvWriter(CsvWriter):
    """TSV, which has no quoting: a cell that it cannot hold is refused."""

    delimiter = "\t"

    def header(self, names: list[str]) -> str:
        """Return the first line."""
        return self.line(names)

    def line(self, cells: list[str]) -> str:
        """Return a row as a line, without its end."""
        line = "\t".join(cells)
        if line.count("\t") >= len(cells) or "\n" in line or "\r" in line:
            column = next(i for i, cell in enumerate(cells) if re.search(r"[\t\r\n]", cell))
            raise self._refusal(column, "a cell of TSV holds no tab and no line break")
        if not line.strip(" "):
            raise self._refusal(0, "a line of TSV with nothing in it is no row")
        return line

    def _refusal(self, column: int, message: str) -> RunError:
        place = f"row {self._n_rows}, column {self._names[column]!r}" if self._n_rows else "the names of the columns"
        return RunError(f"{place}: {message} (a .csv or .jsonl file can take it)")


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or value != value:  # null, or a float that is not a number
        return ""
    return to_json(value) if isinstance(value, list | dict) else str(value)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'
