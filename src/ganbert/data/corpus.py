"""All the data of one run: what to train on, what to choose by, what to test on, and the names of the classes."""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray

from ganbert.data.classes import Classes, look_alikes, most_frequent, ordered_labels
from ganbert.data.rows import Rows, TableOptions, read_rows, require_same_columns, table_uses
from ganbert.errors import InputError
from ganbert.labels import UNLABELLED
from ganbert.wording import counted, quoted, shown

SEPARATOR = "\x1f"


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
        files: the tables, all of them, as absolute paths without links.
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
        return class_ids(self.train)

    @property
    def labelled(self) -> NDArray[np.int64]:
        """Positions of the labelled training rows."""
        return np.flatnonzero(self.labels != UNLABELLED)

    @property
    def unlabelled(self) -> NDArray[np.int64]:
        """Positions of the unlabelled training rows."""
        return np.flatnonzero(self.labels == UNLABELLED)

    def counts(self) -> dict[str, int]:
        """Return the numbers a reader asks for first; what was left out is always among them."""
        counts = {"labelled": len(self.labelled), "unlabelled": len(self.unlabelled), "classes": len(self.label_names)}
        counts |= {"skipped_empty": self.n_skipped, "skipped_blank": self.n_blank}
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
        spared = []
        for label, name in enumerate(self.label_names):
            members = rng.permutation(np.flatnonzero(self.labels == label))
            n = max(0, min(math.floor(fraction * len(members) + 0.5), len(members) - 1))
            held.extend(members[:n])
            spared += [] if n else [name]
        if not held:
            raise InputError(f"--validation-fraction {fraction} holds out no row of any class: label more or raise it")
        rest = np.setdiff1d(np.arange(len(self.train)), held)
        notes = self.notes
        if spared:
            few = counted(len(spared), "class")
            notes += (f"{few} without a validation row, for want of labelled ones: {shown(spared)}",)
        return replace(self, train=self.train.select(rest), validation=self.train.select(sorted(held)), notes=notes)


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
    tables = [read_rows(path, options, use, workspace) for path, use in table_uses(files, labelled, unlabelled)]
    require_same_columns([(table.path, table.has_pairs) for table in tables])
    classes, notes = _classes(tables, options.normalize_labels)
    train = concatenate_datasets([_with_label_ids(table, classes, options)[0] for table in tables])
    held_out: dict[str, Dataset | None] = {"validation": None, "test": None}
    for name, path in (("validation", validation), ("test", test)):
        if path is None:
            continue
        table = read_rows(path, options, "required", workspace)
        require_same_columns([(known.path, known.has_pairs) for known in (tables[0], table)])
        if len(table.dataset) == 0:
            raise InputError(f"the {name} file has no rows", path=path)
        held_out[name], unseen = _with_label_ids(table, classes, options)
        tables, notes = [*tables, table], [*notes, *(f"{path}: {note}" for note in unseen)]
    columns = {"text": options.text_column, "label": options.label_column}
    if tables[0].has_pairs:
        columns["text_pair"] = options.text_pair_column or "text_pair"
    return Corpus(
        train,
        classes.names,
        **held_out,
        n_skipped=sum(table.n_skipped for table in tables),
        n_blank=sum(table.log.n_blank for table in tables),
        notes=(*(note for table in tables for note in table.notes), *notes),
        files=tuple(table.path.resolve() for table in tables if str(table.path) != "-"),  # standard input is no file
        columns=columns,
    )


def read_labelled(path: Path, options: TableOptions, label_names: Sequence[str], workspace: Path) -> Rows:
    """Read and check a table in which every row has a label, for classes that are already known.

    Returns:
        Rows with columns `text`, perhaps `text_pair`, and `label`, a class id; labels that mean none of the classes
        have ids from k on, if `options.allow_unseen`, and are told in the log's notes.

    Raises:
        InputError: something in it cannot be used; names file, row and column.
    """
    table = read_rows(path, options, "required", workspace)
    if len(table.dataset) == 0:
        raise InputError("has no rows", path=path)
    dataset, notes = _with_label_ids(table, Classes(label_names, options.normalize_labels), options)
    return replace(table, dataset=dataset, log=replace(table.log, notes=[*table.log.notes, *notes]))


def class_ids(dataset: Dataset) -> NDArray[np.int64]:
    """Return the [n] labels of a dataset. (Its own way to NumPy goes through Python objects.)"""
    return np.asarray(dataset.select_columns(["label"]).with_format("arrow")[:]["label"], dtype=np.int64)


