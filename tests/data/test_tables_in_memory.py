"""Tables of pandas, polars, pyarrow and datasets: read as files are, and refused by their place among the arguments."""

from __future__ import annotations

import datetime
import importlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ganbert.data.corpus import read_corpus, read_labelled
from ganbert.data.rows import TableOptions
from ganbert.errors import InputError

TEXTS = ["a", "b", "c", "d"]
LABELS = ["ham", None, "spam", "ham"]


class Exporting:
    """A table of a library that nobody knows, with the Arrow interface."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def polars(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("polars").DataFrame(columns)


def class_labels(columns: dict[str, list[Any]]) -> datasets.Dataset:
    names = sorted({label for label in columns["label"] if label is not None})
    ids = [-1 if label is None else names.index(label) for label in columns["label"]]
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
    return datasets.Dataset.from_dict({"text": columns["text"], "label": ids}, features)


KINDS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "pandas with an index": lambda columns: pd.DataFrame(columns, index=range(10, 10 + len(columns["text"]))),
    "pandas with categories": lambda columns: pd.DataFrame(columns).astype({"label": "category"}),
    "pyarrow": pa.table,
    "a record batch": lambda columns: pa.table(columns).to_batches()[0],
    "polars": polars,
    "polars with categories": lambda columns: polars(columns).cast(
        {"label": importlib.import_module("polars").Categorical}
    ),
    "datasets": datasets.Dataset.from_dict,
    "datasets with class labels": class_labels,
    "rows of a data set": lambda columns: datasets.Dataset.from_dict(
        {name: cells[::-1] for name, cells in columns.items()}
    ).select(range(len(columns["text"]) - 1, -1, -1)),
    "another library": lambda columns: Exporting(pa.table(columns)),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_every_kind_of_table_gives_the_rows_of_a_file(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    table = make({"text": TEXTS, "label": LABELS})

    for corpus in (read_corpus([table]), read_corpus(table, test=make({"text": TEXTS[:1], "label": ["spam"]}))):
        assert corpus.label_names == ("ham", "spam")
        assert corpus.train.to_dict() == {"text": TEXTS, "label": [0, -100, 1, 0]}
        assert corpus.files == ()
        assert corpus.notes == ()
        assert corpus.columns == {"text": "text", "label": "label"}
    assert corpus.test is not None
    assert corpus.test.to_dict() == {"text": ["a"], "label": [1]}
    assert read_labelled(make({"text": ["x"], "label": ["b"]}), TableOptions(), ["a", "b"]).dataset["label"][:] == [1]


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "polars", "datasets"])
def test_many_rows_are_read_in_order(kind: str) -> None:
    n = 10_000
    table = KINDS[kind]({"text": [f"t{i}" for i in range(n)], "label": ["x", "y"] * (n // 2)})
    corpus = read_corpus([table])
    assert corpus.train["text"][:] == [f"t{i}" for i in range(n)]
    assert corpus.labels.tolist() == [0, 1] * (n // 2)


def test_files_and_tables_are_read_together(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,x\n")
    frame = pd.DataFrame({"text": ["b"], "label": ["y"]})
    corpus = read_corpus([str(path), frame], unlabelled=pd.DataFrame({"text": ["c"]}))
    assert corpus.train.to_dict() == {"text": ["a", "b", "c"], "label": [0, 1, -100]}
    assert corpus.files == (path.resolve(),)


def test_other_columns_do_not_matter() -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS, "other": [object(), 1, "x", None], 7: range(4)})
    assert read_corpus([frame]).labels.tolist() == [0, -100, 1, 0]


@pytest.mark.parametrize(
    ("cells", "names", "ids"),
    [
        ([1, 2, 1], ("1", "2"), [0, 1, 0]),
        ([1.0, np.nan, 2.0], ("1", "2"), [0, -100, 1]),
        ([True, False, None], ("false", "true"), [1, 0, -100]),
        (["x", 1, 1.0], ("1", "x"), [1, 0, 0]),  # a column of several kinds of values
        (["x", float("nan"), 2], ("2", "x"), [1, -100, 0]),
        (["x", True, None], ("true", "x"), [1, 0, -100]),
        (pd.array(["x", pd.NA, "y"], dtype="string"), ("x", "y"), [0, -100, 1]),
        (pd.array([3, None, 4], dtype="Int64"), ("3", "4"), [0, -100, 1]),
        ([datetime.date(2020, 1, 31), datetime.date(2020, 2, 1), None], ("2020-01-31", "2020-02-01"), [0, 1, -100]),
        ([Decimal("1.50"), Decimal(2), None], ("1.5", "2"), [0, 1, -100]),
        ([["x"], ["y"], None], ("x", "y"), [0, 1, -100]),
        ([["x"], "y", None], ("x", "y"), [0, 1, -100]),
        (pd.arrays.SparseArray([0, 1, 1]), ("0", "1"), [0, 1, 1]),
        ([2**70, 1, None], ("1", str(2**70)), [1, 0, -100]),
    ],
    ids=str,
)
def test_labels_of_pandas_become_classes_by_the_rule_of_all_tables(
    cells: Any, names: tuple[str, ...], ids: list[int]
) -> None:
    corpus = read_corpus([pd.DataFrame({"text": ["a", "b", "c"], "label": cells})])
    assert (corpus.label_names, corpus.labels.tolist()) == (names, ids)


def refusal(*tables: Any, **others: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_corpus(list(tables), **others)
    assert "\n" not in str(caught.value)
    return str(caught.value)


GOOD = pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]})


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_an_odd_row_is_refused_by_table_row_and_column(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    bad = make({"text": ["a", "b", "c", ""], "label": ["x", "y", "x", "y"]})
    expected = "row 4, column 'text': empty text (--skip-empty drops and counts such rows)"
    assert refusal(bad) == f"table 1, {expected}"
    assert refusal(GOOD, bad) == f"table 2, {expected}"
    assert refusal(GOOD, labelled=[GOOD, bad]) == f"labelled table 2, {expected}"
    assert refusal(GOOD, unlabelled=bad) == f"unlabelled table 1, {expected}"
    assert refusal(GOOD, validation=bad) == f"validation table, {expected}"
    assert refusal(GOOD, test=bad) == f"test table, {expected}"


def test_what_is_wrong_with_a_table_is_told_as_of_a_file() -> None:
    assert refusal(GOOD, GOOD[["label"]]) == "table 2, column 'text': no such column; the columns here are 'label'"
    assert refusal(GOOD[["text"]]).startswith("table 1, column 'label': no such column")
    assert refusal(GOOD, test=GOOD.assign(label="z")).startswith(
        "test table, row 1, column 'label': label 'z' is in no training row"
    )
    assert refusal(GOOD, GOOD.assign(text_pair="c")) == "table 1: no text pair column, though table 2 has one"
    assert refusal(GOOD.assign(label="x")).startswith("one class only in table 1, 'x'")
    assert refusal(GOOD.assign(text=[b"a", b"b"])) == "table 1, row 1, column 'text': holds binary, not text"
    assert refusal(GOOD.assign(label=pd.Series([{"a": 1}, "x"]))).startswith(
        "table 1, row 1, column 'label': a label is one word"
    )
    assert refusal(GOOD.iloc[:0]).startswith("no labelled row in table 1")
    assert refusal(GOOD, test=GOOD.iloc[:0]) == "test table: the test table has no rows"
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    assert refusal(twice) == "table 1, column 'text': more than one column has this name"


def test_bytes_of_every_arrow_type_are_no_text() -> None:
    for kind in (pa.binary(), pa.large_binary(), pa.binary(1), pa.binary_view()):
        table = pa.table({"text": pa.array([b"a", b"b"], kind), "label": ["x", "y"]})
        assert refusal(table) == f"table 1, row 1, column 'text': holds {kind}, not text"


def test_text_that_is_not_utf_8_is_refused() -> None:
    offsets = np.array([0, 1, 2], dtype=np.int32)
    text = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(b"a\xff")])
    assert refusal(pa.table({"text": text, "label": ["x", "y"]})).startswith("table 1: cannot be read: ")


def test_what_is_no_table_is_refused() -> None:
    assert refusal(GOOD, {"text": ["a"]}) == (
        "table 2: is dict: give a path, or a table of pandas, polars, pyarrow or datasets"
    )
    assert refusal(7).startswith("table 1: is int: ")
    splits = datasets.DatasetDict(train=datasets.Dataset.from_pandas(GOOD), test=datasets.Dataset.from_pandas(GOOD))
    assert refusal(splits) == "table 1: holds the splits 'train', 'test': give one of them, as splits['train']"
    assert refusal() == "no table to train on"
