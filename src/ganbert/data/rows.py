"""One table as checked rows: text, perhaps a second text, perhaps a label, on disk and mapped into memory."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ganbert.data.table_readers import ReadLog
from ganbert.data.tables import read_chunks
from ganbert.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

LabelUse = Literal["optional", "required", "ignored"]


@dataclass(frozen=True)
class TableOptions:
    """How tables are read.

    Attributes:
        text_column: the column of texts.
        text_pair_column: the column of second texts; None takes a column `text_pair` where there is one.
        label_column: the column of labels; an empty or null cell is an unlabelled row.
        encoding: of text files.
        skip_empty: drop and count rows without text, instead of refusing them.
        allow_unseen: accept validation and test rows whose label no training row has, as errors of the model.
        delimiter: of CSV files; None is a comma, or what the header shows.
        none_labels: labels that mean "no label".
        normalize_labels: merge labels that differ only in case, outer or invisible space, or Unicode form.
    """

    text_column: str = "text"
    text_pair_column: str | None = None
    label_column: str = "label"
    encoding: str = "utf-8"
    skip_empty: bool = False
    allow_unseen: bool = False
    delimiter: str | None = None
    none_labels: tuple[str, ...] = ()
    normalize_labels: bool = False


@dataclass(frozen=True)
class Rows:
    """The rows of one table.

    Attributes:
        path: the table.
        dataset: columns `text`, `text_pair` if there are pairs, `label` (text, null where unlabelled), `row` (1-based).
        n_skipped: rows dropped because they held no text.
        log: what reading it left out or decided.
    """

    path: Path
    dataset: Dataset
    n_skipped: int
    log: ReadLog

    @property
    def has_pairs(self) -> bool:
        """Whether a row is a pair of texts."""
        return "text_pair" in self.dataset.column_names


def read_rows(path: Path, options: TableOptions, label_use: LabelUse, workspace: Path) -> Rows:
    """Read and check a table, a chunk at a time, into an Arrow file under `workspace`.

    Args:
        path: the table.
        options: its columns and how to treat odd rows.
        label_use: "optional" (training: unlabelled rows are meant), "required" (each row needs one) or "ignored".
        workspace: folder for the Arrow file; it must outlive the rows.

    Raises:
        InputError: the table cannot be read, or a cell is not what it should be; names file, row and column.
    """
    from datasets import Dataset  # here, because predicting reads tables without it

    target = workspace / f"{uuid.uuid4().hex}.arrow"
    n_skipped, log = 0, ReadLog()
    chunks = _checked_chunks(path, options, label_use, log)
    first = next(chunks)
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, first.schema) as writer:
        for chunk in itertools.chain([first], chunks):
            if chunk.schema != first.schema:
                row = chunk["row"][0].as_py()
                raise InputError("the text pair column comes or goes here", path=path, row=row)
            kept = chunk.filter(pc.not_equal(chunk["text"], ""))
            n_skipped += len(chunk) - len(kept)
            writer.write_table(kept)
    return Rows(path, Dataset.from_file(str(target)), n_skipped, log)


def _checked_chunks(path: Path, options: TableOptions, label_use: LabelUse, log: ReadLog) -> Iterator[pa.Table]:
    """Yield the checked columns of each chunk; a row to be skipped has the empty string as its text."""
    first_row, label_column_seen = 1, False
    for chunk in read_chunks(path, encoding=options.encoding, delimiter=options.delimiter, log=log):
        columns = text_columns(chunk, options, path, first_row)
        if options.label_column in chunk.column_names and label_use != "ignored":
            if label_use == "required" and not label_column_seen and first_row > 1:  # JSON Lines without it so far
                raise InputError("no label: every row here needs one", path=path, row=1, column=options.label_column)
            label_column_seen = True
            columns["label"] = label_texts(chunk[options.label_column], path, first_row, options.label_column)
        else:
            columns["label"] = pa.nulls(len(chunk), pa.string())
        if label_use == "required" and label_column_seen:
            _refuse(
                columns["label"].is_null(), "no label: every row here needs one", path, first_row, options.label_column
            )
        columns["row"] = pa.array(range(first_row, first_row + len(chunk)), pa.int64())
        yield pa.table(columns)
        first_row += len(chunk)
    if not label_column_seen and label_use != "ignored":
        raise InputError(
            "no such column (--label-column names it; a file without labels is given with --unlabeled)",
            path=path,
            column=options.label_column,
        )


def text_columns(chunk: pa.Table, options: TableOptions, path: Path, first_row: int) -> dict[str, pa.ChunkedArray]:
    """Return the column `text`, and `text_pair` if there is one; rows to be skipped have the empty string in `text`.

    Raises:
        InputError: a column is missing or holds no text, or a text is empty and `skip_empty` is not set.
    """
    columns = {"text": _texts(chunk, options.text_column, path, first_row, options.skip_empty)}
    pair_column = options.text_pair_column or ("text_pair" if "text_pair" in chunk.column_names else None)
    if pair_column is not None:
        columns["text_pair"] = _texts(chunk, pair_column, path, first_row, options.skip_empty)
        columns["text"] = pc.if_else(pc.equal(columns["text_pair"], ""), "", columns["text"])
    return columns


def _texts(chunk: pa.Table, column: str, path: Path, first_row: int, skip_empty: bool) -> pa.ChunkedArray:
    if column not in chunk.column_names:
        found = ", ".join(map(repr, chunk.column_names)) or "none"
        raise InputError(f"no such column; the columns here are {found}", path=path, column=column)
    cells = chunk[column]
    if pa.types.is_nested(cells.type) or pa.types.is_binary(cells.type) or pa.types.is_large_binary(cells.type):
        raise InputError(f"holds {cells.type}, not text", path=path, row=first_row, column=column)
    texts = pc.fill_null(cells.cast(pa.string()), "")
    empty = pc.equal(pc.utf8_trim_whitespace(texts), "")
    if not skip_empty:
        _refuse(empty, "empty text (--skip-empty drops and counts such rows)", path, first_row, column)
    return pc.if_else(empty, "", texts)


def label_texts(cells: pa.ChunkedArray, path: Path, first_row: int, column: str) -> pa.ChunkedArray:
    """Return labels as text, null where a cell is empty: 3 and 3.0 are both "3", and NaN is no label."""
    if pa.types.is_nested(cells.type):
        raise InputError(f"a label is one word or number, not {cells.type}", path=path, row=first_row, column=column)
    if pa.types.is_floating(cells.type):  # whole numbers that became floats because some rows have none
        cells = pc.if_else(pc.is_nan(cells), None, cells)
        whole = pc.and_(pc.equal(cells, pc.floor(cells)), pc.less(pc.abs(cells), 2.0**53))
        cells = cells.cast(pa.int64()) if pc.all(whole).as_py() is not False else cells
    texts = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _refuse(wrong: pa.ChunkedArray, message: str, path: Path, first_row: int, column: str) -> None:
    """Raise for the first row in which `wrong` is true."""
    index = pc.index(wrong, True).as_py()
    if index >= 0:
        raise InputError(message, path=path, row=first_row + index, column=column)
