"""Where the rows of a comparison come from: a task of the registry, or one's own tables."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from datasets import Dataset
from sklearn.model_selection import StratifiedKFold

from ganbert.compare.splits import (
    Budget,
    Selection,
    Split,
    few_label_split,
    set_development_rows_aside,
    subset_split,
)
from ganbert.compare.tasks import task_named
from ganbert.data.class_names import ClassNames, read_class_names, words_of
from ganbert.data.corpus import Corpus, read_corpus
from ganbert.data.review import describe, slips
from ganbert.data.rows import TableOptions
from ganbert.errors import InputError
from ganbert.labels import UNLABELLED, Classes, ordered_labels
from ganbert.training.recipe import DEFAULT

FOLDS = 5


class RowSource(Protocol):
    """Where the rows of a run come from; it can be sent to another process.

    Attributes:
        name: of the task or the table.
        part: "test", "dev" or "cross-validation": what the test rows are.
        version: changes with the rows, where they can.
        remarks: what a person should know of the rows.
        skipped: rows and lines that reading left out, `skipped_empty` and `skipped_blank`.
        budgets: label budgets where none are asked for.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def part(self) -> str: ...  # noqa: D102

    @property
    def version(self) -> str: ...  # noqa: D102

    @property
    def remarks(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def skipped(self) -> Mapping[str, int]: ...  # noqa: D102

    @property
    def budgets(self) -> Sequence[str]: ...  # noqa: D102

    def __hash__(self) -> int: ...

    def is_same_for_all_seeds(self, budget: str) -> bool:
        """Return whether only the order of a budget's rows depends on the seed."""

    def class_names(self) -> ClassNames:
        """Return what the classes are called; `InputError` where that cannot be told."""

    def split(
        self,
        budget: str,
        seed: int,
        *,
        balanced: bool,
        class_names: ClassNames | None = None,
        selection: Selection | None = None,
    ) -> Split:
        """Return the rows of a label budget and a seed; the other arguments are those of `few_label_split`."""

    def conditions(self) -> dict[str, Any]:
        """Return the fields of `Conditions` that the source decides, such as `max_length`."""


@dataclass(frozen=True)
class TaskRows:
    """The rows of a task of the registry.

    Attributes:
        name: of the task.
        root: folder of local copies; None loads from the task's public home.
        part: "test" measures on the test set; "dev" on development rows, for choosing settings, and never reads the
            test set. Training never sees the development rows.
    """

    name: str
    root: Path | None = None
    part: Literal["test", "dev"] = "test"

    @cached_property
    def version(self) -> str:
        """A hash of the contents of local copies; the name of the public home otherwise."""
        task = task_named(self.name)
        return task.home.name if self.root is None else _hash_of(task.local.files(self.root))

    @property
    def remarks(self) -> list[str]:
        """Whether rows are missing of those that the paper had."""
        n_train, n = task_named(self.name).n_train, _n_rows(self.name, self.root)
        if n_train is None or n >= n_train:
            return []
        return [f"{self.name}: {n:,} of {n_train:,} training rows are at hand; budgets in percent are of all of them."]

    @property
    def skipped(self) -> Mapping[str, int]:
        """Nothing: the task's own rules say which rows it has."""
        return {}

    @property
    def budgets(self) -> list[str]:
        """Those of the task, as results write them."""
        return [part if isinstance(part, str) else f"{part:g}%" for part in task_named(self.name).budgets]

    def is_same_for_all_seeds(self, budget: str) -> bool:
        """Return whether all rows have a label, or those of a published subset: the seed does not choose them."""
        return budget == "100%" or budget in task_named(self.name).local.few

    def class_names(self) -> ClassNames:
        """Return those of the task's file in the local copy; without one, the labels if they are words."""
        file = task_named(self.name).local.names
        if self.root is not None and file is not None and (self.root / file).is_file():
            return read_class_names(self.root / file)
        return _labels_in_words(self.name, task_named(self.name).load("train", self.root))

    def split(
        self,
        budget: str,
        seed: int,
        *,
        balanced: bool = False,
        class_names: ClassNames | None = None,
        selection: Selection | None = None,
    ) -> Split:
        """Return the rows of a label budget and a seed, as the paper splits them (section 4), or a published subset."""
        task = task_named(self.name)
        train, measured = _rows_of_task(self.name, self.root, self.part)
        wanted = Budget.parse(budget, task.local.few)
        if wanted.subset is not None:
            if balanced or selection is not None:
                raise InputError(f"label budget {budget}: its rows are published, so none are drawn or selected")
            few = task.load_few(wanted.subset, self.root)
            return subset_split(train, measured, few, class_names=class_names)
        return few_label_split(
            train,
            measured,
            wanted.rows(task.n_train or _n_rows(self.name, self.root)),
            seed,
            balanced=balanced,
            fewer=wanted.in_percent,
            class_names=class_names,
            selection=selection,
        )

    def conditions(self) -> dict[str, Any]:
        """Return what the paper trained this task with."""
        task = task_named(self.name)
        return {"max_length": task.max_length, "epochs": task.epochs, "learning_rate": task.learning_rate}


def _labels_in_words(name: str, rows: Dataset) -> ClassNames:
    names = words_of(dict.fromkeys(label for label in rows["label"] if label is not None))
    if not names:
        raise InputError(f"--names labels: the labels of {name} are no words; name a file that says what they mean")
    return names


def _hash_of(files: Iterable[Path], *what: object) -> str:
    """Hash contents of files that exist, and whatever else decides the rows; reading them will say what is missing."""
    digest = hashlib.sha256(repr(what).encode())
    for path in files:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=8)
