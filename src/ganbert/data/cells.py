"""Checks of a chunk of rows: its columns as texts and labels, whatever types the format gave them.

Each function takes the table's path and the number of the chunk's first row, so that errors can name the row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ganbert.data.formats.base import nested_rows
from ganbert.errors import InputError
from ganbert.labels import label_text
from ganbert.wording import printable

if TYPE_CHECKING:
    from ganbert.data.rows import TableOptions


def text_columns(chunk: pa.Table, options: TableOptions, path: Path, first_row: int) -> dict[str, pa.ChunkedArray]:
    """Return the column `text`, and `text_pair` if there is one; rows to skip have an empty `text`.

    Raises:
        InputError: a column is missing or holds no text, or a text is empty and `skip_empty` is not set.
    """
    columns = {"text": texts_of_column(chunk, options.text_column, path, first_row, options.skip_empty)}
    pair_column = options.text_pair_column or ("text_pair" if "text_pair" in chunk.column_names else None)
    if pair_column is not None:
        columns["text_pair"] = texts_of_column(chunk, pair_column, path, first_row, options.skip_empty)
        columns["text"] = pc.if_else(pc.equal(columns["text_pair"], ""), "", columns["text"])
    return columns


def texts_of_column(chunk: pa.Table, column: str, path: Path, first_row: int, skip_empty: bool) -> pa.ChunkedArray:
    """Return one column as texts, "" where a cell is empty or blank.

    Raises:
        InputError: it is missing or holds no text, or a text is empty and `skip_empty` is not set.
    """
    require_column(chunk, column, path)
    cells = plain_cells(chunk, column, "holds {}, not text", path, first_row)
    types = pa.types
    is_bytes = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    try:
        if any(is_kind(cells.type) for is_kind in is_bytes):
            raise pa.ArrowTypeError
        texts = pc.fill_null(cells.cast(pa.string()), "")
    except pa.ArrowException:
        raise InputError(f"holds {cells.type}, not text", path=path, row=first_row, column=column) from None
    empty = pc.equal(pc.utf8_trim_whitespace(texts), "")
    if not skip_empty:
        refuse_rows(empty, "empty text (--skip-empty drops and counts such rows)", path, first_row, column)
    return pc.if_else(empty, "", texts)


def require_column(chunk: pa.Table, column: str, path: Path) -> None:
    """Raise `InputError` where a table has no such column, naming those it has."""
    if column not in chunk.column_names:
        found = ", ".join(map(repr, chunk.column_names)) or "none"
        raise InputError(f"no such column; the columns here are {found}", path=path, column=column)


def label_texts(
    cells: pa.ChunkedArray,
    path: Path,
    first_row: int,
    column: str,
    as_label: Callable[[object], str | None] = label_text,
) -> pa.Array:
    """Return labels as text, null where a cell has none: `as_label` of each value, called once for equal ones.

    Raises:
        InputError: a cell is no label.
    """
    try:
        codes = cells.combine_chunks().dictionary_encode()
        # numpy keeps single and half floats, whose shortest digits are those in the file
        is_float = pa.types.is_floating(codes.dictionary.type)
        values = codes.dictionary.to_numpy(zero_copy_only=False) if is_float else codes.dictionary.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        raise InputError(f"holds {cells.type}, not labels", path=path, row=first_row, column=column) from None
    texts: list[str | None] = []
    for position, value in enumerate(values):
        try:
            texts.append(as_label(value))
        except (TypeError, ValueError) as error:
            row = first_row + pc.index(codes.indices, position).as_py()
            raise InputError(str(error), path=path, row=row, column=column) from None
    return pa.array(texts, pa.string()).take(codes.indices)


def plain_cells(chunk: pa.Table, column: str, refusal: str, path: Path, first_row: int) -> pa.ChunkedArray:
    """Return a column without lists and objects: a list of one text, as some tools write labels, is that text.

    Raises:
        InputError: another list, or an object; `refusal` is the message, with {} for its type.
    """
    cells = chunk[column]
    if isinstance(cells.type, pa.BaseExtensionType):
        cells = pa.chunked_array([part.storage for part in cells.chunks], cells.type.storage_type)
    if pa.types.is_dictionary(cells.type):
        is_view = cells.type.value_type == pa.string_view()  # of polars; pyarrow takes no views by index
        parts = [part.dictionary.cast(pa.string()).take(part.indices) for part in cells.chunks if is_view]
        cells = pa.chunked_array(parts, pa.string()) if is_view else cells.cast(cells.type.value_type)
    is_nested = pa.types.is_nested(cells.type)
    rows = range(len(cells)) if is_nested else nested_rows(chunk.schema.field(column))
    if not rows:
        return cells
    values: list[Any] = cells.to_pylist()
    for row in rows:
        value = values[row] if is_nested else json.loads(values[row])
        if value is not None and not (isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)):
            raise InputError(refusal.format(_kind(value)), path=path, row=first_row + row, column=column)
        values[row] = value and value[0]
    return pa.chunked_array([pa.array(values, pa.string())])


def _kind(value: Any) -> str:
    """Return the type of a list or object in a few words."""
    try:
        kind = printable(pa.array([value]).type)
    except (pa.ArrowException, OverflowError):  # kinds mixed inside
        kind = "list<...>" if isinstance(value, list) else "struct<...>"
    kind = kind if len(kind) <= 40 else f"{kind[:36]}...>"
    return f"{kind} of length {len(value)}" if isinstance(value, list) else kind


def refuse_rows(wrong: pa.ChunkedArray, message: str, path: Path, first_row: int, column: str) -> None:
    """Raise for the first row in which `wrong` is true."""
    index = pc.index(wrong, True).as_py()
    if index >= 0:
        raise InputError(message, path=path, row=first_row + index, column=column)
