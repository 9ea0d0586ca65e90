"""Label budgets, and splits: which rows have a label, which have none, and which are the test rows."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganbert.errors import InputError
from ganbert.labels import UNLABELLED, ordered_labels

if TYPE_CHECKING:
    from datasets import Dataset

    from ganbert.data.corpus import Corpus

UNLABELLED_PER_LABELLED = 100
"""|U| = 100 |L| "when available" (section 4)."""
DEVELOPMENT_ROWS, DEVELOPMENT_SHARE, DEVELOPMENT_SEED = 1000, 0.1, 2020
MOST_ROWS = 10**9


@dataclass(frozen=True)
class Budget:
    """How many rows have a label: a number of rows, or a percentage of the training set."""

    amount: float
    in_percent: bool

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `55` or `1%`; `InputError` if it is neither."""
        number = text.strip().removesuffix("%")
        try:
            budget = cls(float(number), text.strip().endswith("%"))
        except ValueError:
            budget = cls(0.0, False)
        whole = budget.in_percent or budget.amount.is_integer()
        if not 0 < budget.amount <= MOST_ROWS or not whole or (budget.in_percent and budget.amount > 100):
            raise InputError(f"label budget {text!r}: write a number of rows, as 100, or a percentage, as 1%")
        return budget

    @classmethod
    def parse_all(cls, text: str) -> list[str]:
        """Return each of `50,100,50%` once, as results write it; `InputError` if one is no budget."""
        return list(dict.fromkeys(str(cls.parse(part)) for part in text.split(",")))

    def rows(self, n_train: int) -> int:
        """Return the number of rows, of a training set of `n_train`."""
        return max(1, round(self.amount * n_train / 100 if self.in_percent else self.amount))

    def __str__(self) -> str:
        return f"{self.amount:g}%" if self.in_percent else f"{self.amount:.0f}"


@dataclass(frozen=True)
class Split:
    """Rows to train on, with and without labels, and rows to measure on.

    Attributes:
        corpus: `train` holds the labelled rows first; `test` the rows to measure on.
        n_removed: rows taken out because their text stands among those to measure on as well.
        unseen: class to number of measured rows, of the classes that no labelled row has.
        whole: whether all rows that there are take part, so that only their order depends on the seed.
        hash: of all texts and labels, in order.
    """

    corpus: Corpus
    n_removed: int
    unseen: dict[str, int]
    whole: bool
    hash: str

    @property
    def test(self) -> Dataset:
        """The rows to measure on."""
        assert self.corpus.test is not None
        return self.corpus.test

    @property
    def ceiling(self) -> float:
        """The accuracy that the classes without a labelled row leave possible."""
        return 1 - sum(self.unseen.values()) / len(self.test)

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

    Raises:
        InputError: there are not so many labelled rows, or they are all of one class.
    """
    tested = set(_whole_texts(test))
    texts, labels = _whole_texts(train), train["label"][:]
    order = np.random.default_rng(seed).permutation(len(train))
    kept = np.array([i for i in order if texts[i] not in tested], dtype=np.int64)
    has_label = np.array([labels[i] is not None for i in kept], dtype=bool)
    candidates = kept[has_label]
    if balanced:
        candidates = _in_turn(candidates, [labels[i] for i in candidates])
    if fewer:
        n_labelled = min(n_labelled, len(candidates))
    if n_labelled > len(candidates):
        raise InputError(f"label budget {n_labelled}: only {len(candidates)} labelled rows can be trained on")
    if n_labelled == 0:
        raise InputError("no labelled row is left to train on: all of their texts are measured on as well")
    labelled = candidates[:n_labelled]
    names = ordered_labels({labels[i] for i in labelled})
    if len(names) < 2:
        raise InputError(f"the {n_labelled} labelled rows of seed {seed} are all {names[0]!r}: raise the label budget")
    rest = kept[~np.isin(kept, labelled)]
    unlabelled = rest[: UNLABELLED_PER_LABELLED * n_labelled if n_unlabelled is None else n_unlabelled]
    ids = {name: i for i, name in enumerate(names)}
    corpus = _corpus(
        train.select(np.concatenate([labelled, unlabelled])),
        [ids[labels[i]] for i in labelled] + [UNLABELLED] * len(unlabelled),
        names,
    )
    truth = test["label"][:]
    unseen = dict(sorted(Counter(name for name in truth if name not in ids).items()))
    ids |= {name: len(names) + i for i, name in enumerate(unseen)}
    held = _corpus(test, [ids[name] for name in truth], names).train
    return Split(
        replace(corpus, test=held),
        n_removed=len(train) - len(kept),
        unseen=unseen,
        whole=len(labelled) == len(candidates) and len(unlabelled) == len(rest),
        hash=_hash(corpus.train, held, names),
    )


def _in_turn(rows: NDArray[np.int64], labels: list[str]) -> NDArray[np.int64]:
    """Reorder rows so that every class gives its first, then every class its second, and so on."""
    seen: Counter[str] = Counter()
    rank = []
    for label in labels:
        rank.append(seen[label])
        seen[label] += 1
    return rows[np.argsort(rank, kind="stable")]


def _corpus(rows: Dataset, labels: list[int], names: tuple[str, ...]) -> Corpus:
    from ganbert.data.corpus import corpus_of_texts  # here, as budgets are read before anything slow is imported

    pairs = rows["text_pair"][:] if "text_pair" in rows.column_names else None
    return corpus_of_texts(rows["text"][:], labels, names, pairs)


def _whole_texts(rows: Dataset) -> list[tuple[str, ...]]:
    columns = [rows[name][:] for name in ("text", "text_pair") if name in rows.column_names]
    return list(zip(*columns, strict=True))


def as_recorded(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Return class ids as results have them: -1 for all classes without a labelled row."""
    return np.where(labels < n_classes, labels, -1)


def _hash(train: Dataset, test: Dataset, names: tuple[str, ...]) -> str:
    digest = hashlib.sha256(json.dumps(names).encode())
    for part in (train, test):
        labels = as_recorded(np.asarray(part["label"][:]), len(names)).tolist()
        columns = {**part.to_dict(), "label": labels}
        digest.update(json.dumps(columns, sort_keys=True).encode())
    return digest.hexdigest()[:16]
