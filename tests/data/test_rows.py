"""Tables of every layout as checked rows: labels as text, odd rows refused by place or counted, memory left alone."""

from __future__ import annotations

import datetime
import os
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from ganbert.data.cells import label_texts
from ganbert.data.rows import Rows, TableOptions, TableUse, check_tables, read_rows
from ganbert.errors import InputError

NAN = float("nan")


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def read(path: Path, use: Any = "optional", **options: Any) -> Rows:
    return read_rows([TableUse(path, use)], TableOptions(**options), path.parent / "rows.arrow")


def refusal(path: Path, use: Any = "optional", **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(path, use, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(str(path))


def table_of(rows: Rows) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = rows.with_labels().to_dict()
    return columns


def texts_labels(rows: Rows) -> list[tuple[str, str | None]]:
    table = table_of(rows)
    return list(zip(table["text"], table["label"], strict=True))


def class_label_folder(folder: Path) -> Path:
    path = folder / "table"
    features = Features({"text": Value("string"), "label": ClassLabel(names=["1", "2"])})
    Dataset.from_dict({"text": ["good", "bad", "odd"], "label": [0, -1, 1]}, features).save_to_disk(path)
    return path


TEXTS = ["good", "bad", "odd"]
LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "CSV with an empty label": lambda d: written(d / "t.csv", "text,label\ngood,1\nbad,\nodd,2\n"),
    "CSV with blanks around labels": lambda d: written(d / "t.csv", "label,text\n 1,good\n  ,bad\n2 ,odd\n"),
    "TSV": lambda d: written(d / "t.tsv", "text\tlabel\ngood\t1\nbad\t\nodd\t2\n"),
    "JSON Lines with null": lambda d: written(
        d / "t.jsonl",
        '{"text":"good","label":"1"}\n{"text":"bad","label":null}\n{"text":"odd","label":"2"}\n',
    ),
    "JSON Lines without the key": lambda d: written(
        d / "t.jsonl", '{"text":"good","label":1}\n{"text":"bad"}\n{"text":"odd","label":2}\n'
    ),
    "Parquet with floats and NaN": lambda d: parquet(d / "t.parquet", text=TEXTS, label=[1.0, NAN, 2.0]),
    "Parquet with floats and null": lambda d: parquet(d / "t.parquet", text=TEXTS, label=[1.0, None, 2.0]),
    "Parquet with integers and null": lambda d: parquet(d / "t.parquet", text=TEXTS, label=[1, None, 2]),
    "Parquet with strings": lambda d: parquet(d / "t.parquet", text=TEXTS, label=["1", "", "2"]),
    "Parquet with large strings": lambda d: parquet(
        d / "t.parquet", text=pa.array(TEXTS, pa.large_string()), label=pa.array(["1", None, "2"], pa.large_string())
    ),
    "Parquet with categories": lambda d: parquet(
        d / "t.parquet", text=TEXTS, label=pa.array(["1", None, "2"]).dictionary_encode()
    ),
    "datasets folder with ClassLabel": class_label_folder,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_same_rows(layout: Callable[[Path], Path], tmp_path: Path) -> None:
    path = layout(tmp_path)
    rows = read(path)
    assert table_of(rows) == {"text": TEXTS, "label": ["1", None, "2"]}
    assert (rows.labels.counts, rows.labels.first) == ({"1": 1, "2": 1}, {"1": 1, "2": 3})
    assert (rows.tables, rows.n_skipped, rows.has_pairs) == ((TableUse(path, "optional"),), 0, False)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1.0, 2.0], ["1", "2"]),
        ([0.5, 2.0, NAN], ["0.5", "2", None]),
        ([NAN, NAN], [None, None]),
        ([float("inf"), 1.0], ["inf", "1"]),  # more than an integer holds
        ([True, None], ["true", None]),
        (["", " ", "ham ", None], [None, None, "ham", None]),
        ([-1, 3], ["-1", "3"]),
        (["1.0", "1", "1.10", "007"], ["1", "1", "1.10", "007"]),
        (["True", "true"], ["true", "true"]),
        ([1.0, 0.5], ["1", "0.5"]),  # whatever else the column holds
        ([2**53 + 1, 2**63 - 1], ["9007199254740993", "9223372036854775807"]),
        (pa.array([1.0, 0.1, NAN, None], pa.float16()), ["1", "0.1", None, None]),
        (pa.array([0.1, -0.0], pa.float32()), ["0.1", "0"]),
        (pa.array([Decimal("1.00"), Decimal("1.50"), None]), ["1", "1.5", None]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([b"ham", None]), ["ham", None]),
        (pa.array(["a", None, "b"], pa.string_view()), ["a", None, "b"]),
        (pa.array([datetime.date(2020, 1, 31)]), ["2020-01-31"]),
    ],
)
def test_labels_become_text(cells: Any, expected: list[str | None]) -> None:
    assert label_texts(pa.chunked_array([cells]), Path("t"), 1, "label").to_pylist() == expected