def n_shared_texts(train: Dataset, other: Dataset) -> int:
    """Return how many rows of `other` have a text (or pair of texts) that also stands in `train`."""
    return int(pc.sum(pc.is_in(whole_texts(other), value_set=whole_texts(train).combine_chunks())).as_py() or 0)


def whole_texts(dataset: Dataset) -> pa.ChunkedArray:
    """Return each row's text, or pair of texts with a separator that no text has; of large strings, for any number."""
    table = dataset.with_format("arrow")[:]
    parts = [table[name].cast(pa.large_string()) for name in ("text", "text_pair") if name in table.column_names]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, pa.scalar(SEPARATOR, pa.large_string()))


def _classes(tables: Sequence[Rows], normalize: bool) -> tuple[Classes, list[str]]:
    """Return the classes that occur, and which spellings were merged; `InputError` if they are fewer than two."""
    counts: Counter[str] = Counter()  # in the order of the rows
    for table in tables:
        counts.update(_label_counts(table))
    groups = look_alikes(counts) if normalize else []
    notes, names = [], dict.fromkeys(counts)
    for group in groups:
        name = most_frequent(group)
        ordered = {name: group[name], **group}
        notes.append(f"--normalize-labels: one class, named as the first: {shown(ordered, limit=5)}")
        for label in group:
            names.pop(label)
        names[name] = None
    places = ", ".join(str(table.path) for table in tables)
    if not names:
        raise InputError(f"no labelled row in {places}: label at least two rows of different classes")
    if len(names) == 1:
        raise InputError(
            f"one class only in {places}, {next(iter(names))!r}: a classifier needs labelled rows of at least two"
        )
    return Classes(ordered_labels(names), normalize), notes


def _label_counts(table: Rows) -> dict[str, int]:
    counted = pc.value_counts(table.dataset.data["label"])
    return {pair["values"]: pair["counts"] for pair in counted.to_pylist() if pair["values"] is not None}


def _with_label_ids(table: Rows, classes: Classes, options: TableOptions) -> tuple[Dataset, list[str]]:
    """Replace labels by class ids, null by -100, labels that mean no class, where allowed, by ids from k on.

    Returns:
        The rows, and what to say of the labels that mean no class.
    """
    counts = _label_counts(table)
    ids = {label: classes.id_of(label) for label in counts}
    unseen = {label: counts[label] for label in sorted(counts) if ids[label] is None}
    if unseen and not options.allow_unseen:
        _refuse_unseen(table, classes, unseen, options.label_column)
    ids |= {label: len(classes.names) + i for i, label in enumerate(unseen)}

    def convert(part: pa.Table) -> pa.Table:
        codes = part["label"].combine_chunks().dictionary_encode()  # few: no search through all classes for each batch
        known = pa.array([ids[label] for label in codes.dictionary.to_pylist()], pa.int64())
        labels = pc.fill_null(known.take(codes.indices), UNLABELLED)
        return part.drop_columns(["label", "row"]).append_column("label", labels)

    notes = [_unseen_note(classes, unseen)] if unseen else []
    if len(table.dataset) == 0:
        return Dataset(convert(table.dataset.data.table)), notes
    name = uuid.uuid4().hex  # otherwise `convert` is pickled, with all classes, to name the result by its hash
    rows = table.dataset.with_format("arrow").map(convert, batched=True, batch_size=10_000, new_fingerprint=name)
    return rows.with_format(None), notes


def _refuse_unseen(table: Rows, classes: Classes, unseen: Iterable[str], column: str) -> None:
    cells = table.dataset.data["label"]
    index = pc.index(pc.is_in(cells, value_set=pa.array(list(unseen), pa.string())), True).as_py()
    label = cells[index].as_py()
    like = classes.like(label)
    hint = f"; it looks like {quoted(like)}: --normalize-labels takes it for that" if like else ""
    raise InputError(
        f"label {label!r} is in no training row (--allow-unseen counts such rows as errors){hint}",
        path=table.path,
        row=table.dataset.data["row"][index].as_py(),
        column=column,
    )


def _unseen_note(classes: Classes, unseen: Mapping[str, int]) -> str:
    note = f"labels that no training row has count as errors: {shown(unseen)}"
    alike = {label: name for label in unseen if (name := classes.like(label)) is not None}
    if alike:
        label, name = next(iter(alike.items()))
        note += f"; {quoted(label)} looks like {quoted(name)}: --normalize-labels takes it for that"
    return note
