"""Splits: nested, free of what is measured on, and said in full."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from ganbert.compare.splits import Budget, Split, as_recorded, few_label_split, set_development_rows_aside
from ganbert.errors import InputError
from ganbert.labels import UNLABELLED

CLASSES = ["a", "b", "c"]


def rows(n: int, start: int = 0, classes: list[str] = CLASSES) -> Dataset:
    return Dataset.from_dict(
        {
            "text": [f"text {i}" for i in range(start, start + n)],
            "label": [classes[i % len(classes)] for i in range(start, start + n)],
        }
    )


def labelled_texts(split: Split) -> list[str]:
    return list(split.corpus.train.select(split.corpus.labelled)["text"])


def test_a_larger_budget_contains_the_smaller() -> None:
    splits = [few_label_split(rows(500), rows(20, 1000), n, seed=3) for n in (4, 20, 100)]
    texts = [labelled_texts(split) for split in splits]
    assert [len(of_split) for of_split in texts] == [4, 20, 100]
    assert texts[1][:4] == texts[0]
    assert texts[2][:20] == texts[1]


def test_there_are_100_unlabelled_rows_for_each_labelled_one_or_all_that_are_left() -> None:
    few, many = (few_label_split(rows(500), rows(20, 1000), n, seed=0) for n in (3, 20))
    assert (len(few.corpus.unlabelled), len(many.corpus.unlabelled)) == (300, 480)
    assert set(many.corpus.labels[many.corpus.unlabelled]) == {UNLABELLED}
    assert not set(labelled_texts(many)) & set(many.corpus.train.select(many.corpus.unlabelled)["text"])


def test_labels_are_those_of_the_rows() -> None:
    split = few_label_split(rows(90), rows(9, 1000), 30, seed=1)
    for text, label in zip(split.corpus.train["text"][:30], split.corpus.labels[:30], strict=True):
        assert split.corpus.label_names[label] == CLASSES[int(text.split()[1]) % 3]
    assert [split.corpus.label_names[i] for i in split.test["label"]] == [CLASSES[i % 3] for i in range(1000, 1009)]


def test_seeds_shuffle_and_the_same_seed_repeats() -> None:
    one, again, other = (few_label_split(rows(200), rows(10, 1000), 20, seed=seed) for seed in (0, 0, 1))
    assert one.hash == again.hash != other.hash
    assert labelled_texts(one) == labelled_texts(again) != labelled_texts(other)


def test_rows_whose_text_is_measured_on_are_taken_out_and_counted() -> None:
    split = few_label_split(rows(100), rows(10, 95), 30, seed=0)
    assert split.n_removed == 5
    assert len(split.corpus.train) == 95
    assert len(split.test) == 10
    assert not set(split.corpus.train["text"]) & set(split.test["text"])


def test_of_pairs_only_those_with_both_texts_alike_are_taken_out() -> None:
    train = rows(30).add_column("text_pair", ["x"] * 30)
    test = rows(3).add_column("text_pair", ["x", "y", "y"])
    split = few_label_split(train, test, 10, seed=0)
    assert split.n_removed == 1
    assert split.corpus.train.column_names == ["text", "label", "text_pair"]


def test_classes_without_a_labelled_row_are_reported_as_a_ceiling() -> None:
    test = Dataset.from_dict(
        {"text": [f"t{i}" for i in range(8)], "label": ["a", "b", "c", "a", "new", "new", "b", "d"]}
    )
    split = few_label_split(rows(60), test, 12, seed=0)
    assert split.unseen == {"d": 1, "new": 2}
    assert split.ceiling == pytest.approx(5 / 8)
    assert split.test["label"][:] == [0, 1, 2, 0, 4, 4, 1, 3]
    assert as_recorded(np.array(split.test["label"]), 3).tolist() == [0, 1, 2, 0, -1, -1, 1, -1]


def test_a_balanced_budget_draws_every_class_in_turn() -> None:
    train = Dataset.from_dict({"text": [f"t{i}" for i in range(100)], "label": ["a"] * 90 + ["b"] * 10})
    split = few_label_split(train, rows(3, 1000), 16, seed=0, balanced=True)
    labels = split.corpus.labels[split.corpus.labelled]
    assert np.bincount(labels).tolist() == [8, 8]
    smaller = few_label_split(train, rows(3, 1000), 4, seed=0, balanced=True)
    assert labelled_texts(split)[:4] == labelled_texts(smaller)
    beyond = few_label_split(train, rows(3, 1000), 40, seed=0, balanced=True)
    assert np.bincount(beyond.corpus.labels[beyond.corpus.labelled]).tolist() == [30, 10]


def test_rows_without_a_label_are_never_labelled() -> None:
    train = Dataset.from_dict({"text": [f"t{i}" for i in range(20)], "label": ["a", None, "b", None] * 5})
    split = few_label_split(train, rows(3, 1000), 10, seed=0, n_unlabelled=100)
    assert (len(split.corpus.labelled), len(split.corpus.unlabelled)) == (10, 10)
    with pytest.raises(InputError, match="only 10 labelled rows"):
        few_label_split(train, rows(3, 1000), 11, seed=0)
    assert len(few_label_split(train, rows(3, 1000), 11, seed=0, fewer=True).corpus.labelled) == 10
    with pytest.raises(InputError, match="no labelled row is left"):
        few_label_split(rows(6), rows(6), 6, seed=0, fewer=True)


def test_one_class_is_refused() -> None:
    with pytest.raises(InputError, match="all 'a': raise the label budget"):
        few_label_split(rows(30, classes=["a"]), rows(3, 1000), 5, seed=0)


def test_development_rows_are_always_the_same_and_never_trained_on() -> None:
    rest, development = set_development_rows_aside(rows(300))
    again, _ = set_development_rows_aside(rows(300))
    assert (len(rest), len(development)) == (270, 30)
    assert rest["text"][:] == again["text"][:]
    assert not set(rest["text"]) & set(development["text"])
    assert len(set_development_rows_aside(rows(12_000))[1]) == 1000


@pytest.mark.parametrize(
    ("text", "n_train", "expected"),
    [("1%", 5452, 55), ("2%", 5452, 109), ("0.01%", 392_702, 39), ("100", 5452, 100), ("1234567", 9, 1234567)],
)
def test_budgets(text: str, n_train: int, expected: int) -> None:
    assert Budget.parse(text).rows(n_train) == expected
    assert str(Budget.parse(text)) == text


@pytest.mark.parametrize("text", ["", "%", "many", "0", "-1%", "101%", "nan", "inf", "0.3", "2.5"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="label budget"):
        Budget.parse(text)