def _rows_of_task(name: str, root: Path | None, part: Literal["test", "dev"]) -> tuple[Dataset, Dataset]:
    task = task_named(name)
    train, development = set_development_rows_aside(task.load("train", root))
    return train, development if part == "dev" else task.load("test", root)


@lru_cache(maxsize=8)
def _n_rows(name: str, root: Path | None) -> int:
    return len(task_named(name).load("train", root))


@dataclass(frozen=True)
class TableRows:
    """Rows of tables.

    With a test file, its rows are the test rows of each seed. Without one, seed s is tested on fold s of the labelled
    rows: five seeds test every labelled row once, and more seeds use newly drawn folds.

    Attributes:
        files: tables in which unlabelled rows have an empty label.
        labelled, unlabelled: tables in which every row has a label, and tables whose labels are not looked at.
        test: table to measure on.
        options: columns, encoding, and how to treat odd rows.
    """

    files: tuple[Path, ...]
    labelled: tuple[Path, ...] = ()
    unlabelled: tuple[Path, ...] = ()
    test: Path | None = None
    options: TableOptions = TableOptions()

    @property
    def name(self) -> str:
        """The names of the files; bytes that are no UTF-8 as escapes, as results are UTF-8."""
        names = " + ".join(path.name for path in (*self.files, *self.labelled, *self.unlabelled))
        return os.fsencode(names).decode(errors="backslashreplace")

    @property
    def part(self) -> str:
        """What the test rows are."""
        return "test" if self.test else "cross-validation"

    @cached_property
    def version(self) -> str:
        """A hash of the files' contents and of what each is for: results of other rows are not taken for these."""
        tested = (self.test,) if self.test else ()
        roles = (self.files, self.labelled, self.unlabelled, tested)
        return _hash_of([path for role in roles for path in role], self.options, [len(role) for role in roles])

    @property
    def remarks(self) -> Sequence[str]:
        """What was read, how, and what in it is almost surely a slip."""
        return _read(self, self.version).remarks

    @property
    def skipped(self) -> Mapping[str, int]:
        """Rows without text and blank lines."""
        return _read(self, self.version).skipped

    @property
    def budgets(self) -> Sequence[str]:
        """All labels."""
        return ["100%"]

    def is_same_for_all_seeds(self, budget: str) -> bool:
        """Return whether each seed is tested on the test file and trains on all other rows."""
        return self.test is not None and self.split(budget, 0).whole

    def class_names(self) -> ClassNames:
        """Return the labels in words, if they are words."""
        return _labels_in_words(self.name, _read(self, self.version).train)

    def split(
        self,
        budget: str,
        seed: int,
        *,
        balanced: bool = False,
        class_names: ClassNames | None = None,
        selection: Selection | None = None,
    ) -> Split:
        """Return the rows of a label budget, in percent of the labelled rows to train on or as a number, and a seed."""
        tables = _read(self, self.version)
        train, measured = (tables.train, tables.test) if tables.test is not None else _fold(tables.train, seed)
        n_labelled = sum(label is not None for label in train["label"])
        wanted = Budget.parse(budget)
        return few_label_split(
            train,
            measured,
            wanted.rows(n_labelled),
            seed,
            balanced=balanced,
            fewer=wanted.in_percent,
            n_unlabelled=len(train),
            class_names=None if class_names is None else self._as_in_rows(class_names),
            selection=selection,
        )

    def _as_in_rows(self, class_names: ClassNames) -> ClassNames:
        """Return class names under the spelling that the rows have, where `--normalize-labels` takes both for one."""
        labels = {label for label in _read(self, self.version).train["label"] if label is not None}
        classes, texts = Classes(ordered_labels(labels), self.options.normalize_labels), dict[str, list[str]]()
        for label, more in class_names.items():
            i = classes.id_of(label)
            texts.setdefault(label if i is None else classes.names[i], []).extend(more)
        return {label: tuple(dict.fromkeys(found)) for label, found in texts.items()}

    def conditions(self) -> dict[str, Any]:
        """Return how much of a text is kept."""
        return {"max_length": DEFAULT.max_length}


