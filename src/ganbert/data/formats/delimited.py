"""CSV, whose cells may be in double quotes, and TSV, in which a double quote is an ordinary character."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ganbert.data.formats import Dialect
from ganbert.data.formats.base import CellTable, EncodedFile, Source, to_json, with_columns
from ganbert.data.formats.lines import (
    BLANK,
    CELL_BYTES,
    CELL_CHARACTERS,
    CHUNK_CHARACTERS,
    LINE_CHARACTERS,
    EndlessRecordError,
    Lines,
)
from ganbert.data.formats.open_quotes import swallowed
from ganbert.errors import InputError, RunError

_RECORD_LINES = 2**16  # the longest posts have some thousand
_NAMED_DELIMITER = re.compile(r"sep=([^\"\r\n])[ \t]*(?:\r\n|\r|\n|\Z)", re.IGNORECASE)  # Excel's


def read_csv(source: Source, lines: Lines | None = None) -> Iterator[pa.Table]:
    """Yield a CSV file in chunks, every cell a string.

    The parser is the standard library's in strict mode. Those of pyarrow and pandas do not report text behind a closing
    quote, a quote that is never closed, or the rows it swallows. pyarrow also drops the second of two columns of one
    name and refuses cells longer than its block; pandas fills short rows with empty cells.

    Args:
        source: the table.
        lines: of the source, if some have been looked at already.
    """
    lines = lines or Lines(source, universal=True)
    csv.field_size_limit(max(csv.field_size_limit(), CELL_CHARACTERS))  # the default is too little for a long text
    delimiter = _delimiter(source, lines)
    lines.blank = BLANK.replace(delimiter, "")
    reader = csv.reader(chain.from_iterable(lines.lists(_RECORD_LINES)), delimiter=delimiter, strict=True)
    source.note_delimiter(delimiter)
    yield from _Records(source, lines, reader, delimiter).chunks()


def read_unicode_text(source: Source) -> Iterator[pa.Table]:
    """Yield a file of Excel's format "Unicode text" in chunks: CSV in UTF-16, mostly with tabs."""
    lines = Lines(source, universal=True)
    with suppress(InputError):
        lines.peek()
    if not source.log.dialect.encoding.startswith("utf-16"):
        raise source.error(
            "a .txt file is a table only where Excel wrote it as Unicode text (UTF-16 with a byte order mark): "
            "let the name end in .csv or .tsv"
        )
    yield from read_csv(source, lines)


def read_tsv(source: Source) -> Iterator[pa.Table]:
    """Yield a TSV file in chunks, every cell a string: what stands between two tabs, as it stands there."""
    if source.delimiter not in (None, "\t", "\\t", "tab"):
        raise source.error("--delimiter is for CSV: what ends in .tsv has tabs between its fields")
    lines = Lines(source, universal=True, blank=BLANK.replace("\t", ""))
    first_row, quoted = 1, ""
    for chunk in _Records(source, lines, _TabReader(source, lines), "\t").chunks():
        source.note_delimiter("\t")
        yield chunk
        quoted = quoted or _quoted_cell(chunk, first_row)
        first_row += len(chunk)
    if quoted:
        source.log.notes.append(
            f"cells in double quotes, the first in {quoted}, are read as they stand, since TSV has no quoting "
            "(if the quotes are meant as in CSV, let the name end in .csv)"
        )


