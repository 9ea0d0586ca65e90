"""Workbooks of Excel: the first sheet, whose first row names the columns; in by calamine, out by openpyxl."""

from __future__ import annotations

import functools
import io
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import IO, Any

import pyarrow as pa

from ganbert.data.formats import Dialect
from ganbert.data.formats.base import CellTable, Source, reason, to_json, with_columns
from ganbert.data.formats.lines import CELL_BYTES, CHUNK_CHARACTERS
from ganbert.errors import RunError

# What is read: the sheet is taken into memory whole, from its first cell in use to its last one.
_FILE_BYTES = 2**28
_UNPACKED_BYTES = 2**30
_SHEET_CELLS = 2**25
# What Excel takes
_MOST_CHARACTERS, _MOST_ROWS, _MOST_COLUMNS = 32_767, 2**20, 2**14

_SHEET = re.compile(r"xl/worksheets/[^/]*\.xml", re.IGNORECASE)
_PLACE = re.compile(rb"""<(?:\w+:)?(?:c|row)\s[^<]*?\br\s*=\s*["']([A-Z]{0,3})([0-9]{1,7})["']""")
_NO_PLACE = re.compile(rb"""<(?:\w+:)?(?:c|row)\s[^<]*?\br\s*=\s*["'](?![A-Z]{0,3}[0-9]{1,7}["'])""")
# What XML cannot hold or changes, and what would be taken for such an escape
_TO_ESCAPE = re.compile("[\x00-\x08\x0b-\x1f]|_(?=x[0-9A-Fa-f]{4}_)")
_BLANKS = re.compile("[\x00-\x20]")
_NO_CHARACTER = re.compile("[\ufffe\uffff]")


def read_excel(source: Source) -> Iterator[pa.Table]:
    """Yield the first sheet in chunks, every cell as text: 1.0 is "1", dates are ISO 8601, true is "true"."""
    rows = _rows(source)
    header = next(rows, None)
    if header is None:
        raise source.error("the first sheet is empty; its first row must name the columns")
    table, chunk, size = CellTable(source, header), list[list[str]](), 0
    for cells in rows:
        chunk.append(cells)
        size += sum(map(len, cells)) + CELL_BYTES * len(cells)
        if len(chunk) == source.chunk_rows or size > CHUNK_CHARACTERS:
            yield table.chunk(chunk)
            chunk, size = [], 0
    if chunk or not table.n_rows:
        yield table.chunk(chunk)
    table.close()


def _rows(source: Source) -> Iterator[list[str]]:
    """Yield the rows of the first sheet in which there is something; empty ones between them are counted."""
    import python_calamine  # here, because few tables are workbooks

    with source.open() as file:
        content = file.read(_FILE_BYTES + 1)
    _check_size(source, content)
    try:
        book = python_calamine.load_workbook(io.BytesIO(content))
        sheet = book.get_sheet_by_index(0)
    except (python_calamine.CalamineError, IndexError) as error:
        raise source.error(f"does not open as a workbook of Excel: {reason(error)}") from error
    if len(book.sheet_names) > 1:
        source.log.notes.append(f"of {len(book.sheet_names)} sheets the first is read, {sheet.name!r}")
    n_empty = 0
    for row in sheet.iter_rows():
        cells = [_as_text(cell) for cell in row]
        if any(cells):
            source.log.n_blank += n_empty
            n_empty = 0
            yield cells
        else:
            n_empty += 1


