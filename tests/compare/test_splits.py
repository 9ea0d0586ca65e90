"""Splits: nested, free of what is measured on, and said in full."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from datasets import Dataset
from numpy.typing import NDArray

from ganbert.compare.splits import (
    Budget,
    Split,
    as_recorded,
    few_label_split,
    set_development_rows_aside,
    subset_split,
)
from ganbert.data.class_names import ClassNames
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
    [
        ("0", 5452, 0),
        ("1%", 5452, 55),
        ("2%", 5452, 109),
        ("0.01%", 392_702, 39),
        ("100", 5452, 100),
        ("1234567", 9, 1234567),
    ],
)
def test_budgets(text: str, n_train: int, expected: int) -> None:
    assert Budget.parse(text).rows(n_train) == expected
    assert str(Budget.parse(text)) == text


@pytest.mark.parametrize("text", ["", "%", "many", "-1", "0%", "-1%", "101%", "nan", "inf", "0.3", "2.5"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="label budget"):
        Budget.parse(text)


def test_a_published_subset_is_a_budget_where_there_is_one() -> None:
    assert Budget.parse_all("50, few_5,1%,few_5", ["few_5"]) == ["50", "few_5", "1%"]
    with pytest.raises(InputError, match=r"label budget 'few_5': write a number .* 1%$"):
        Budget.parse("few_5")
    with pytest.raises(InputError, match=r"or a subset: few_10, few_5$"):
        Budget.parse("few_7", ["few_5", "few_10"])


def test_a_published_subset_has_the_labels_and_all_other_rows_have_none() -> None:
    train, test = rows(60), rows(6, 57)  # texts 57 to 59 are in both
    few = Dataset.from_dict({"text": ["text 4", "text 58", "text 7", "other"], "label": ["b", "b", "b", "a"]})
    split = subset_split(train, test, few)
    assert labelled_texts(split) == ["text 4", "text 7", "other"]
    assert split.corpus.label_names == ("a", "b")
    assert len(split.corpus.unlabelled) == 60 - 3 - 2
    assert not {"text 4", "text 7", "text 58"} & set(split.corpus.train.select(split.corpus.unlabelled)["text"])
    assert (split.n_removed, split.whole, split.unseen) == (4, True, {"c": 2})


NAMES: ClassNames = {"a": ("first",), "c": ("third", "the last"), "z": ("never seen",)}


def test_a_class_with_a_name_is_known_without_a_labelled_row() -> None:
    train = rows(60, classes=["a", "b"])
    test = Dataset.from_dict({"text": ["x", "y", "z", "w"], "label": ["a", "c", "new", "b"]})
    plain, named = (few_label_split(train, test, 10, seed=0, class_names=names) for names in (None, NAMES))
    assert plain.corpus.label_names == ("a", "b")
    assert (plain.unseen, plain.ceiling) == ({"c": 1, "new": 1}, 0.5)
    assert named.corpus.label_names == ("a", "b", "c", "z")
    assert (named.unseen, named.ceiling) == ({"new": 1}, 0.75)
    assert named.named_rows == (["first", "third", "the last", "never seen"], [0, 2, 2, 3])
    assert labelled_texts(named) == labelled_texts(plain)
    assert (plain.facts()["n_names"], named.facts()["n_names"]) == (0, 4)
    other = few_label_split(train, test, 10, seed=0, class_names={**NAMES, "a": ("foremost",)})
    assert len({plain.hash, named.hash, other.hash}) == 3


def test_with_class_names_no_label_is_needed() -> None:
    split = few_label_split(rows(500), rows(3, 1000), 0, seed=0, class_names=NAMES)
    assert (len(split.corpus.labelled), len(split.corpus.unlabelled)) == (0, 300)
    assert split.corpus.label_names == ("a", "c", "z")
    with pytest.raises(InputError, match=r"label budget 0: .*--names"):
        few_label_split(rows(500), rows(3, 1000), 0, seed=0)
    one = few_label_split(rows(30, classes=["a"]), rows(3, 1000), 5, seed=0, class_names=NAMES)
    assert one.corpus.label_names == ("a", "c", "z")
    with pytest.raises(InputError, match="all 'a'"):
        few_label_split(rows(30, classes=["a"]), rows(3, 1000), 5, seed=0, class_names={"a": ("first",)})


def test_names_of_which_none_is_a_label_of_the_rows_are_refused() -> None:
    said = r"^--names: the rows have no label 'A', 'B', but 'a', 'b', 'c'; 'A' looks like 'a'"
    with pytest.raises(InputError, match=said):
        few_label_split(rows(30), rows(3, 1000), 10, seed=0, class_names={"A": ("first",), "B": ("second",)})


@dataclass(frozen=True)
class LastByText:
    """A selection that takes the last texts of the alphabet."""

    name: str = "last"

    def __call__(self, pool: Dataset, class_names: ClassNames, n: int, seed: int) -> NDArray[np.int64]:
        return np.argsort(pool["text"][:])[::-1][:n]


def test_a_selection_chooses_the_labelled_rows_and_all_others_are_unlabelled() -> None:
    train = Dataset.from_dict({"text": [f"t{i:02}" for i in range(30)], "label": ["a", None, "b"] * 10})
    split = few_label_split(train, rows(3, 1000), 4, seed=0, n_unlabelled=100, selection=LastByText())
    assert labelled_texts(split) == ["t29", "t27", "t26", "t24"]
    assert set(split.corpus.train["text"]) == set(train["text"])
    assert (split.selection, split.facts()["selection"]) == ("last", "last")
    drawn = few_label_split(train, rows(3, 1000), 4, seed=0, n_unlabelled=100)
    assert drawn.selection == "random"


def test_pairs_of_texts_have_no_names() -> None:
    train, test = (part.add_column("text_pair", ["x"] * len(part)) for part in (rows(30), rows(3, 1000)))
    with pytest.raises(InputError, match="--names: a name is one text, and these rows are pairs"):
        few_label_split(train, test, 10, seed=0, class_names=NAMES)
