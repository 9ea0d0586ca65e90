"""Tables as checked rows, in one pass: texts go to an Arrow file, and labels become numbers.

Errors name table, row and column. Class ids, which need the labels of all tables, are given in `corpus`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ganbert.data.cells import label_texts, plain_cells, refuse_rows, text_columns
from ganbert.data.formats import FORMATS, format_of
from ganbert.data.formats.base import ReadLog
from ganbert.data.tables import read_chunks
from ganbert.errors import InputError
from ganbert.labels import UNLABELLED, label_text, look_alike_key

if TYPE_CHECKING:
    from datasets import Dataset

LabelUse = Literal["optional", "required", "ignored", "where there are any"]
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
            return None if text is None or same(text) in none else text

        return read if none else label_text


@dataclass(frozen=True)
class TableUse:
    """A table of a run.

    Attributes:
        path: where it is, or what messages call it if it is in memory.
        labels: "optional" (rows without one are unlabelled rows), "required" (each row needs one), "ignored", or "where
            there are any" (the table may lack the column).
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
        numbers: the number of each row's label, -1 for none, in arrays one after another: 4 bytes a row.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.first: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self.numbers = [np.empty(0, dtype=np.int32)]

    def add(self, labels: pa.Array, rows: NDArray[np.int64]) -> None:
        """Append the labels of these rows of their table; null is no label."""
        encoded = labels.dictionary_encode()
        local = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        numbers = np.full(len(encoded.dictionary) + 1, -1, dtype=np.int32)  # the last one is that of no label
        for i, at, n in zip(*np.unique(local, return_index=True, return_counts=True), strict=True):
            if i >= 0:
                label = encoded.dictionary[int(i)].as_py()
                numbers[i] = self._numbers.setdefault(label, len(self._numbers))
                self.counts[label] = self.counts.get(label, 0) + int(n)
                self.first.setdefault(label, int(rows[at]))
        self.numbers.append(numbers[local])


@dataclass(frozen=True)
class Rows:
    """The checked rows of one table, or of several in order.

    Attributes:
        tables: which.
        texts: columns `text`, and `text_pair` if there are pairs, mapped from an Arrow file.
        labels: of the rows.
        skipped: positions of the rows dropped because they held no text, counted from 0 over all tables.
        n_blank: blank lines of text files that were passed over.
        notes: for a person, on how the tables were read.
    """

    tables: tuple[TableUse, ...]
    texts: Dataset
    labels: Labels
    skipped: NDArray[np.int64]
    n_blank: int
    notes: tuple[str, ...]

    @property
    def n_skipped(self) -> int:
        """How many rows were dropped because they held no text."""
        return len(self.skipped)

    @property
    def has_pairs(self) -> bool:
        """Whether a row is a pair of texts."""
        return "text_pair" in self.texts.column_names

    def with_labels(self, ids: Sequence[int] | None = None) -> Dataset:
        """Return the rows with a column `label`.

        Args:
            ids: of the labels, in the order of `labels.counts`, with -100 for no label; None gives text and null.
        """
        if ids is None:
            values = pa.array([None, *self.labels.counts], pa.string())
        else:
            values = pa.array([UNLABELLED, *ids], pa.int64())
        return self.texts.add_column("label", values.take(pa.array(1 + np.concatenate(self.labels.numbers))))


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

    labels, skipped, n_seen, n_blank, notes = Labels(), [np.empty(0, np.int64)], 0, 0, list[str]()
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
                skipped.append(n_seen + np.flatnonzero(~np.asarray(keep)))
                row, n_seen = row + len(keep), n_seen + len(keep)
            n_blank += log.n_blank
            notes += [f"{table.path}: {note}" for note in log.notes]
    return Rows(tuple(tables), Dataset.from_file(str(target)), labels, np.concatenate(skipped), n_blank, tuple(notes))


def check_tables(
    files: Sequence[Path],
    options: TableOptions,
    labelled: Sequence[Path] = (),
    unlabelled: Sequence[Path] = (),
    validation: Path | None = None,
    test: Path | None = None,
) -> None:
    """Check the beginning of each table of a run, so that mistakes are reported before anything slow begins.

    Takes the arguments of `read_corpus`, and imports no library that computes. Pipes can be read only once, so they are
    not checked.

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
    """Yield the checked columns of each chunk; a row to skip has an empty text."""
    path, first_row, label, as_label = table.path, 1, options.label_column, options.label_reader()
    is_needed, is_seen = table.labels == "required", table.labels in ("ignored", "where there are any")
    for chunk in options.chunks(path, log, table.content):
        columns = text_columns(chunk, options, path, first_row)
        columns["label"] = pa.nulls(len(chunk), pa.string())
        if label in chunk.column_names and table.labels != "ignored":
            if is_needed and not is_seen and first_row > 1:  # JSON Lines without it so far
                raise InputError(NO_LABEL, path=path, row=1, column=label)
            is_seen = True
            cells = plain_cells(chunk, label, "a label is one word or number, not {}", path, first_row)
            columns["label"] = label_texts(cells, path, first_row, label, as_label)
        elif not is_seen and not (table.content is None and _may_get_columns(path, options.format)):
            break
        if is_needed and is_seen:
            refuse_rows(columns["label"].is_null(), NO_LABEL, path, first_row, label)
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
