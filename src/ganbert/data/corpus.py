"""All the data of one run: what to train on, what to choose by, what to test on, and the names of the classes."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from numpy.typing import NDArray

from ganbert.data.class_names import ClassNames, GivenClassNames, class_names_given, names_of
from ganbert.data.rows import LabelUse, Rows, TableOptions, TableUse, read_rows
from ganbert.errors import InputError
from ganbert.labels import UNLABELLED, Classes, look_alikes, most_frequent, ordered_labels
from ganbert.storage.folders import scratch
from ganbert.wording import counted, shown

SEPARATOR = "\x1f"


class ArrowTable(Protocol):
    """A table in memory that exports Arrow data, as those of pandas, polars and pyarrow do."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the rows."""


Table: TypeAlias = str | os.PathLike[str] | Dataset | ArrowTable
"""A file, a folder of `datasets.Dataset.save_to_disk`, or a table in memory; the path `-` is standard input."""


class _Folder:
    """The temporary folder of a corpus; it is removed when no corpus refers to it any more."""

    def __init__(self, made: ExitStack) -> None:
        weakref.finalize(self, made.close)

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return object, ()  # what another process gets does not own the folder


@dataclass(frozen=True)
class Corpus:
    """The data of one run, mapped into memory.

    Attributes:
        train: columns `text`, perhaps `text_pair`, and `label`: a class id, or -100 for an unlabelled row; perhaps
            `weight`, of the labelled rows in the cross-entropy, with mean 1.
        label_names: the k class names, in the order of their ids; a class may have no row yet.
        validation, test: like `train`; labels that no training row has are ids from k on.
        n_skipped: rows dropped because they had no text.
        n_blank: blank lines of text files that were passed over.
        notes: for a person, on how the tables were read.
        files: the tables, all of them, as absolute paths without links.
        columns: names of the columns in the tables: `text`, `text_pair` where there is one, `label`.
        class_names: what classes are called in words: a label to one or several texts. Empty: none are used.
        class_values: what a program calls the classes, if not by their names; kept in the model's configuration.
        folder: holds the Arrow files as long as it lives.
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
    class_names: ClassNames = field(default_factory=dict)
    class_values: Mapping[str, Any] | None = None
    folder: object = field(default=None, repr=False, compare=False)

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

    @property
    def has_pairs(self) -> bool:
        """Whether a row is a pair of texts."""
        return "text_pair" in self.train.column_names

    def counts(self) -> dict[str, int]:
        """Return how many rows and classes there are, and how many rows were left out."""
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
            notes += (f"no validation row for {few} with too few labelled rows: {shown(spared)}",)
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
    tables: Table | Sequence[Table] = (),
    options: TableOptions | None = None,
    *,
    labelled: Table | Sequence[Table] = (),
    unlabelled: Table | Sequence[Table] = (),
    validation: Table | None = None,
    test: Table | None = None,
    class_names: GivenClassNames | None = None,
) -> Corpus:
    """Read and check all tables of a run.

        corpus = read_corpus(["messages.csv"], test="test.csv")
        corpus = read_corpus([frame], TableOptions(text_column="body"))     # of pandas, polars, pyarrow or datasets

    The texts are kept in a temporary folder, which is removed together with the corpus.

    Args:
        tables: tables in which unlabelled rows have an empty label.
        options: columns, encoding, and how to treat odd rows; None takes the columns `text` and `label`.
        labelled: tables in which every row has a label.
        unlabelled: tables whose labels, if any, are not looked at.
        validation: table to choose the best checkpoint by.
        test: table to measure the finished model on.
        class_names: what classes are called in words: a mapping from a label to its text or texts, a file of them
            (`read_class_names`), or "auto", which takes the labels that are words. A class that is named here needs no
            row; with two or more of them no row needs a label.

    Raises:
        InputError: something in them cannot be used; names table, row and column. "table 2" is the second of `tables`.
    """
    options = options or TableOptions()
    given = [
        *_uses(tables, "optional", "table {}"),
        *_uses(labelled, "required", "labelled table {}"),
        *_uses(unlabelled, "ignored", "unlabelled table {}"),
    ]
    if not given:
        raise InputError("no table to train on")
    stated = class_names_given(class_names)  # before the tables: a mistake there is found at once
    named = {"validation": validation, "test": test}
    held_out = {name: _uses([table], "required", f"{name} table") for name, table in named.items() if table is not None}
    with _temporary_folder() as (path, folder):
        train = read_rows(given, options, path / "train.arrow")
        classes, notes = _classes(train, options, stated or {})
        called, how = names_of(classes, stated, pairs=train.has_pairs)
        parts, read, notes = {"train": _with_class_ids(train, classes, options)[0]}, [train], [*notes, *how]
        for name, uses in held_out.items():
            rows = read_rows(uses, options, path / f"{name}.arrow", like=train)
            if len(rows.texts) == 0:
                raise InputError(f"the {name} table has no rows", path=uses[0].path)
            parts[name], unseen = _with_class_ids(rows, classes, options)
            read, notes = [*read, rows], [*notes, *unseen]
    columns = {"text": options.text_column, "label": options.label_column}
    if train.has_pairs:
        columns["text_pair"] = options.text_pair_column or "text_pair"
    return Corpus(
        **parts,
        label_names=classes.names,
        n_skipped=sum(rows.n_skipped for rows in read),
        n_blank=sum(rows.n_blank for rows in read),
        notes=(*(note for rows in read for note in rows.notes), *notes),
        files=(
            *(table.path.resolve() for rows in read for table in rows.tables if table.is_file),
            *([Path(class_names).resolve()] if isinstance(class_names, str | os.PathLike) and stated else []),
        ),
        columns=columns,
        class_names=called,
        folder=folder,
    )


@dataclass(frozen=True)
class LabelledRows:
    """Rows that all have a label, for classes that are known already.

    Attributes:
        dataset: columns `text`, perhaps `text_pair`, and `label`: a class id; labels that mean none of the k classes
            have ids from k on.
        n_skipped: rows dropped because they held no text.
        n_blank: blank lines that were passed over.
        notes: for a person, on how the table was read.
        folder: holds the Arrow file as long as it lives.
    """

    dataset: Dataset
    n_skipped: int
    n_blank: int
    notes: tuple[str, ...]
    folder: object = field(repr=False, compare=False)


def read_labelled(table: Table, options: TableOptions, label_names: Sequence[str]) -> LabelledRows:
    """Read and check a table in which every row has a label, for classes that are already known.

    Raises:
        InputError: something in it cannot be used, or it has a label that means none of the classes, and
            `options.allow_unseen` is not set; names table, row and column.
    """
    uses = _uses([table], "required", "table")
    with _temporary_folder() as (path, folder):
        rows = read_rows(uses, options, path / "rows.arrow")
        if len(rows.texts) == 0:
            raise InputError("has no rows", path=uses[0].path)
        dataset, unseen = _with_class_ids(rows, Classes(label_names, options.normalize_labels), options)
    return LabelledRows(dataset, rows.n_skipped, rows.n_blank, (*rows.notes, *unseen), folder)


@contextmanager
def _temporary_folder() -> Iterator[tuple[Path, object]]:
    """Yield a new folder and the object it is removed with; after an error it is removed at once."""
    with ExitStack() as stack:
        path = stack.enter_context(scratch())
        made = ExitStack()
        yield path, _Folder(made)
        made.push(stack.pop_all())


def _uses(tables: Table | Sequence[Table], labels: LabelUse, name: str) -> list[TableUse]:
    """Return tables with the use of their labels; messages call tables in memory `name`, with their number for {}."""
    return [
        TableUse(Path(table), labels)
        if isinstance(table, str | os.PathLike)
        else TableUse(Path(name.format(i)), labels, table)
        for i, table in enumerate(tables if isinstance(tables, list | tuple) else [tables], 1)
    ]


def read_tables(
    tables: Table | Sequence[Table],
    labels: LabelUse,
    name: str,
    options: TableOptions,
    target: Path,
    like: Rows | None = None,
) -> Rows:
    """Read and check tables into the Arrow file `target`: `read_rows` of whatever `read_corpus` takes.

    Args:
        tables: files, folders or tables in memory.
        labels: what their labels are for.
        name: what messages call tables in memory, with their number for {}.
        options, target, like: as for `read_rows`.
    """
    return read_rows(_uses(tables, labels, name), options, target, like)


def class_ids(dataset: Dataset) -> NDArray[np.int64]:
    """Return the [n] labels of a dataset. (Its own way to NumPy goes through Python objects.)"""
    return np.asarray(dataset.select_columns(["label"]).with_format("arrow")[:]["label"], dtype=np.int64)


def texts_of(rows: Any) -> tuple[list[str], list[str] | None]:
    """Return the texts of rows, and the second ones if they are pairs."""
    return rows["text"][:], rows["text_pair"][:] if "text_pair" in rows.column_names else None


def n_shared_texts(train: Dataset, other: Dataset) -> int:
    """Return how many rows of `other` have a text (or pair of texts) that is also in `train`."""
    return int(pc.sum(pc.is_in(whole_texts(other), value_set=whole_texts(train).combine_chunks())).as_py() or 0)


def whole_texts(dataset: Dataset) -> pa.ChunkedArray:
    """Return each row's text, or pair of texts with a separator that no text has; of large strings, for any number."""
    table = dataset.with_format("arrow")[:]
    parts = [table[name].cast(pa.large_string()) for name in ("text", "text_pair") if name in table.column_names]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, pa.scalar(SEPARATOR, pa.large_string()))


