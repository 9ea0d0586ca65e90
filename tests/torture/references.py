"""The same table by readers that are not ganbert's: pandas, the standard library, pyarrow, openpyxl."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import warnings
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.torture.table_files import TableFile

Table = tuple[list[str], list[list[Any]]]
"""The names of the columns, and the rows."""

DELIMITERS = ";\t|"
_QUOTES: Literal[0] = csv.QUOTE_MINIMAL
_NO_QUOTES: Literal[3] = csv.QUOTE_NONE
_BLANK = " \t\r\n"
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# After a blank line that ends in a lone \r, pandas takes the delimiter that begins the next line for nothing.
_PANDAS_LOSES_A_CELL = re.compile(r"(^|[\r\n])[ \t]*\r[,;|\t]")


class Unreadable(Exception):  # noqa: N818
    """The reference cannot read it either."""


def unpacked(file: TableFile) -> bytes:
    """Return the content without gzip."""
    if not file.name.endswith(".gz"):
        return file.content
    try:
        return gzip.decompress(file.content)
    except Exception as error:
        raise Unreadable from error


def decoded(file: TableFile) -> str:
    """Return the text, a byte order mark left out."""
    content = unpacked(file)
    encoding = file.encoding or _MARKS.get(content[:2], "utf-8")
    try:
        text = content.decode(encoding)
        return text if encoding == "utf-16" else text.removeprefix("\ufeff")  # that codec has taken one already
    except UnicodeError as error:
        raise Unreadable from error


def delimited(file: TableFile) -> list[Table]:
    """Return what the file may be read as: by pandas and by `csv`, under each delimiter that its header allows."""
    text = decoded(file)
    if ".tsv" in file.name:
        return _under(text, "\t", _NO_QUOTES)
    if file.delimiter is not None:
        return _under(text, file.delimiter, _QUOTES)
    if line := re.match(r"sep=(.)\r?\n", text):
        return _under(text[line.end() :], line[1], _QUOTES)
    header: list[str] = next(_records(text, ",", _QUOTES), [])
    # With one field by commas, another delimiter that stands in it may be meant.
    others = [mark for mark in DELIMITERS if len(header) == 1 and mark in header[0]]
    return [table for mark in [",", *others] for table in _under(text, mark, _QUOTES)]


def _under(text: str, delimiter: str, quoting: Literal[0, 3]) -> list[Table]:
    tables = []
    if not _PANDAS_LOSES_A_CELL.search(text):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # it cuts rows that are too long, and only warns
                frame = pd.read_csv(
                    io.StringIO(text, newline=""),
                    sep=delimiter,
                    quoting=quoting,
                    dtype=str,
                    keep_default_na=False,
                    index_col=False,
                )
            names = ["" if name == f"Unnamed: {i}" else str(name) for i, name in enumerate(frame.columns)]
            tables.append((names, frame.astype(object).to_numpy().tolist()))
        except (ValueError, pd.errors.ParserWarning):  # ParserError and EmptyDataError are ValueErrors
            pass
    if records := list(_records(text, delimiter, quoting)):
        tables.append((records[0], records[1:]))
    return tables


def _records(text: str, delimiter: str, quoting: Literal[0, 3]) -> Any:
    csv.field_size_limit(2**31 - 1)
    lines: list[str] = []

    def noted() -> Any:
        for line in io.StringIO(text, newline=""):
            lines.append(line)
            yield line

    try:
        for cells in csv.reader(noted(), delimiter=delimiter, quoting=quoting):
            if len(cells) > 1 or "".join(lines).strip(_BLANK):
                yield cells
            lines.clear()
    except csv.Error:
        return


def json_objects(file: TableFile) -> list[dict[str, Any]]:
    """Return the objects of JSON Lines, or of a JSON array."""
    text = decoded(file)
    try:
        if ".json" in file.name and ".jsonl" not in file.name:
            objects = json.loads(text)
        else:
            objects = [json.loads(line) for line in text.split("\n") if line.strip(_BLANK)]
    except (ValueError, RecursionError) as error:
        raise Unreadable from error
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        raise Unreadable
    return objects


def parquet(file: TableFile) -> pa.Table:
    """Return the whole table, read at once."""
    try:
        return pq.ParquetFile(io.BytesIO(unpacked(file))).read().replace_schema_metadata(None)
    except Exception as error:
        raise Unreadable from error


def excel(file: TableFile) -> Table:
    """Return the first sheet without blank rows, formulas as their last value."""
    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sheet = openpyxl.load_workbook(io.BytesIO(file.content), data_only=True).worksheets[0]
            rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    except Exception as error:
        raise Unreadable from error
    rows = [row for row in rows if any(cell is not None and str(cell).strip() for cell in row)]
    if not rows:
        raise Unreadable
    return ["" if name is None else str(name) for name in rows[0]], rows[1:]
