"""All the data of one run: what to train on, what to choose by, what to test on, and the names of the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray

from ganbert.data.rows import LabelUse, Rows, TableOptions, read_rows
from ganbert.errors import InputError
from ganbert.labels import UNLABELLED


@dataclass(frozen=True)
class Corpus:
    """The data of one run, mapped into memory.

    Attributes:
        train: columns `text`, perhaps `text_pair`, and `label`: a class id, or -100 for an unlabelled row; perhaps
            `weight`, of the labelled rows in the cross-entropy, with mean 1.
        label_names: the k class names, in the order of their ids.
        validation, test: like `train`; label -1 where no training row has that label.
        n_skipped: rows dropped for want of text.
        n_blank: blank lines of text files that were passed over.
        notes: what a person should know of how the tables were read.
        files: the tables, all of them.
        columns: names of the columns in the tables: `text`, `text_pair` where there is one, `label`.
        class_values: what a program calls the classes, if not by their names; kept in the model's configuration.
    """

    train: Dataset
    label_names: tuple[str, ...]
    validation: Dataset | None = None
    test: Dataset | None = None
    n_skipped: int = 0
    n_blank: int = 0
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    class_values: Mapping[str, Any] | None = None

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """[n] label of each training row."""
        return np.asarray(self.train.with_format("numpy")["label"][:], dtype=np.int64)

    @property
    def labelled(self) -> NDArray[np.int64]:
        """Positions of the labelled training rows."""
        return np.flatnonzero(self.labels != UNLABELLED)

    @property
    def unlabelled(self) -> NDArray[np.int64]:
        """Positions of the unlabelled training rows."""
        return np.flatnonzero(self.labels == UNLABELLED)

    def counts(self) -> dict[str, int]:
        """Return the numbers a reader asks for first."""
        counts = {"labelled": len(self.labelled), "unlabelled": len(self.unlabelled), "classes": len(self.label_names)}
        if self.n_skipped:
            counts["skipped_empty"] = self.n_skipped
        for name, part in (("validation", self.validation), ("test", self.test)):
            if part is not None:
                counts[name] = len(part)
        return counts

    def hold_out(self, fraction: float, seed: int) -> Corpus:
        """Set a share of each class's labelled rows aside as validation rows.

        Raises:
            InputError: no class has enough rows to spare one.
        """
        rng = np.random.default_rng(seed)
        held: list[int] = []
        for label in range(len(self.label_names)):
            rows = rng.permutation(np.flatnonzero(self.labels == label))
            held.extend(rows[: min(math.floor(fraction * len(rows) + 0.5), len(rows) - 1)])
        if not held:
            raise InputError(f"--validation-fraction {fraction} holds out no row of any class: label more or raise it")
        rest = np.setdiff1d(np.arange(len(self.train)), held)
        return replace(self, train=self.train.select(rest), validation=self.train.select(sorted(held)))


def corpus_of_texts(
    texts: Sequence[str],
    labels: Sequence[int],
    label_names: Sequence[str],
    text_pairs: Sequence[str] | None = None,
    weights: Sequence[float] | None = None,
) -> Corpus:
    """Make a corpus of texts in memory; `labels` holds class ids and -100."""
    columns: dict[str, list[Any]] = {"text": list(texts), "label": list(labels)}
    if text_pairs is not None:
        columns["text_pair"] = list(text_pairs)
    if weights is not None:
        columns["weight"] = list(weights)
    return Corpus(Dataset.from_dict(columns), tuple(label_names))


def read_corpus(
    files: Sequence[Path],
    options: TableOptions,
    workspace: Path,
    *,
    labelled: Sequence[Path] = (),
    unlabelled: Sequence[Path] = (),
    validation: Path | None = None,
    test: Path | None = None,
) -> Corpus:
    """Read and check all tables of a run.

    Args:
        files: tables in which unlabelled rows have an empty label.
        options: columns, encoding, and how to treat odd rows.
        workspace: folder for Arrow files; it must outlive the corpus.
        labelled: tables in which every row has a label.
        unlabelled: tables whose labels, if any, are not looked at.
        validation: table to choose the best checkpoint by.
        test: table to measure the finished model on.

    Raises:
        InputError: something in them cannot be used; names file, row and column.
    """
    uses: list[tuple[Path, LabelUse]] = [(path, "optional") for path in files]
    uses += [(path, "required") for path in labelled] + [(path, "ignored") for path in unlabelled]
    tables = [read_rows(path, options, use, workspace) for path, use in uses]
    _require_same_columns(tables)
    label_names = _label_names(tables)
    train = concatenate_datasets([_with_label_ids(table, label_names, options.label_column) for table in tables])
    held_out: dict[str, Dataset | None] = {"validation": None, "test": None}
    n_skipped = sum(table.n_skipped for table in tables)
    for name, path in (("validation", validation), ("test", test)):
        if path is None:
            continue
        rows = read_rows(path, options, "required", workspace)
        _require_same_columns([tables[0], rows])
        if len(rows.dataset) == 0:
            raise InputError(f"the {name} file has no rows", path=path)
        held_out[name] = _with_label_ids(rows, label_names, options.label_column, options.allow_unseen)
        n_skipped += rows.n_skipped
    return Corpus(train, label_names, held_out["validation"], held_out["test"], n_skipped)


def read_labelled(path: Path, options: TableOptions, label_names: Sequence[str], workspace: Path) -> Dataset:
    """Read and check a table in which every row has a label, for classes that are already known.

    Returns:
        Columns `text`, perhaps `text_pair`, and `label`; unknown classes have ids from k on, if `options.allow_unseen`.

    Raises:
        InputError: something in it cannot be used; names file, row and column.
    """
    rows = read_rows(path, options, "required", workspace)
    if len(rows.dataset) == 0:
        raise InputError("has no rows", path=path)
    return _with_label_ids(rows, label_names, options.label_column, options.allow_unseen)


def n_shared_texts(train: Dataset, other: Dataset) -> int:
    """Return how many rows of `other` have a text (or pair of texts) that also stands in `train`."""
    return int(pc.sum(pc.is_in(_whole_texts(other), value_set=_whole_texts(train))).as_py() or 0)


def _whole_texts(dataset: Dataset) -> pa.Array:
    table = dataset.with_format("arrow")[:]
    parts = [table[name] for name in ("text", "text_pair") if name in table.column_names]
    return pc.binary_join_element_wise(*parts, "\x1f").combine_chunks()


def _require_same_columns(tables: Sequence[Rows]) -> None:
    for table in tables[1:]:
        if table.has_pairs != tables[0].has_pairs:
            has, lacks = (table, tables[0]) if table.has_pairs else (tables[0], table)
            raise InputError(f"no text pair column, though {has.path} has one", path=lacks.path)


def _label_names(tables: Sequence[Rows]) -> tuple[str, ...]:
    """Return the classes that occur; `InputError` if they are fewer than two."""
    found = {label for table in tables for label in pc.unique(table.dataset.data["label"]).to_pylist()} - {None}
    places = ", ".join(str(table.path) for table in tables)
    if not found:
        raise InputError(f"no labelled row in {places}: label at least two rows of different classes")
    if len(found) == 1:
        raise InputError(
            f"one class only in {places}, {found.pop()!r}: a classifier needs labelled rows of at least two"
        )
    return ordered_labels(found)


def ordered_labels(labels: set[str]) -> tuple[str, ...]:
    """Return class names in a stable order: by number if all are numbers, else alphabetical."""
    try:
        return tuple(sorted(sorted(labels), key=float))  # "1" and "1.0" too have one order
    except ValueError:
        return tuple(sorted(labels))


def _with_label_ids(rows: Rows, label_names: Sequence[str], column: str, allow_unseen: bool = False) -> Dataset:
    """Replace label names by class ids, null by -100, and names unknown to training, if allowed, by ids from k on."""
    unseen = set(pc.unique(rows.dataset.data["label"]).to_pylist()) - {None, *label_names} if allow_unseen else set()
    names = pa.array([*label_names, *sorted(unseen)], pa.string())

    def convert(table: pa.Table) -> pa.Table:
        label = table["label"]
        ids = pc.index_in(label, value_set=names)
        strange = pc.and_(pc.is_null(ids), pc.is_valid(label))
        if (index := pc.index(strange, True).as_py()) >= 0:
            raise InputError(
                f"label {label[index].as_py()!r} is in no training row (--allow-unseen counts such rows as errors)",
                path=rows.path,
                row=table["row"][index].as_py(),
                column=column,
            )
        ids = pc.fill_null(ids, UNLABELLED).cast(pa.int64())
        return table.drop_columns(["label", "row"]).append_column("label", ids)

    if len(rows.dataset) == 0:
        return Dataset(convert(rows.dataset.data.table))
    return rows.dataset.with_format("arrow").map(convert, batched=True, batch_size=10_000).with_format(None)