@dataclass(frozen=True)
class _Tables:
    """What was read: rows to train on and those of the test file if there is one, labels as text; and what of it."""

    train: Dataset
    test: Dataset | None
    remarks: tuple[str, ...]
    skipped: Mapping[str, int]


@lru_cache(maxsize=2)
def _read(source: TableRows, version: str) -> _Tables:
    corpus = read_corpus(
        source.files, source.options, labelled=source.labelled, unlabelled=source.unlabelled, test=source.test
    )
    skipped = {"skipped_empty": corpus.n_skipped, "skipped_blank": corpus.n_blank}
    train, test = (_named(part, corpus) for part in (corpus.train, corpus.test))
    assert train is not None
    return _Tables(train, test, _remarks(corpus), skipped)


def _named(part: Dataset | None, corpus: Corpus) -> Dataset | None:
    """Return rows in memory, with the names of their classes."""
    if part is None:
        return None
    names = {**dict(enumerate(corpus.label_names)), UNLABELLED: None}
    columns = part.to_dict()
    labels = [names.get(i, f"(in no training row: {i})") for i in columns["label"]]
    return Dataset.from_dict({**columns, "label": labels})


def _remarks(corpus: Corpus) -> tuple[str, ...]:
    """Return what was read, how, and what in it is almost surely a slip."""
    return (*describe(corpus), *corpus.notes, *(f"Warning: {warning}" for warning in slips(corpus)))


def _fold(rows: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Return the rows to train on and the fold to measure on."""
    labels = rows["label"][:]
    labelled = np.array([i for i, label in enumerate(labels) if label is not None])
    if len(labelled) < 2 * FOLDS:
        raise InputError(
            f"cross-validation over {len(labelled)} labelled rows says nothing: name a --test file, or label "
            f"{2 * FOLDS} rows at least"
        )
    names = np.array([labels[i] for i in labelled])
    if np.unique(names, return_counts=True)[1].max() < FOLDS:
        raise InputError(f"no class has {FOLDS} labelled rows, too few for cross-validation: name a --test file")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed // FOLDS).split(labelled, names)
        held = labelled[list(folds)[seed % FOLDS][1]]
    return rows.select(np.setdiff1d(np.arange(len(rows)), held)), rows.select(held)
