"""Label budgets, and splits: which rows have a label, which have none, and which are the test rows."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ganbert.errors import InputError
from ganbert.labels import UNLABELLED, Classes, ordered_labels
from ganbert.wording import shown

if TYPE_CHECKING:
    from datasets import Dataset

    from ganbert.data.class_names import ClassNames
    from ganbert.data.corpus import Corpus

UNLABELLED_PER_LABELLED = 100
"""|U| = 100 |L| "when available" (section 4)."""
DEVELOPMENT_ROWS, DEVELOPMENT_SHARE, DEVELOPMENT_SEED = 1000, 0.1, 2020
MOST_ROWS = 10**9


@dataclass(frozen=True)
class Budget:
    """How many rows have a label: a number of rows, a percentage of the training set, or a published subset of it.

    Attributes:
        amount: rows or percent; 0 for a subset, and where class names stand in for labels.
        in_percent: whether it is percent.
        subset: the name of the subset.
    """

    amount: float
    in_percent: bool = False
    subset: str | None = None

    @classmethod
    def parse(cls, text: str, subsets: Collection[str] = ()) -> Budget:
        """Read `55`, `1%` or the name of one of `subsets`; `InputError` if it is none of these."""
        if text.strip() in subsets:
            return cls(0.0, subset=text.strip())
        number = text.strip().removesuffix("%")
        try:
            budget = cls(float(number) + 0.0, text.strip().endswith("%"))  # -0.0 becomes 0.0
        except ValueError:
            budget = cls(-1.0)
        whole = budget.in_percent or budget.amount.is_integer()
        if not 0 <= budget.amount <= MOST_ROWS or not whole or (budget.in_percent and not 0 < budget.amount <= 100):
            named = f", or a subset: {', '.join(sorted(subsets))}" if subsets else ""
            raise InputError(f"label budget {text!r}: write a number of rows, as 100, or a percentage, as 1%{named}")
        return budget

    @classmethod
    def parse_all(cls, text: str, subsets: Collection[str] = ()) -> list[str]:
        """Return each of `50,100,50%` once, as results write it; `InputError` if one is no budget."""
        return list(dict.fromkeys(str(cls.parse(part, subsets)) for part in text.split(",")))

    def rows(self, n_train: int) -> int:
        """Return the number of rows, of a training set of `n_train`."""
        return max(1, round(self.amount * n_train / 100)) if self.in_percent else round(self.amount)

    def __str__(self) -> str:
        return self.subset or (f"{self.amount:g}%" if self.in_percent else f"{self.amount:.0f}")


class Selection(Protocol):
    """Which rows of a pool to label, in place of rows drawn at random."""

    @property
    def name(self) -> str: ...  # noqa: D102

    def __call__(self, pool: Dataset, class_names: ClassNames, n: int, seed: int) -> NDArray[np.int64]:
        """Return the positions of n rows, in the order of labelling; a larger n only adds rows at the end.

        Args:
            pool: all rows that may be labelled: columns `text`, perhaps `text_pair`, and `label` as text.
            class_names: what classes are called, if that may be known.
            n: how many, at most as many as there are.
            seed: of everything random.
        """


@dataclass(frozen=True)
class Split:
    """Rows to train on, with and without labels, and rows to measure on.

    Attributes:
        corpus: `train` holds the labelled rows first; `test` the rows to measure on.
        n_removed: rows taken out because their text stands among those to measure on as well.
        unseen: class to number of measured rows, of the classes that have neither a labelled row nor a name.
        whole: whether the seed decides nothing but the order of the rows.
        hash: of all texts and labels, in order, and of the class names.
        selection: how the labelled rows were chosen.
    """

    corpus: Corpus
    n_removed: int
    unseen: dict[str, int]
    whole: bool
    hash: str
    selection: str = "random"

    @property
    def test(self) -> Dataset:
        """The rows to measure on."""
        assert self.corpus.test is not None
        return self.corpus.test

    @property
    def ceiling(self) -> float:
        """The accuracy that the classes without a labelled row or a name leave possible."""
        return 1 - sum(self.unseen.values()) / len(self.test)

    @property
    def named_rows(self) -> tuple[list[str], list[int]]:
        """The texts of the class names, and the class id of each: rows that a method may add to the labelled ones."""
        ids = {name: i for i, name in enumerate(self.corpus.label_names)}
        pairs = [(text, ids[label]) for label, texts in self.corpus.class_names.items() for text in texts]
        return [text for text, _ in pairs], [label for _, label in pairs]

    def facts(self) -> dict[str, object]:
        """Return what a result has to say of its split."""
        return {
            "n_labelled": len(self.corpus.labelled),
            "n_unlabelled": len(self.corpus.unlabelled),
            "n_test": len(self.test),
            "n_removed": self.n_removed,
            "classes": len(self.corpus.label_names),
            "unseen": self.unseen,
            "ceiling": self.ceiling,
            "split_hash": self.hash,
            "selection": self.selection,
            "n_names": len(self.named_rows[0]),
        }


def set_development_rows_aside(train: Dataset) -> tuple[Dataset, Dataset]:
    """Return the rows to train on and 1,000 rows, or 10% if that is less, to choose settings by: always the same."""
    n = min(DEVELOPMENT_ROWS, int(DEVELOPMENT_SHARE * len(train)))
    order = np.random.default_rng(DEVELOPMENT_SEED).permutation(len(train))
    return train.select(np.sort(order[n:])), train.select(np.sort(order[:n]))


def few_label_split(
    train: Dataset,
    test: Dataset,
    n_labelled: int,
    seed: int,
    *,
    balanced: bool = False,
    fewer: bool = False,
    n_unlabelled: int | None = None,
    class_names: ClassNames | None = None,
    selection: Selection | None = None,
) -> Split:
    """Give the first rows, in an order that the seed makes, a label, and the next ones none.

    A larger budget of the same seed contains the smaller.

    Args:
        train, test: columns `text`, perhaps `text_pair`, and `label` as text, null where a training row has none.
        n_labelled: rows with a label.
        seed: of the order.
        balanced: take as many labelled rows of each class as there are, in turn.
        fewer: take as many as are left, where rows were taken out because they are test rows as well.
        n_unlabelled: rows without a label; None is 100 for each labelled one, or all that are left.
        class_names: what the classes are called. Those that have no labelled row are known by it.
        selection: chooses the rows with a label, in place of the order.

    Raises:
        InputError: there are not so many labelled rows, they are all of one class, or class names are of other rows.
    """
    tested = set(_whole_texts(test))
    texts, labels = _whole_texts(train), train["label"][:]
    order = np.random.default_rng(seed).permutation(len(train))
    kept = np.array([i for i in order if texts[i] not in tested], dtype=np.int64)
    candidates = np.array([i for i in kept if labels[i] is not None], dtype=np.int64)
    if balanced:
        candidates = _in_turn(candidates, [labels[i] for i in candidates])
    if fewer:
        n_labelled = min(n_labelled, len(candidates))
    if n_labelled > len(candidates):
        raise InputError(f"label budget {n_labelled}: only {len(candidates)} labelled rows can be trained on")
    if len(candidates) == 0:
        raise InputError("no labelled row is left to train on: all of their texts are measured on as well")
    if n_labelled == 0 and not class_names:
        raise InputError("label budget 0: without labels a method needs class names (--names)")
    if selection is not None:
        labelled = candidates[selection(train.select(candidates), class_names or {}, n_labelled, seed)]
    else:
        labelled = candidates[:n_labelled]
    rest = kept[~np.isin(kept, labelled)]
    if n_unlabelled is None:
        n_unlabelled = UNLABELLED_PER_LABELLED * (n_labelled or len(class_names or {}))
    unlabelled = rest[:n_unlabelled]
    split = _split(
        train.select(labelled),
        train.select(unlabelled),
        test,
        class_names or {},
        n_removed=len(train) - len(kept),
        whole=len(labelled) == len(candidates) and len(unlabelled) == len(rest),
    )
    if len(split.corpus.label_names) < 2:
        only = split.corpus.label_names[0]
        raise InputError(f"the {n_labelled} labelled rows of seed {seed} are all {only!r}: raise the label budget")
    return split if selection is None else replace(split, selection=selection.name)


def subset_split(train: Dataset, test: Dataset, few: Dataset, *, class_names: ClassNames | None = None) -> Split:
    """Give the rows of a published subset a label, and all other training rows none; a seed decides nothing.

    Args:
        train, test: columns `text`, perhaps `text_pair`, and `label` as text.
        few: the subset, which may hold rows that are not in `train`.
        class_names: what the classes are called.
    """
    tested, texts = set(_whole_texts(test)), _whole_texts(few)
    labelled = few.select([i for i, text in enumerate(texts) if text not in tested])
    given = set(_whole_texts(labelled))
    kept = [(i, text) for i, text in enumerate(_whole_texts(train)) if text not in tested]
    rest = train.select([i for i, text in kept if text not in given])
    removed = len(few) - len(labelled) + len(train) - len(kept)
    return _split(labelled, rest, test, class_names or {}, n_removed=removed, whole=True)


def _split(
    labelled: Dataset, unlabelled: Dataset, test: Dataset, class_names: ClassNames, *, n_removed: int, whole: bool
) -> Split:
    """Return a split of these rows; the classes are those of the labelled rows and those with a name."""
    if class_names and "text_pair" in test.column_names:
        raise InputError("--names: a name is one text, and these rows are pairs of texts")
    truth = test["label"][:]
    known = {label for label in (*labelled["label"], *unlabelled["label"], *truth) if label is not None}
    if class_names and known.isdisjoint(class_names):
        hint = Classes(ordered_labels(known)).hint(class_names)
        raise InputError(f"--names: the rows have no label {shown([*class_names])}, but {shown(sorted(known))}{hint}")
    names = ordered_labels({*labelled["label"][:], *class_names})
    ids = {name: i for i, name in enumerate(names)}
    given = [ids[name] for name in labelled["label"]]
    corpus = _corpus([labelled, unlabelled], given + [UNLABELLED] * len(unlabelled), names)
    unseen = dict(sorted(Counter(name for name in truth if name not in ids).items()))
    ids |= {name: len(names) + i for i, name in enumerate(unseen)}
    held = _corpus([test], [ids[name] for name in truth], names).train
    return Split(
        replace(corpus, test=held, class_names=class_names),
        n_removed=n_removed,
        unseen=unseen,
        whole=whole,
        hash=_hash(corpus.train, held, names, class_names),
    )


def _in_turn(rows: NDArray[np.int64], labels: list[str]) -> NDArray[np.int64]:
    """Reorder rows so that every class gives its first, then every class its second, and so on."""
    seen: Counter[str] = Counter()
    rank = []
    for label in labels:
        rank.append(seen[label])
        seen[label] += 1
    return rows[np.argsort(rank, kind="stable")]


def _corpus(parts: list[Dataset], labels: list[int], names: tuple[str, ...]) -> Corpus:
    from ganbert.data.corpus import corpus_of_texts  # here, as budgets are read before anything slow is imported

    columns = {name: [cell for part in parts for cell in part[name]] for name in _text_columns(parts[0])}
    return corpus_of_texts(columns["text"], labels, names, columns.get("text_pair"))


def _text_columns(rows: Dataset) -> list[str]:
    return [name for name in ("text", "text_pair") if name in rows.column_names]


def _whole_texts(rows: Dataset) -> list[tuple[str, ...]]:
    columns = [rows[name][:] for name in _text_columns(rows)]
    return list(zip(*columns, strict=True))


def as_recorded(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Return class ids as results have them: -1 for all classes without a labelled row."""
    return np.where(labels < n_classes, labels, -1)


def _hash(train: Dataset, test: Dataset, names: tuple[str, ...], class_names: ClassNames) -> str:
    digest = hashlib.sha256(json.dumps(names).encode())
    for part in (train, test):
        labels = as_recorded(np.asarray(part["label"][:]), len(names)).tolist()
        columns = {**part.to_dict(), "label": labels}
        digest.update(json.dumps(columns, sort_keys=True).encode())
    if class_names:
        digest.update(json.dumps(class_names, sort_keys=True).encode())
    return digest.hexdigest()[:16]
