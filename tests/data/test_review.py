"""What is said of the data before training: the numbers, and each slip in a line of its own that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ganbert.data.corpus import Corpus, corpus_of_texts, read_corpus
from ganbert.data.review import describe, slips
from ganbert.data.rows import TableOptions

SENTENCES = ["where is my parcel", "the driver was late", "refund my card", "a box was open", "pay by card", "i moved"]


def corpus(
    labels: Sequence[str | None], texts: Sequence[str] | None = None, pairs: Sequence[str] | None = None
) -> Corpus:
    names = sorted({label for label in labels if label is not None})
    ids = [-100 if label is None else names.index(label) for label in labels]
    texts = texts or [f"{SENTENCES[i % len(SENTENCES)]} {i}" for i in range(len(labels))]
    return corpus_of_texts(texts, ids, names, pairs)


def only_slip(given: Corpus) -> str:
    (line,) = slips(given)
    assert "\n" not in line
    return line


# What was read


def test_rows_and_classes_are_counted() -> None:
    read = corpus(["ham"] * 3 + ["spam"] * 2 + [None] * 1200)
    assert describe(read) == [
        "1,205 rows to train on: 5 labelled in 2 classes, 1,200 unlabelled",
        "labelled rows of each class: 'ham' 3, 'spam' 2",
    ]


def test_held_out_rows_and_what_was_left_out_are_counted() -> None:
    read = corpus(["ham", "spam"])
    part = read.train
    assert describe(replace(read, validation=part, test=part.select([0]), n_skipped=3, n_blank=1))[2:] == [
        "2 rows to choose the best checkpoint by",
        "1 row to test on",
        "left out: 3 rows without text, 1 blank line",
    ]


def test_of_many_classes_the_largest_and_smallest_stand_for_all() -> None:
    labels = [f"c{i:02}" for i in range(25) for _ in range(30 - i)]
    line = describe(corpus(labels))[1]
    assert line.startswith("labelled rows of each class: 'c00' 30, 'c01' 29, ")
    assert "'c09' 21, ... (5 more classes) ..., 'c15' 15, " in line
    assert line.endswith("'c24' 6")
    twenty = describe(corpus([label for label in labels if label < "c20"]))[1]
    assert twenty == "labelled rows of each class: " + ", ".join(f"'c{i:02}' {30 - i}" for i in range(20))


def test_names_are_short_and_printable() -> None:
    line = describe(corpus(["a\x1b[31m\nb", "w" * 100, "w" * 100, "cafe\u0301", "caf\u00e9"]))[1]
    assert "'a\\x1b[31m\\nb' 1" in line
    assert f"'{'w' * 37}...' 2" in line
    assert "'cafe\\u0301' 1" in line
    assert "'caf\\xe9' 1" in line


# Nothing to say


def test_sound_data_has_no_slips() -> None:
    assert slips(corpus(["ham"] * 3 + ["spam"] * 3 + [None] * 6)) == []
    numbers = [f"{i}" if i % 2 else f"parcel {i} is late" for i in range(20)]
    assert slips(corpus(["1", "2"] * 10, numbers)) == []
    assert slips(corpus(["x", "y"] * 3, ["我有3个苹果", "他有5本书"] * 3, [f"pair {i}" for i in range(6)])) == []


def test_classes_without_a_row_are_no_slip_nor_is_a_pile_without_a_label() -> None:
    some = corpus_of_texts(SENTENCES, [0, 0, 1, 1, -100, -100], ["ham", "spam", *(f"class {i}" for i in "abcdefg")])
    assert slips(some) == []
    none = corpus_of_texts(SENTENCES, [-100] * 6, ["ham", "spam"])
    assert slips(replace(none, test=some.train.select([0, 2]))) == []
    assert describe(none) == [
        "6 rows to train on: 0 labelled in 2 classes, 6 unlabelled",
        "labelled rows of each class: 'ham' 0, 'spam' 0",
    ]


# Labels


def test_classes_with_one_row_are_named() -> None:
    assert only_slip(corpus(["ham"] * 9 + ["spam"] * 9 + ["eggs"])) == (
        "1 class with one labelled row only, 'eggs' (1 row): label more such rows, or correct the label"
    ).replace(" (1 row)", "")
    line = only_slip(corpus(["ham"] * 9 + list("abcde")))
    assert line.startswith("5 classes with one labelled row only, 'a', 'b', 'c' and 2 more: ")


def test_labels_that_look_alike_are_named_with_their_rows() -> None:
    labels = ["Ham"] * 2 + ["ham"] * 3 + ["ham\u200b"] * 2 + ["cafe\u0301"] * 2 + ["caf\u00e9"] * 4 + ["x"] * 2
    assert only_slip(corpus(labels)) == (
        "labels that look alike are separate classes: 'Ham' (2 rows), 'ham' (3 rows), 'ham\\u200b' (2 rows); "
        "'cafe\\u0301' (2 rows), 'caf\\xe9' (4 rows) (--normalize-labels merges them)"
    )


def test_equal_numbers_are_named() -> None:
    assert only_slip(corpus(["7"] * 2 + ["007"] * 3 + ["1.5"] * 2 + ["x"] * 2)) == (
        "labels that are the same number are separate classes: '007' (3 rows), '7' (2 rows): "
        "write them alike if they are one class"
    )


@pytest.mark.parametrize("name", ["nan", "None", "N/A", "null", "-"])
def test_words_for_no_label_are_named(name: str) -> None:
    assert only_slip(corpus([name] * 2 + ["ham"] * 2)) == (
        f"'{name}' (2 rows) is a class like any other: if it means that there is no label, "
        f"say so with --none-label '{name}'"
    )


def test_contradicting_labels_are_counted_and_three_are_named() -> None:
    texts = [f"text {i // 2}" for i in range(10)] + ["x" * 90, "x" * 90, "text 9"]
    labels = ["a", "b"] * 4 + ["a", "a", "b", "a", "b"]
    assert only_slip(corpus(labels, texts)) == (
        "5 texts stand with different labels: 'text 0' ('a', 'b'), 'text 1' ('a', 'b'), 'text 2' ('a', 'b'): "
        "correct the labels that are wrong"
    )
    longest = only_slip(corpus([*labels[8:], "a", "b"], [*texts[8:], *SENTENCES[:2]]))
    assert longest.startswith(f"1 text stands with different labels: '{'x' * 37}...' ('a', 'b'): ")


def test_contradictions_between_parts_are_found_and_unlabelled_rows_contradict_nothing() -> None:
    train = corpus(["a", "b", "a", "b", None, None], ["s", "t", "u", "v", "s", "t"])
    test = corpus(["a", "b", "a"], ["t", "v", "w"]).train
    assert slips(train) == []
    assert only_slip(replace(train, test=test)).startswith("1 text stands with different labels: 't' ('a', 'b'): ")
    unseen = corpus_of_texts(["t"], [7], ["a", "b"]).train
    assert "'t' ('b', '(in no training row)')" in only_slip(replace(train, test=unseen))


def test_pairs_contradict_as_pairs() -> None:
    labels = ["a", "b", "a", "b", "b"]
    read = corpus(labels, ["s", "s", "t", "t", "u"], ["1 x", "2 x", "3 x", "3 x", "4 x"])
    assert only_slip(read).startswith("1 text stands with different labels: 't | 3 x' ('a', 'b'): ")


# Columns


def test_labels_that_are_ids_are_told() -> None:
    line = only_slip(corpus([f"id{i}" for i in range(50)] + [None] * 50))
    assert line.startswith("nearly every labelled row has a class of its own (50 classes, 50 labelled rows): ")
    assert "--label-column" in line


def test_swapped_columns_are_told() -> None:
    texts = [f"{' '.join(SENTENCES)} {i}" for i in range(10)]
    line = only_slip(corpus(texts, [f"{'ham' if i % 2 else 'spam'}" for i in range(10)]))
    assert line.startswith("labels are mostly long texts, such as 'where is my parcel the driver was lat...': ")
    assert "--text-column and --label-column" in line


@pytest.mark.parametrize("make", [str, "{}.5".format, "MSG-{:05}".format, "2020-01-{:02}".format, " {} ".format])
def test_texts_that_are_numbers_or_codes_are_told(make: object) -> None:
    assert callable(make)
    line = only_slip(corpus(["ham", "spam"] * 10, [make(i) for i in range(20)]))
    assert line.startswith(
        f"texts are mostly numbers or codes, such as {make(0)!r}: does column 'text' hold the texts?"
    )
    assert line.endswith("(--text-column names it)")


def test_second_texts_that_are_numbers_are_told() -> None:
    line = only_slip(corpus(["ham", "spam"] * 3, SENTENCES, [str(i) for i in range(6)]))
    assert "does column 'text_pair' hold the texts? (--text-pair-column names it)" in line


def test_one_text_over_and_over_is_told() -> None:
    read = corpus([None] * 30 + ["a", "a", "b", "b"], ["same"] * 30 + SENTENCES[:4])
    assert only_slip(read) == (
        "88% of the texts are one and the same, 'same': does column 'text' hold the texts? (--text-column names it)"
    )


def test_columns_are_named_as_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,message,kind\n" + "".join(f"{i},text {i},{'xy'[i % 2]}\n" for i in range(9)), encoding="utf-8")
    read = read_corpus([path], TableOptions("id", label_column="kind"))
    assert "does column 'id' hold the texts?" in only_slip(read)
    assert slips(read_corpus([path], TableOptions("message", label_column="kind"))) == []


def test_many_rows_are_sampled() -> None:
    n = 30_000
    texts = [str(i) if i % 3 else f"{SENTENCES[i % 6]} {i}" for i in range(n)]
    assert only_slip(corpus(["a", "b"] * 5 + [None] * (n - 10), texts)).startswith("texts are mostly numbers or codes")
