"""Tables as checked rows, in one pass: texts go to an Arrow file, labels become numbers, odd rows are refused by place.

What becomes of the labels, once all of them are known, is the business of `corpus`.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ganbert.data.formats import FORMATS, format_of
from ganbert.data.formats.base import ReadLog, nested_rows
from ganbert.data.tables import read_chunks
from ganbert.errors import InputError
from ganbert.labels import UNLABELLED, label_text, look_alike_key
from ganbert.wording import printable

if TYPE_CHECKING:
    from datasets import Dataset

LabelUse = Literal["optional", "required", "ignored"]
NO_LABEL = "no label: every row here needs one"


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
        normalize_labels: merge labels that look alike (`labels.look_alike_key`) into the most frequent spelling.
        format: of standard input, an ending without its dot.
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
    format: str = "csv"

    def chunks(self, path: Path, log: ReadLog, content: Any = None) -> Iterator[pa.Table]:
        """Yield the table at `path`, or its content if that is in memory, read as these options say."""
        return read_chunks(
            path, content=content, encoding=self.encoding, delimiter=self.delimiter, format=self.format, log=log
        )

    def label_reader(self) -> Callable[[object], str | None]:
        """Return what makes a label of a cell: `label_text`, and None for labels that mean "no label"."""
        same = look_alike_key if self.normalize_labels else str
        none = {same(name) for name in map(label_text, self.none_labels) if name is not None}

        def read(cell: object) -> str | None:
            text = label_text(cell)
            return None if text is None or (none and same(text) in none) else text

        return read


@dataclass(frozen=True)
class TableUse:
    """A table of a run.

    Attributes:
        path: where it is; of a table in memory, what messages call it.
        labels: "optional" (training: unlabelled rows are meant), "required" (each row needs one) or "ignored".
        content: the table itself, if it is in memory.
    """

    path: Path
    labels: LabelUse
    content: Any = None

    @property
    def is_file(self) -> bool:
        """Whether it is a file or a folder, neither in memory nor standard input."""
        return self.content is None and str(self.path) != "-"


class Labels:
    """The labels of rows, each row's as a number: they count from 0 in the order in which labels first occur.

    Attributes:
        counts: rows of each label, in that order.
        first: the row, counted from 1, in which each label stands first.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.first: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._rows = [np.empty(0, dtype=np.int32)]  # 4 bytes a row; -1 is no label

    def add(self, labels: pa.Array, rows: NDArray[np.int64]) -> None:
        """Append labels, null for none, that stand in these rows of their table."""
        encoded = labels.dictionary_encode()
        local = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        numbers = np.full(len(encoded.dictionary) + 1, -1, dtype=np.int32)  # the last one is that of no label
        for i, at, n in zip(*np.unique(local, return_index=True, return_counts=True), strict=True):
            if i >= 0:
                label = encoded.dictionary[int(i)].as_py()
                numbers[i] = self._numbers.setdefault(label, len(self._numbers))
                self.counts[label] = self.counts.get(label, 0) + int(n)
                self.first.setdefault(label, int(rows[at]))
        self._rows.append(numbers[local])

    def replaced(self, values: Sequence[Any], none: Any, kind: pa.DataType) -> pa.Array:
        """Return [n] what `values` has for the label of each row, `none` for no label; as many values as `counts`."""
        numbers = np.concatenate(self._rows)
        return pa.array([*values, none], kind).take(pa.array(np.where(numbers < 0, len(values), numbers)))


@dataclass(frozen=True)
class Rows:
    """The checked rows of one table, or of several one after another.

    Attributes:
        tables: which.
        texts: columns `text`, and `text_pair` if there are pairs, mapped from an Arrow file.
        labels: of the rows.
        n_skipped: rows dropped because they held no text.
        n_blank: blank lines of text files that were passed over.
        notes: what a person should know of how the tables were read.
    """

    tables: tuple[TableUse, ...]
    texts: Dataset
    labels: Labels
    n_skipped: int
    n_blank: int
    notes: tuple[str, ...]

    @property
    def has_pairs(self) -> bool:
        """Whether a row is a pair of texts."""
        return "text_pair" in self.texts.column_names

    def with_labels(self, ids: Sequence[int] | None = None) -> Dataset:
        """Return the rows with a column `label`: its text, null for none; or what `ids` has for each, -100 for none."""
        if ids is None:
            labels = self.labels.replaced(list(self.labels.counts), None, pa.string())
        else:
            labels = self.labels.replaced(ids, UNLABELLED, pa.int64())
        return self.texts.add_column("label", labels)


def read_rows(tables: Sequence[TableUse], options: TableOptions, target: Path, like: Rows | None = None) -> Rows:
    """Read and check tables, a chunk at a time.

    Args:
        tables: where they are, and what their labels are for.
        options: their columns and how to treat odd rows.
        target: the Arrow file to make; it must outlive the rows.
        like: rows of the same run: these tables must hold pairs if those are pairs.

    Raises:
        InputError: a table cannot be read, or a cell is not what it should be; names table, row and column.
    """
    from datasets import Dataset  # here, because predicting reads tables without it

    labels, n_skipped, n_blank, notes = Labels(), 0, 0, list[str]()
    pairs = [] if like is None else [(like.tables[0].path, like.has_pairs)]
    with ExitStack() as stack:
        sink, writer = stack.enter_context(pa.OSFile(str(target), "wb")), None
        for table in tables:
            log, row, names = ReadLog(), 1, list[str]()
            for columns in _checked_chunks(table, options, log):
                cells = columns.pop("label")
                if names and names != list(columns):
                    raise InputError("the text pair column comes or goes here", path=table.path, row=row)
                if not names:
                    names = list(columns)
                    pairs.append((table.path, "text_pair" in names))
                    require_same_columns(pairs)
                keep = pc.not_equal(columns["text"], "").combine_chunks()
                kept = pa.table(columns).filter(keep)
                if writer is None:
                    writer = stack.enter_context(pa.ipc.new_stream(sink, kept.schema))
                writer.write_table(kept)
                labels.add(cells.filter(keep), row + np.flatnonzero(keep))
                n_skipped += len(keep) - len(kept)
                row += len(keep)
            n_blank += log.n_blank
            notes += [f"{table.path}: {note}" for note in log.notes]
    return Rows(tuple(tables), Dataset.from_file(str(target)), labels, n_skipped, n_blank, tuple(notes))