def _classes(rows: Rows, options: TableOptions, stated: ClassNames) -> tuple[Classes, list[str]]:
    """Return the classes that occur or are named, and notes on merged spellings; `InputError` if they are too few."""
    as_label, normalize = options.label_reader(), options.normalize_labels
    named = [label for label in stated if as_label(label) is not None]
    counts = dict.fromkeys(named, 0) | rows.labels.counts
    notes, names = [], dict.fromkeys(counts)
    for group in look_alikes(counts) if normalize else []:
        name = most_frequent(group)
        ordered = {name: group[name], **group}
        notes.append(f"--normalize-labels: one class, named as the first: {shown(ordered, limit=5)}")
        for label in group:
            names.pop(label)
        names[name] = None
    places = ", ".join(str(table.path) for table in rows.tables)
    if named and not len(rows.texts):
        raise InputError(f"no row in {places}: there is nothing to learn from")
    if not names or (rows.has_pairs and not rows.labels.counts):
        way_out = "" if rows.has_pairs else ", or say what the classes are called (--class-names FILE)"
        raise InputError(f"no labelled row in {places}: label at least two rows of different classes{way_out}")
    if len(names) == 1:
        raise InputError(
            f"one class only in {places}, {next(iter(names))!r}: a classifier needs labelled rows of at least two"
        )
    return Classes(ordered_labels(names), normalize), notes


def _with_class_ids(rows: Rows, classes: Classes, options: TableOptions) -> tuple[Dataset, list[str]]:
    """Return rows with class ids: -100 without a label, k and above for unknown labels, where these are allowed.

    Returns:
        The rows, and notes on the unknown labels.
    """
    counts = rows.labels.counts
    known = {label: i for label in counts if (i := classes.id_of(label)) is not None}
    unseen = {label: counts[label] for label in sorted(counts.keys() - known.keys())}
    if unseen and not options.allow_unseen:
        label = next(label for label in counts if label in unseen)
        raise InputError(
            f"label {label!r} is in no training row (--allow-unseen counts such rows as errors){classes.hint([label])}",
            path=rows.tables[0].path,
            row=rows.labels.first[label],
            column=options.label_column,
        )
    ids = known | {label: len(classes.names) + i for i, label in enumerate(unseen)}
    errors = f"labels that no training row has count as errors: {shown(unseen)}{classes.hint(unseen)}"
    return rows.with_labels([ids[label] for label in counts]), [f"{rows.tables[0].path}: {errors}"] if unseen else []