def test_bytes_that_are_no_text_are_no_label(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", text=["a", "b"], label=[b"x", b"\xff"])
    assert refusal(path) == ", row 2, column 'label': a label is text, and the bytes b'\\xff' are not UTF-8"


def test_texts_are_kept_as_they_are(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", 'text,label\n" Ä, ""b""\nc ",x\n007,y\n')
    assert texts_labels(read(path)) == [(' Ä, "b"\nc ', "x"), ("007", "y")]


def test_columns_are_named_by_the_options(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,body,intent,label\nno,yes,greet,no\n")
    assert texts_labels(read(path, text_column="body", label_column="intent")) == [("yes", "greet")]


def test_the_encoding_is_that_of_the_options(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("text,label\nschön,x\n".encode("latin-1"))
    assert texts_labels(read(path, encoding="latin-1")) == [("schön", "x")]


# Pairs


def test_a_column_text_pair_makes_pairs(tmp_path: Path) -> None:
    rows = read(written(tmp_path / "t.csv", "text,text_pair,label\na,b,x\n"))
    assert rows.has_pairs
    assert table_of(rows) == {"text": ["a"], "text_pair": ["b"], "label": ["x"]}


def test_a_named_pair_column_is_taken_instead(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,text_pair,hypothesis,label\na,b,c,x\n")
    assert read(path, text_pair_column="hypothesis").texts["text_pair"][:] == ["c"]


def test_a_named_pair_column_must_be_there(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,text_pair,label\na,b,x\n")
    assert refusal(path, text_pair_column="hypothesis") == (
        ", column 'hypothesis': no such column; the columns here are 'text', 'text_pair', 'label'"
    )


def test_an_empty_second_text_is_refused_in_its_column(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,text_pair,label\na,b,x\na,,x\n")
    assert refusal(path).startswith(", row 2, column 'text_pair': empty text")


def test_a_pair_lacking_either_text_is_skipped(tmp_path: Path) -> None:
    rows = read(written(tmp_path / "t.csv", "text,text_pair,label\na,b,x\na, ,x\n,b,x\n,,\nc,d,y\n"), skip_empty=True)
    assert table_of(rows) == {"text": ["a", "c"], "text_pair": ["b", "d"], "label": ["x", "y"]}
    assert rows.labels.first == {"x": 1, "y": 5}  # row numbers count the dropped rows
    assert rows.n_skipped == 3


def test_a_pair_column_that_begins_later_is_refused(tmp_path: Path) -> None:
    lines = ['{"text":"a","label":"x"}'] * 4096 + ['{"text":"a","text_pair":"b","label":"x"}']
    assert refusal(written(tmp_path / "t.jsonl", "\n".join(lines))).startswith(", row 4097: the text pair column")


# Odd rows


@pytest.mark.parametrize("empty", ["", "   ", "\u00a0\u2003"])
@pytest.mark.parametrize("row", [1, 3, 4096, 4097, 4500])
def test_an_empty_text_is_refused_by_file_row_and_column(empty: str, row: int, tmp_path: Path) -> None:
    lines = ["x,word"] * 5000
    lines[row - 1] = f"x,{empty}"
    path = written(tmp_path / "t.csv", "label,body\n" + "\n".join(lines))
    with pytest.raises(InputError, match=r"empty text .*--skip-empty") as caught:
        read(path, text_column="body")
    assert str(caught.value).startswith(f"{path}, row {row}, column 'body': ")


def test_a_null_text_is_an_empty_text(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", text=["a", None], label=["x", "y"])
    assert refusal(path).startswith(", row 2, column 'text': empty text")


def test_empty_texts_are_dropped_and_counted_on_request(tmp_path: Path) -> None:
    lines = [f"{'' if i % 1000 == 0 else f'word{i}'},x{i}" for i in range(1, 5001)]
    rows = read(written(tmp_path / "t.csv", "text,label\n" + "\n".join(lines)), skip_empty=True)
    assert (rows.n_skipped, len(rows.texts)) == (5, 4995)
    kept = table_of(rows)
    assert kept["text"] == [f"word{label[1:]}" for label in kept["label"]]
    assert rows.labels.first == {f"x{i}": i for i in range(1, 5001) if i % 1000}  # rows count the dropped ones
    assert set(rows.labels.counts.values()) == {1}


def test_a_table_without_rows_is_no_rows(tmp_path: Path) -> None:
    rows = read(written(tmp_path / "t.csv", "text,label\n"))
    assert table_of(rows) == {"text": [], "label": []}


def test_a_missing_text_column_is_refused_with_those_there_are(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "sentence,label\na,x\n")
    assert refusal(path) == ", column 'text': no such column; the columns here are 'sentence', 'label'"


@pytest.mark.parametrize("use", ["optional", "required"])
def test_a_missing_label_column_is_refused(use: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,class\na,x\n")
    message = refusal(path, use, label_column="intent")
    assert message.startswith(", column 'intent': no such column")
    assert "--label-column" in message
    assert "--unlabeled" in message


def test_ignored_labels_are_neither_needed_nor_read(tmp_path: Path) -> None:
    assert texts_labels(read(written(tmp_path / "t.csv", "text\na\n"), "ignored")) == [("a", None)]
    assert texts_labels(read(written(tmp_path / "u.csv", "text,label\na,x\n"), "ignored")) == [("a", None)]
    nested = written(tmp_path / "v.jsonl", '{"text":"a","label":["x"]}')
    assert texts_labels(read(nested, "ignored")) == [("a", None)]


@pytest.mark.parametrize("row", [1, 2, 4097, 5000])
def test_a_label_that_is_required_is_missed_by_row(row: int, tmp_path: Path) -> None:
    lines = ["a,x"] * 5000
    lines[row - 1] = "a, "
    path = written(tmp_path / "t.csv", "text,kind\n" + "\n".join(lines))
    assert refusal(path, "required", label_column="kind") == (
        f", row {row}, column 'kind': no label: every row here needs one"
    )
    assert len(read(path, "optional", label_column="kind").texts) == 5000


def test_a_required_label_whose_key_begins_later_is_missed_in_the_first_row(tmp_path: Path) -> None:
    lines = ['{"text":"a"}'] * 4096 + ['{"text":"a","label":"x"}'] * 2
    path = written(tmp_path / "t.jsonl", "\n".join(lines))
    assert refusal(path, "required") == ", row 1, column 'label': no label: every row here needs one"
    assert table_of(read(path))["label"] == [None] * 4096 + ["x"] * 2


def test_nested_cells_are_refused(tmp_path: Path) -> None:
    lists = written(tmp_path / "t.jsonl", '{"text":["a","b"],"label":"x"}')
    assert refusal(lists).startswith(", row 1, column 'text': holds list<")
    labels = written(tmp_path / "u.jsonl", '{"text":"a","label":{"name":"x"}}')
    message = refusal(labels)
    assert message.startswith(", row 1, column 'label': a label is one word or number, not struct<")


MIXED = [
    ('"a"', '["b"]', ["a", "b"]),
    ('["a"]', '["b"]', ["a", "b"]),
    ('["a"]', "null", ["a", None]),
    ("1", '["1.0"]', ["1", "1"]),
    ('"[\\"a\\"]"', '["b"]', ['["a"]', "b"]),  # a text that looks like a list is a text
    ('["a"]', '[" "]', ["a", None]),
]


@pytest.mark.parametrize(("first", "second", "labels"), MIXED)
def test_a_list_of_one_text_is_that_text(first: str, second: str, labels: list[str | None], tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", f'{{"text":"u","label":{first}}}\n{{"text":["v"],"label":{second}}}')
    assert table_of(read(path)) == {"text": ["u", "v"], "label": labels}


def test_a_list_of_one_text_in_parquet(tmp_path: Path) -> None:
    for kind in (pa.list_(pa.string()), pa.large_list(pa.large_string()), pa.list_(pa.string(), 1)):
        labels = pa.array([["x"], None, ["y"]], kind)
        path = parquet(tmp_path / "t.parquet", text=pa.array([[text] for text in TEXTS], kind), label=labels)
        assert texts_labels(read(path)) == [("good", "x"), ("bad", None), ("odd", "y")]


@pytest.mark.parametrize("others", ['"x"', '["x"]', "null", "3"])
@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ('["x","y"]', "list<item: string> of length 2"),
        ("[]", "list<item: null> of length 0"),
        ("[null]", "list<item: null> of length 1"),
        ("[1]", "list<item: int64> of length 1"),
        ('[["x"]]', "list<item: list<item: string>> of length 1"),
        ('{"x":"y"}', "struct<x: string>"),
        ('[1,"x"]', "list<...> of length 2"),
        ('{"a\\nb":{"a long name":1,"another long name":2}}', "struct<a\\nb: struct<a long name: int...>"),
    ],
)
def test_other_lists_and_objects_are_refused_by_row(others: str, cell: str, kind: str, tmp_path: Path) -> None:
    rows = [f'{{"text":"t","label":{others}}}'] * 4100
    rows[4098] = f'{{"text":"t","label":{cell}}}'
    labels = written(tmp_path / "t.jsonl", "\n".join(rows))
    assert refusal(labels) == f", row 4099, column 'label': a label is one word or number, not {kind}"
    rows = ['{"text":"t","label":"x"}', f'{{"text":{cell},"label":"x"}}']
    texts = written(tmp_path / "u.jsonl", "\n".join(rows))
    assert refusal(texts) == f", row 2, column 'text': holds {kind}, not text"


def test_bytes_are_no_text(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", text=[b"a"], label=["x"])
    assert refusal(path) == ", row 1, column 'text': holds binary, not text"


# Labels that mean none


def test_a_label_that_means_none_is_none(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,label\na,x\nb,nan\nc, 0.0 \nd,NaN\ne,y\n")
    assert table_of(read(path, none_labels=("nan", "0")))["label"] == ["x", None, None, "NaN", "y"]
    assert table_of(read(path, none_labels=("nan",), normalize_labels=True))["label"] == ["x", None, "0", None, "y"]
    assert (
        refusal(path, "required", none_labels=("0",)) == ", row 3, column 'label': no label: every row here needs one"
    )


# The beginning of the tables of a run


def check(path: Path, **tables: Any) -> None:
    check_tables([path], TableOptions(), **tables)


def test_sound_tables_pass_the_check(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,label\na,x\nb,\n")
    labelled = written(tmp_path / "l.csv", "text,label\na,x\n")
    check(path, labelled=[labelled], unlabelled=[written(tmp_path / "u.csv", "text\na\n")], validation=labelled)


BROKEN: dict[str, Callable[[Path], Path]] = {
    "no such file": lambda d: d / "t.csv",
    "no possible name": lambda d: d / f"{'t' * 300}.csv",
    "unknown format": lambda d: written(d / "t.pdf", "text,label\na,x\n"),
    "no text column": lambda d: written(d / "t.csv", "body,label\na,x\n"),
    "no label column": lambda d: written(d / "t.csv", "text,kind\n" + "a,x\n" * 10_000),
    "no label column in few JSON Lines": lambda d: written(d / "t.jsonl", '{"text":"a"}\n' * 4000),
    "no gzip file": lambda d: written(d / "t.csv.gz", "text,label\na,x\n"),
    "no Parquet file": lambda d: written(d / "t.parquet", "text,label\na,x\n"),
    "empty file": lambda d: written(d / "t.csv", ""),
    "empty text": lambda d: written(d / "t.csv", "text,label\n ,x\n"),
    "list": lambda d: written(d / "t.jsonl", '{"text":"a","label":["x","y"]}'),
    "folder": lambda d: d,
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_told_by_the_beginning_of_a_table(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    with pytest.raises(InputError) as caught:
        check(path)
    assert str(caught.value).removeprefix(str(path)) == refusal(path)


@pytest.mark.parametrize("use", ["labelled", "validation", "test"])
def test_a_missing_label_in_the_beginning_is_told(use: str, tmp_path: Path) -> None:
    good, bad = written(tmp_path / "t.csv", "text,label\na,x\n"), written(tmp_path / "u.csv", "text,label\na,\n")
    with pytest.raises(InputError, match=r"u\.csv, row 1, column 'label': no label"):
        check(good, **{use: [bad] if use == "labelled" else bad})


def test_pairs_in_one_table_only_are_told(tmp_path: Path) -> None:
    single = written(tmp_path / "t.csv", "text,label\na,x\n")
    pairs = written(tmp_path / "p.csv", "text,text_pair,label\na,b,x\n")
    with pytest.raises(InputError) as caught:
        check(single, test=pairs)
    assert str(caught.value) == f"{single}: no text pair column, though {pairs} has one"


def test_only_the_beginning_is_looked_at(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,label\n" + "a,x\n" * 9000 + "a\n")
    check(path)
    assert refusal(path).startswith(", row 9001: the header has 2 fields")
    key_comes_late = written(tmp_path / "t.jsonl", '{"text":"a"}\n' * 9000 + '{"text":"a","label":"x"}')
    check(key_comes_late)
    assert table_of(read(key_comes_late))["label"][8999:] == [None, "x"]


def test_a_pipe_is_not_read_before_its_time(tmp_path: Path) -> None:
    pipe = tmp_path / "t.csv"
    os.mkfifo(pipe)
    check(pipe)  # would wait for ever otherwise
    check(Path("-"))  # standard input


# Memory


def test_a_hundred_thousand_rows_are_mapped_not_held(tmp_path: Path) -> None:
    n, text = 100_000, "word " * 60
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        file.writelines(f"{i} {text},{i % 3 or ''}\n" for i in range(n))
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    rows = read_rows([TableUse(path, "optional")], TableOptions(), workspace / "rows.arrow")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.labels.counts == {"1": n // 3, "2": n // 3}
    assert rows.with_labels()[n - 1] == {"text": f"{n - 1} {text}", "label": None}
    assert len(rows.texts) == n
    (file_of_rows,) = rows.texts.cache_files
    assert Path(file_of_rows["filename"]).parent == workspace
    assert Path(file_of_rows["filename"]).stat().st_size > 30_000_000
    assert peak < 8_000_000
    assert pa.total_allocated_bytes() - before < 4_000_000