def check_tables(
    files: Sequence[Path],
    options: TableOptions,
    labelled: Sequence[Path] = (),
    unlabelled: Sequence[Path] = (),
    validation: Path | None = None,
    test: Path | None = None,
) -> None:
    """Look at the beginning of each table of a run, so that what is wrong there is told before anything slow begins.

    Takes the arguments of `read_corpus`, and no library that computes. Pipes are left alone: they can be read once.

    Raises:
        InputError: what `read_corpus` would raise for a missing file or column, an unknown format, a damaged beginning.
    """
    held_out = [path for path in (validation, test) if path is not None]
    uses: tuple[tuple[Sequence[Path], LabelUse], ...] = (
        (files, "optional"),
        (labelled, "required"),
        (unlabelled, "ignored"),
        (held_out, "required"),
    )
    pairs: list[tuple[Path, bool]] = []
    for table in (TableUse(path, labels) for paths, labels in uses for path in paths):
        path = table.path
        is_pipe = os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))  # of impossible names too
        if is_pipe or str(path) == "-":
            continue
        with closing(_checked_chunks(table, options, ReadLog())) as chunks:
            begin = list(itertools.islice(chunks, 2))  # the end of a small table is seen
        pairs.append((path, "text_pair" in begin[0]))
        require_same_columns(pairs)


def require_same_columns(pairs: Sequence[tuple[Path, bool]]) -> None:
    """Refuse tables of which some hold pairs of texts and some do not."""
    for path, has_pairs in pairs[1:]:
        if has_pairs != pairs[0][1]:
            has, lacks = (path, pairs[0][0]) if has_pairs else (pairs[0][0], path)
            raise InputError(f"no text pair column, though {has} has one", path=lacks)


def _checked_chunks(
    table: TableUse, options: TableOptions, log: ReadLog
) -> Generator[dict[str, pa.ChunkedArray], None, None]:
    """Yield the checked columns of each chunk; a row to be skipped has the empty string as its text."""
    path, first_row, label, as_label = table.path, 1, options.label_column, options.label_reader()
    is_needed, is_seen = table.labels == "required", table.labels == "ignored"
    for chunk in options.chunks(path, log, table.content):
        columns = text_columns(chunk, options, path, first_row)
        columns["label"] = pa.nulls(len(chunk), pa.string())
        if label in chunk.column_names and table.labels != "ignored":
            if is_needed and not is_seen and first_row > 1:  # JSON Lines without it so far
                raise InputError(NO_LABEL, path=path, row=1, column=label)
            is_seen = True
            cells = _plain_cells(chunk, label, "a label is one word or number, not {}", path, first_row)
            columns["label"] = label_texts(cells, path, first_row, label, as_label)
        elif not is_seen and not (table.content is None and _may_get_columns(path, options.format)):
            break
        if is_needed and is_seen:
            _refuse(columns["label"].is_null(), NO_LABEL, path, first_row, label)
        yield columns
        first_row += len(chunk)
    if not is_seen:
        raise InputError(
            "no such column (--label-column names it; a file without labels is given with --unlabeled)",
            path=path,
            column=label,
        )


def _may_get_columns(path: Path, format: str) -> bool:
    """Whether a later chunk can have columns that the first one lacks: JSON objects have the keys they have."""
    return not path.is_dir() and FORMATS[format_of(path, format)].late_columns


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
    cells = _plain_cells(chunk, column, "holds {}, not text", path, first_row)
    texts = _as_text(cells)
    if texts is None:
        raise InputError(f"holds {cells.type}, not text", path=path, row=first_row, column=column)
    empty = pc.equal(pc.utf8_trim_whitespace(texts), "")
    if not skip_empty:
        _refuse(empty, "empty text (--skip-empty drops and counts such rows)", path, first_row, column)
    return pc.if_else(empty, "", texts)


def _as_text(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return cells as text, "" where there is none; None for bytes and other types that are none."""
    is_bytes = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    if any(is_kind(cells.type) for is_kind in is_bytes):
        return None
    with suppress(pa.ArrowException):
        return pc.fill_null(cells.cast(pa.string()), "")
    return None


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


def _plain_cells(chunk: pa.Table, column: str, refusal: str, path: Path, first_row: int) -> pa.ChunkedArray:
    """Return a column without lists and objects: a list of one text, as some tools write labels, is that text.

    Raises:
        InputError: another list, or an object; `refusal` is the message, with {} for its type.
    """
    cells = chunk[column]
    if isinstance(cells.type, pa.BaseExtensionType):
        cells = pa.chunked_array([part.storage for part in cells.chunks], cells.type.storage_type)
    if pa.types.is_dictionary(cells.type):
        kind = cells.type.value_type
        cells = cells.cast(pa.string() if kind == pa.string_view() else kind)  # there is no cast to views
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


def _refuse(wrong: pa.ChunkedArray, message: str, path: Path, first_row: int, column: str) -> None:
    """Raise for the first row in which `wrong` is true."""
    index = pc.index(wrong, True).as_py()
    if index >= 0:
        raise InputError(message, path=path, row=first_row + index, column=column)