def _check_size(source: Source, content: bytes) -> None:
    """Refuse what would not fit into memory: one cell far down to the right is enough for that."""
    if len(content) > _FILE_BYTES:
        raise source.error(f"more than {_FILE_BYTES >> 20} MB; a table of this size is read as .csv or .parquet")
    if not content.startswith(b"PK"):  # the format before 2007, whose sheets are small
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > _UNPACKED_BYTES:
                raise source.error(f"more than {_UNPACKED_BYTES >> 20} MB when unpacked; write it as .csv or .parquet")
            sheets = [name for name in archive.namelist() if _SHEET.fullmatch(name)]
            extents = [_extent(archive.open(name)) for name in sheets]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise source.error(f"does not open as a workbook of Excel: {reason(error)}") from error
    if not sheets:
        raise source.error("does not open as a workbook of Excel: there is no sheet in it")
    for n_rows, n_columns in extents:
        if n_rows * n_columns > _SHEET_CELLS:
            raise source.error(
                f"a sheet reaches to row {n_rows:,} and column {n_columns:,}: delete stray cells, or write it as .csv"
            )


def _extent(sheet: IO[bytes]) -> tuple[int, int]:
    """Return the last row and the last column that occur in the XML of a sheet."""
    n_rows, columns, kept = 0, {b""}, b""
    with sheet:
        while block := sheet.read(2**20):
            block = kept + block
            if _NO_PLACE.search(block):
                raise zipfile.BadZipFile("a cell is in no place")
            for column, row in _PLACE.findall(block):
                columns.add(column)
                n_rows = max(n_rows, int(row))
            kept = block[-200:]  # a place may stand on the border
    number = functools.partial(functools.reduce, lambda total, letter: 26 * total + letter - 64)
    return n_rows, max(number(column, 0) for column in columns)


def _as_text(cell: Any) -> str:
    """Return a cell as text."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date | datetime | time) else str(cell)


class ExcelWriter:
    """A workbook of one sheet, with the columns of the first chunk; text is text, whatever it looks like."""

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        import openpyxl  # here, because few tables are workbooks

        self._file, self._names, self._n_rows = file, list[str](), 0
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("Sheet1")

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        if not self._names:
            self._names = chunk.column_names
            if len(self._names) > _MOST_COLUMNS:
                raise RunError(f"{len(self._names):,} columns, and a sheet of Excel has {_MOST_COLUMNS:,}")
            self._append(self._names)
        for row in zip(*(column.to_pylist() for column in with_columns(chunk, self._names).columns), strict=True):
            self._n_rows += 1
            if self._n_rows >= _MOST_ROWS:
                raise RunError(f"a sheet of Excel has {_MOST_ROWS:,} rows: write .csv or .parquet")
            self._append(row)

    def _append(self, row: Sequence[Any]) -> None:
        self._sheet.append([self._cell(value, column) for value, column in zip(row, self._names, strict=True)])

    def _cell(self, value: Any, column: str) -> Any:
        """Return a number or truth value as such, and the rest as a cell of text, never a formula or an error."""
        from openpyxl.cell import WriteOnlyCell

        if value is None or value != value:  # null, or a float that is not a number
            return None
        if isinstance(value, bool | float | int) and abs(value) < 1e15:  # Excel keeps 15 digits
            return value
        text = value if isinstance(value, str) else to_json(value) if isinstance(value, list | dict) else str(value)
        place = f"row {self._n_rows}, column {column!r}: "
        if len(text) > _MOST_CHARACTERS // 2 and len(text.encode("utf-16-le")) > 2 * _MOST_CHARACTERS:
            raise RunError(
                f"{place}a cell of Excel holds {_MOST_CHARACTERS:,} characters, this text has {len(text):,} "
                "(a .csv or .jsonl file can take it)"
            )
        if found := _NO_CHARACTER.search(text):
            raise RunError(f"{place}no cell of Excel holds the character {found[0]!r} (a .csv or .jsonl file can)")
        cell = WriteOnlyCell(self._sheet)
        to_escape = _TO_ESCAPE if text.strip() else _BLANKS  # readers may drop text of these
        cell._value = to_escape.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
        cell.data_type = "s"
        return cell

    def close(self) -> None:
        """Write the workbook."""
        with tempfile.TemporaryFile() as whole:  # a zip archive is not written from its beginning to its end
            self._book.save(whole)
            whole.seek(0)
            shutil.copyfileobj(whole, self._file)
