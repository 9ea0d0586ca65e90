"""Texts, labels and weights from lists, arrays, series and frames."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from sklearn.exceptions import DataConversionWarning

from ganbert.data.arrays import corpus_of_arrays, labels_of, minus_one_slip, names_of_classes, texts_of, weights_of

TEXTS = ["red", "cat", "saw"]


@pytest.mark.parametrize(
    ("y", "rows", "known"),
    [
        (["d", None, "p"], [0, 2], ["d", "p"]),
        (["d", float("nan"), "p"], [0, 2], ["d", "p"]),
        (["d", -1, "p"], [0, 2], ["d", "p"]),
        (["d", "", " ", "\u200b", "p"], [0, 4], ["d", "p"]),
        (["d", pd.NA, pd.NaT, Decimal("nan"), np.float32("nan"), -1.0, "p"], [0, 6], ["d", "p"]),
        (np.array(["d", np.nan, "p"]), [0, 2], ["d", "p"]),  # NumPy has made it "nan"
        (np.array([["d"], ["nan"], ["p"]])[:, 0], [0, 2], ["d", "p"]),
        (["d", "nan", "p"], [0, 1, 2], ["d", "nan", "p"]),  # somebody wrote it
        (np.array(["d", "nan", "p"], dtype=object), [0, 1, 2], ["d", "nan", "p"]),
        (np.array(["-1", "0", "1"]), [0, 1, 2], ["-1", "0", "1"]),  # the number is no label, the text is one
        ([0, 1, -1], [0, 1], [0, 1]),
        ([0, 1, -2], [0, 1, 2], [0, 1, -2]),
        ([1, 1.0, 2.5], [0, 1, 2], [1.0, 1.0, 2.5]),
        ([True, False, None], [0, 1], [True, False]),
        (pd.Series(["d", None, "p"]), [0, 2], ["d", "p"]),
        (pd.Series(["d", None, "p"], dtype="category"), [0, 2], ["d", "p"]),
        (pd.Categorical([3, None, 5]), [0, 2], [3, 5]),
        (pd.Series(["d", None, "p"], dtype="string[pyarrow]"), [0, 2], ["d", "p"]),
        (pd.Series([3, None, 5], dtype="int64[pyarrow]"), [0, 2], [3, 5]),
        (pd.Series([3, None, 5], dtype="Int64", index=[7, 7, 7]), [0, 2], [3, 5]),
        (pd.array([True, None, False], dtype="boolean"), [0, 2], [True, False]),
        (pa.chunked_array([["d"], [None, "p"]]), [0, 2], ["d", "p"]),
        (np.array(["d", "", "p"], dtype=np.dtypes.StringDType()), [0, 2], ["d", "p"]),
        (torch.tensor([3, -1, 5]), [0, 2], [3, 5]),
        ((name for name in ("d", None, "p")), [0, 2], ["d", "p"]),
        ([10**30, None, 10**30 + 1], [0, 2], [10**30, 10**30 + 1]),
    ],
)
def test_what_says_that_there_is_no_label(y: Any, rows: list[int], known: list[Any]) -> None:
    found_rows, found = labels_of(y)

    assert found_rows.tolist() == rows
    assert found.tolist() == known
    assert [type(label) for label in found.tolist()] == [type(label) for label in known]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, "1", 2], r"y mixes numbers \(1 in row 0\) and text \('1' in row 1\)"),
        (["True", True], r"y mixes text \('True' in row 0\) and truth values \(True in row 1\)"),
        ([1, True], "y mixes numbers .* and truth values"),
        ([2**53 + 1, 2.0**53, 0.5], "the same number in float64"),
        ([b"d", b"p"], "y, row 0: a label is text, a number or a truth value, not bytes"),
        (np.array([b"d", b"p"]), r"y is \|S1: give a list of labels"),
        (np.array(["2020-01-01"], dtype="datetime64[ns]"), r"y is datetime64\[ns\]"),
        (["d", date(2020, 1, 1)], "y, row 1: .* not date"),
        ([0, Decimal(1)], "y, row 1: .* not Decimal"),
        ([0, float("inf")], "y, row 1: inf is no label"),
        ([["d"], ["p", "q"]], "y, row 0: .* not list"),
        ([["d", "p"], ["p", "d"]], r"got an array of shape \(2, 2\)"),
        (pd.DataFrame({"a": ["d"], "b": ["p"]}), r"got an array of shape \(1, 2\)"),
        ("dp", "y is one string"),
        ({"d": 1}, "y is dict"),
        (5, "y is int"),
        (None, "y is None"),
    ],
)
def test_labels_that_cannot_be_told_apart_or_used_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        labels_of(y)


@pytest.mark.parametrize(
    "y",
    [
        np.array([["d"], ["nan"], ["p"]]),
        np.array([["d"], [None], ["p"]], dtype=object),
        [["d"], [None], ["p"]],
        pd.DataFrame({"label": ["d", None, "p"]}),
    ],
)
def test_a_column_of_labels_is_taken_with_the_warning_of_scikit_learn(y: Any) -> None:
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        rows, known = labels_of(y)

    assert rows.tolist() == [0, 2]
    assert known.tolist() == ["d", "p"]


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.float32, np.float16, np.bool_, "<U7"])
def test_the_dtype_of_an_array_is_kept(dtype: Any) -> None:
    assert labels_of(np.array([0, 1, 1], dtype=dtype))[1].dtype == np.dtype(dtype)


def test_texts_of_all_kinds_are_read_alike() -> None:
    def generator() -> Iterator[str]:
        yield from TEXTS

    arrow = pd.Series(TEXTS, dtype="string[pyarrow]")
    for X in (  # noqa: N806
        TEXTS, tuple(TEXTS), generator(), np.array(TEXTS), np.array(TEXTS, dtype=object).reshape(-1, 1), arrow,
        pd.Series(TEXTS, dtype="category"), pd.DataFrame({"t": arrow}), pa.array(TEXTS), [[text] for text in TEXTS],
    ):  # fmt: skip
        assert texts_of(X, empty=False) == (TEXTS, None)
    pairs = list(zip(TEXTS, reversed(TEXTS), strict=True))
    for X in (pairs, np.array(pairs), pd.DataFrame(pairs), (pair for pair in pairs)):  # noqa: N806
        assert texts_of(X, empty=False) == (TEXTS, TEXTS[::-1])
    assert all(type(text) is str for text in texts_of(np.array(TEXTS), empty=False)[0])
    assert texts_of(["", " "], empty=True) == (["", " "], None)
    assert texts_of([], empty=True) == ([], None)


def test_polars_is_read_like_pandas() -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")

    assert texts_of(polars.Series(TEXTS), empty=False) == (TEXTS, None)
    assert texts_of(polars.DataFrame({"a": TEXTS, "b": TEXTS}), empty=False) == (TEXTS, TEXTS)
    assert labels_of(polars.Series([3, None, 5]))[1].tolist() == [3, 5]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (["red", float("nan")], "X, row 1: float is not a text"),
        (["red", b"cat"], "X, row 1: bytes is not a text"),
        (pd.Series(["red", None], dtype="string"), "X, row 1: NAType is not a text"),
        (["red", ["cat"]], "X, row 1: list is not a text"),
        ([("red", "cat"), "ab"], "X, row 1: holds rows of texts"),  # "ab" is no pair of letters
        ([("red", "cat"), ("saw",)], "X, row 1: holds rows of texts"),
        ([("a", "b", "c")], "X, row 0: holds rows of texts"),
        ([("red", "cat"), ("saw", None)], "X, row 1: NoneType is not a text"),
        (["red", " \n"], "X, row 1: empty text"),
        ([("red", "cat"), ("saw", "")], "X, row 1: empty text"),
        (["red", "ca\ud83d"], "X, row 1: .*lone surrogate"),
        ("red", "X is one string"),
        ({"text": ["red"]}, "X is dict"),
        ({"red", "cat"}, "X is set"),
        (3, "X is int"),
    ],
)
def test_what_is_no_text_is_refused_with_its_row(X: Any, message: str) -> None:  # noqa: N803
    with pytest.raises(ValueError, match=message):
        texts_of(X, empty=False)


def test_weights_are_numbers_of_0_or_above_one_for_each_row() -> None:
    assert weights_of(2, 3).tolist() == [2.0, 2.0, 2.0]
    assert weights_of(pd.Series([0, 1, 0.5]), 3).tolist() == [0.0, 1.0, 0.5]
    for wrong, message in (
        ([1, 2], r"shape \(2,\), and X has 3 texts"),
        ([[1], [2], [3]], r"shape \(3, 1\)"),
        ([1, -1, 1], "row 1: -1.0"),
        ([1, 1, np.nan], "row 2: nan"),
        ([np.inf, 1, 1], "row 0: inf"),
    ):
        with pytest.raises(ValueError, match=message):
            weights_of(wrong, 3)


def test_a_corpus_holds_weights_relative_to_their_mean_over_labelled_rows() -> None:
    texts, labels = ["a", "b", "c", "d", "e"], ["x", "y", None, "x", None]

    classes, corpus = corpus_of_arrays(texts, labels, [1, 5, 7, 0, 0])

    assert classes.tolist() == ["x", "y"]
    assert corpus.train["text"][:] == ["a", "b", "c"]  # nothing is left of rows of weight 0
    assert corpus.train["label"][:] == [0, 1, -100]
    assert corpus.train["weight"][:2] == pytest.approx([1 / 3, 5 / 3])
    for equal in (None, 1, [3, 3, 0.5, 3, 2]):
        assert "weight" not in corpus_of_arrays(texts, labels, equal)[1].train.column_names
    with pytest.raises(ValueError, match="1 class"):
        corpus_of_arrays(texts, labels, [1, 0, 1, 1, 1])
    with pytest.raises(ValueError, match="0 class"):
        corpus_of_arrays(texts, labels, 0)


def test_classes_are_named_by_the_rule_of_tables() -> None:
    assert names_of_classes([1.0, 2.5, 1e16]) == ["1", "2.5", "10000000000000000"]
    assert names_of_classes([False, True]) == ["false", "true"]
    assert names_of_classes(["007", "spam"]) == ["007", "spam"]
    assert names_of_classes([np.float32(0.1), np.float16(0.3)]) == ["0.1", "0.3"]
    with pytest.raises(ValueError, match=r"labels '1' and '1.0' mean one class, '1'"):
        names_of_classes(["1", "1.0"])


def test_the_text_minus_one_among_words_is_named() -> None:
    assert str(minus_one_slip(np.array(["ham", "spam", -1]).tolist())).startswith("y: '-1' is a text")
    assert minus_one_slip(["-1", "0", "+1"]) is None
    assert minus_one_slip(["ham", "spam"]) is None
    assert minus_one_slip([-1.5, 2.0]) is None
