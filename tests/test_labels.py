"""One label, one text, whatever its type; and what labels that look alike have in common."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ganbert.labels import is_word_for_none, label_text, look_alike_key

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 1.0, "1", "1.0", "1.00", " 1 ", np.int8(1), np.float16(1), np.float32(1), Decimal("1.00")), "1"),
        ((0, 0.0, -0.0, "0", "-0", "-0.0", Decimal("-0.0"), np.float64(-0.0)), "0"),
        ((-3, -3.0, "-3", "-3.0", np.float16(-3)), "-3"),
        ((1000, 1e3, "1000.0", "1e+03", Decimal("1E+3"), np.float16(1000)), "1000"),  # pandas writes half floats so
        ((1.5, "1.5", Decimal("1.50"), np.float16(1.5)), "1.5"),
        ((0.1, "0.1", np.float16(0.1), np.float32(0.1), Decimal("0.10")), "0.1"),
        ((True, np.True_, "true", "True", "TRUE", pd.array([True])[0]), "true"),
        ((False, np.False_, "false", "False", "FALSE"), "false"),
        ((10**16, 1e16, "1e+16", "10000000000000000", "10000000000000000.0", Decimal(10**16)), "10000000000000000"),
        ((2**60, 2.0**60, "1.152921504606847e+18"), "1152921504606846976"),
        ((b"ham", "ham", "ham\n", np.str_("ham"), np.bytes_(b"ham")), "ham"),
        ((datetime.date(2020, 1, 31), "2020-01-31", np.datetime64("2020-01-31")), "2020-01-31"),
    ],
)
def test_one_label_is_one_text(values: tuple[Any, ...], expected: str) -> None:
    assert [label_text(value) for value in values] == [expected] * len(values)
    assert {type(label_text(value)) for value in values} == {str}


@pytest.mark.parametrize(
    "text",
    [
        "007",
        "007.0",
        "1.10",
        "1.5",
        "1e3",
        "1e16",
        "2.5e+00",
        "1e+999",
        "+1",
        "1.",
        ".0",
        "1,0",
        "1.0.0",
        "v1.0",
        "tRUE",
        "yes",
        "nan",
        "None",
        "N/A",
        "-",
        "inf",
        "1 0",
        "１.0",
        "A\u200b",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert label_text(text) == text


@pytest.mark.parametrize("number", [2**53 + 1, 2**64, -(2**70) - 1, 12345678901234567890])
def test_integers_of_any_size_stay_exact(number: int) -> None:
    assert label_text(number) == label_text(str(number)) == label_text(f"{number}.0") == str(number)
    assert label_text(Decimal(number)) == str(number)


@pytest.mark.parametrize(
    "value",
    [
        None,
        NAN,
        np.float16("nan"),
        pd.NA,
        pd.NaT,
        np.datetime64("NaT"),
        Decimal("nan"),
        Decimal("snan"),
        "",
        "  ",
        "\t\n",
        "\xa0\u2003",
        "\u200b",
        "\ufeff ",
        np.str_(""),
    ],
)
def test_nothing_is_no_label(value: Any) -> None:
    assert label_text(value) is None


@pytest.mark.parametrize("value", [["a"], [], ("a",), {"a": 1}, {"a"}, np.array(["a", "b"])])
def test_lists_and_objects_are_no_labels(value: Any) -> None:
    with pytest.raises(TypeError, match="a label is one word or number, not "):
        label_text(value)


@pytest.mark.parametrize(
    "value", ["Payment", "1.0", "007", 1.5, True, 2**70, "1e+16", np.float32(0.3), Decimal("2.50")]
)
def test_a_text_that_was_made_a_label_stays(value: Any) -> None:
    assert label_text(label_text(value)) == label_text(value)


@pytest.mark.parametrize(
    "alike",
    [
        ("Payment", "payment", " PAYMENT ", "pay\u200bment", "\ufeffpayment", "pay\u00adment", "Ｐayment"),
        ("late parcel", "late  parcel", "late\u00a0parcel", "Late\u2003Parcel"),
        ("café", "cafe\u0301", "CAFÉ", "CAFE\u0301"),
        ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("❤", "❤\ufe0f"),
    ],
)
def test_labels_look_alike(alike: tuple[str, ...]) -> None:
    assert {look_alike_key(label) for label in alike} == {look_alike_key(alike[0])}


@pytest.mark.parametrize(
    ("one", "other"),
    [("cafe", "café"), ("late parcel", "lateparcel"), ("a-b", "a_b"), ("1", "01"), ("Maße", "Masse"), ("ham", "hams")],
)
def test_other_labels_do_not(one: str, other: str) -> None:
    assert look_alike_key(one) != look_alike_key(other)


def test_words_for_no_label() -> None:
    assert all(map(is_word_for_none, ["nan", "NaN", "None", "N/A", "null", "-", "<NA>", "n/a\u200b"]))
    assert not any(map(is_word_for_none, ["none of these", "0", "-1", "no", "name"]))