class _CsvReader(Protocol):
    """`csv.reader`, or a class with the same interface."""

    @property
    def line_num(self) -> int:
        """Lines taken so far."""

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the cells of each record."""


class _TabReader:
    """As `csv.reader`, for text without quoting."""

    def __init__(self, source: Source, lines: Lines) -> None:
        self._source, self._lines, self.line_num = source, lines, 0

    def __iter__(self) -> Iterator[list[str]]:
        for self.line_num, line in enumerate(chain.from_iterable(self._lines.lists()), 1):  # noqa: B020
            cells = line.rstrip("\r\n").split("\t")
            if len(line) > CELL_CHARACTERS and max(map(len, cells)) > CELL_CHARACTERS:
                number = self.line_num + self._lines.n_passed
                raise self._source.error(f"a cell has more than {CELL_CHARACTERS:,} characters (line {number})")
            yield cells


class _Records:
    """Records, which are lists of cells, as chunks of a table: of one width, with the cells of `pandas.read_csv`."""

    def __init__(self, source: Source, lines: Lines, reader: _CsvReader, delimiter: str) -> None:
        self._source, self._lines, self._reader, self._delimiter = source, lines, reader, delimiter
        self._long: list[tuple[int, int, int]] = []  # row, line and number of lines of records with several, in a chunk

    def chunks(self) -> Iterator[pa.Table]:
        """Yield the rows in tables."""
        records, rows = self._records(), list[list[str]]()
        header = next(records, None)
        if header is None:
            raise self._source.error("the file is empty; its first line must name the columns")
        table, lines = CellTable(self._source, header), self._lines
        most_rows = min(self._source.chunk_rows, CHUNK_CHARACTERS // (CELL_BYTES * len(header)))
        most_characters = lines.n_characters + CHUNK_CHARACTERS
        for cells in records:
            rows.append(cells)
            if len(rows) == most_rows or lines.n_characters > most_characters:
                self._check_long(rows, table.n_rows + 1)
                yield table.chunk(rows)
                rows, most_characters = [], lines.n_characters + CHUNK_CHARACTERS
        if rows or not table.n_rows:
            self._check_long(rows, table.n_rows + 1)
            yield table.chunk(rows)
        table.close()

    def _records(self) -> Iterator[list[str]]:
        """Yield the header and then the rows."""
        lines, reader, row, width, end = self._lines, self._reader, 0, 0, 0  # row 0 is the header
        try:
            for cells in reader:
                begin, end = end + 1, reader.line_num
                lines.record_end = end
                if len(cells) < 2 and lines.last_is_blank():  # pandas too skips these, but not a blank cell in quotes
                    continue
                if len(cells) != width:
                    if width:
                        message = f"the header has {width} fields, this row {len(cells)}"
                        raise self._source.error(f"{message} (line {begin + lines.n_passed})", row=row)
                    width = len(cells)
                if end > begin and row:
                    self._long.append((row, begin + lines.n_passed, end - begin + 1))
                yield cells
                row += 1
        except (csv.Error, EndlessRecordError) as error:
            message = _malformed(error, end + 1 + lines.n_passed, reader.line_num + lines.n_passed)
            raise self._source.error(message, row=row or None) from None

    def _check_long(self, rows: list[list[str]], first_row: int) -> None:
        """Refuse a record that has swallowed others."""
        long, self._long = self._long, []
        found = swallowed(rows, [(row - first_row, n_lines) for row, _, n_lines in long], self._delimiter)
        if found is not None:
            row, line, _ = long[found]
            raise self._source.error(
                "the lines of a quoted cell look like rows of this table: is a quote left open? "
                f"(line {line}; if it is one text, write the table as .jsonl)",
                row=row,
            )


def _malformed(error: Exception, line: int, last: int) -> str:
    """Say what is wrong with a record that begins in `line`; it was read until `last`."""
    if isinstance(error, EndlessRecordError):
        limit = f"{_RECORD_LINES:,} lines or {LINE_CHARACTERS:,} characters"
        return f"a row goes on for more than {limit}: is a quote left open? (line {line})"
    if "unexpected end" in str(error):
        return f"a quote is opened and never closed (line {line})"
    if "expected after" in str(error):
        begins = f"; the row begins in line {line}" if line != last else ""
        return (
            "text behind a closing quote: a cell that begins with a quote ends with one, and quotes within are doubled "
            f"(line {last}{begins})"
        )
    return f"{error}: is a quote left open? (line {line})"


def _delimiter(source: Source, lines: Lines) -> str:
    """Return what separates cells: as said, as a line `sep=;` says, or the usual, unless the header shows another.

    It does if it has one field between the usual ones and more between others, as many as the first row.
    """
    beginning = lines.peek()
    if named := _NAMED_DELIMITER.match(beginning):
        lines.drop(named[0])
    if source.delimiter is not None:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(source.delimiter, source.delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n\ufeff':
            raise source.error(f"--delimiter {source.delimiter!r}: give one character, which is no quote, or tab")
        return delimiter
    if named:
        return named[1]
    if len(next(iter(_first_records(beginning, source.usual)), ())) > 1:
        return source.usual
    heads = {other: [len(cells) for cells in _first_records(beginning, other)] for other in ",;\t|"}
    fitting = [other for other, widths in heads.items() if len(set(widths)) == 1 and widths[0] > 1]
    if not fitting:
        return source.usual
    found = max(fitting, key=lambda other: heads[other][0])
    source.log.notes.append(f"fields are separated by {found!r} (--delimiter names another)")
    return found


def _first_records(text: str, delimiter: str) -> list[list[str]]:
    """Return the header and the first row; nothing if they are not well-formed."""
    lines = text[: 2**20].splitlines(keepends=True)
    with suppress(csv.Error):
        records = csv.reader(lines, delimiter=delimiter, strict=True)
        rows = (cells for cells in records if any(map(str.strip, cells)))
        return [*islice(records, 1), *islice(rows, 1)]
    return []


def _quoted_cell(chunk: pa.Table, first_row: int) -> str:
    """Return where the first cell stands that begins and ends with a double quote."""
    for name in chunk.column_names:
        index = pc.index(pc.match_substring_regex(chunk[name], r'(?s)^".*"$'), True).as_py()
        if index >= 0:
            return f"row {first_row + index}, column {name!r}"
    return ""


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
