"""Every format in and out, every refusal with its exact place, the writer's clean end, and the memory it takes."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganbert.data.formats import FORMATS
from ganbert.data.tables import TableWriter, check_ending, read_chunks
from ganbert.errors import InputError, RunError

ENDINGS = [f".{ending}" for ending, entry in FORMATS.items() if entry.write is not None]
ALL_ENDINGS = [ending + gz for ending in ENDINGS for gz in ("", ".gz")]
ROWS = [{"text": 'ÄÖ, "said"\nhe\r\n\t', "label": "p"}, {"text": "", "label": "n"}, {"text": "日本 \x00", "label": ""}]
TSV_ROWS = [{"text": '"ÄÖ, "said" he', "label": "p"}, {"text": "", "label": "n"}, {"text": "日本 \x00", "label": ""}]


def rows_for(ending: str) -> list[dict[str, str]]:
    return TSV_ROWS if ".tsv" in ending else ROWS


def rows_of(path: Path, **options: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [row for chunk in read_chunks(path, **options) for row in chunk.to_pylist()]
    return rows


def write(path: Path, *chunks: pa.Table) -> Path:
    with TableWriter(path) as out:
        for chunk in chunks:
            out.write(chunk)
    return path


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        rows_of(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def make(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return tmp_path / name

    return make


Make = Callable[[str, bytes], Path]


# Round trips


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_what_is_written_reads_back(tmp_path: Path, ending: str) -> None:
    table = pa.Table.from_pylist(rows_for(ending))
    path = write(tmp_path / f"table{ending}", table, table)
    assert rows_of(path, chunk_rows=2) == rows_for(ending) * 2
    assert [len(chunk) for chunk in read_chunks(path, chunk_rows=4)] == [4, 2]
    assert list(tmp_path.iterdir()) == [path]
    if ending.endswith(".gz"):
        assert gzip.decompress(path.read_bytes())


@pytest.mark.parametrize("ending", [ending for ending in ALL_ENDINGS if "json" not in ending])
def test_an_empty_table_keeps_its_columns(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"table{ending}", pa.Table.from_pylist(ROWS).slice(0, 0))
    (chunk,) = read_chunks(path)
    assert chunk.schema == pa.schema({"text": pa.string(), "label": pa.string()})
    assert len(chunk) == 0


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".parquet.gz"])
def test_types_are_kept(tmp_path: Path, ending: str) -> None:
    rows = [
        {"s": "1", "i": 2**60, "f": 0.1, "b": True, "n": None, "l": [1, 2], "d": {"a": ["x"]}},
        {"s": None, "i": None, "f": 2.0, "b": None, "n": None, "l": [], "d": None},
    ]
    path = write(tmp_path / f"table{ending}", pa.Table.from_pylist(rows))
    assert rows_of(path) == rows
    (chunk,) = read_chunks(path)
    assert [str(chunk[name].type) for name in "sifb"] == ["string", "int64", "double", "bool"]


def test_the_ending_may_be_upper_case(file: Make) -> None:
    assert rows_of(file("A.CSV", b"a\n1\n")) == [{"a": "1"}]


# CSV and TSV


def test_cells_are_the_strings_of_the_file(file: Make) -> None:
    path = file("a.csv", b'id,,text\r\n001,null,"NA"\r\n\r\n 1 ,,"a ""b""\r\nc"\r\n')
    assert rows_of(path) == [{"id": "001", "": "null", "text": "NA"}, {"id": " 1 ", "": "", "text": 'a "b"\r\nc'}]


def test_blank_lines_are_no_rows_but_quoted_blanks_are(file: Make) -> None:
    assert rows_of(file("a.csv", b'\n \na\n1\n\n \t \n" "\n""\n')) == [{"a": "1"}, {"a": " "}, {"a": ""}]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_table(file: Make, name: str) -> None:
    content = "a\nx\n" if name == "a.csv" else '{"a": "x"}\n'
    assert rows_of(file(name, content.encode("utf-8-sig"))) == [{"a": "x"}]
    assert rows_of(file(name, ("\ufeff" + content).encode("utf-16-le")), encoding="utf-16-le") == [{"a": "x"}]


def test_encodings(file: Make) -> None:
    assert rows_of(file("a.csv", "a\nÄ\n".encode("latin-1")), encoding="latin-1") == [{"a": "Ä"}]
    assert rows_of(file("a.jsonl", '{"a": "Ä"}'.encode("cp1252")), encoding="cp1252") == [{"a": "Ä"}]


def test_long_cells(file: Make) -> None:
    long = "x" * 1_000_000
    assert rows_of(file("a.csv", f"a,b\n{long},1\n".encode())) == [{"a": long, "b": "1"}]


def test_csv_is_written_as_pandas_writes_it(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", None, 'q"', " "], "f": [0.5, float("nan"), None, 1.0], "l": [[1], None, [], [2]]})
    path = write(tmp_path / "a.csv", table)
    assert path.read_text() == 'a,f,l\nx,0.5,[1]\n,,\n"q""",,[]\n" ",1.0,[2]\n'
    assert write(tmp_path / "b.csv", pa.table({"a": ["", None]})).read_text() == 'a\n""\n""\n'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ": the file is empty; its first line must name the columns"),
        (b"\xef\xbb\xbf", ": the file is empty; its first line must name the columns"),
        (b"\n \n", ": the file is empty; its first line must name the columns"),
        (b"a,b\n1,2\n3\n", ", row 2: the header has 2 fields, this row 1 (line 3)"),
        (b'a,b\n\n"x\ny",2\n3,4,5\n', ", row 2: the header has 2 fields, this row 3 (line 5)"),
        (b"a,b\n1,2,3\n4,5,6\n", ", row 1: the header has 2 fields, this row 3 (line 2)"),
        (b"a,b\n1,2,\n", ", row 1: the header has 2 fields, this row 3 (line 2)"),
        (b'a,b\n1,2\n3,"4\n5,6\n', ", row 2: a quote is opened and never closed (line 3)"),
        (b'"a\n', ": a quote is opened and never closed (line 1)"),
        (b"a,b,a\n1,2,3\n", ", column 'a': more than one column has this name"),
        (b",\n1,2\n", ", column '': more than one column has this name"),
    ],
)
def test_csv_refusals(file: Make, content: bytes, expected: str) -> None:
    assert refusal(file("a.csv", content)) == expected
    if b'"' not in content:
        assert refusal(file("a.tsv", content.replace(b",", b"\t"))) == expected
    assert refusal(file("a.csv", content.replace(b",", b";")), delimiter=";") == expected
    assert refusal(file("a.csv.gz", content)) == expected


def test_a_ragged_row_in_a_later_chunk(file: Make) -> None:
    assert refusal(file("a.csv", b"a,b\n" + b"1,2\n" * 10 + b"3\n"), chunk_rows=3).startswith(", row 11: the header")


def test_an_open_quote_does_not_take_the_file_into_memory(file: Make) -> None:
    path = file("a.csv.gz", b'a,b\n1,"' + (b"2,3" * 1000 + b"\n") * 6000)
    tracemalloc.start()
    message = refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
    assert message.startswith(", row 1: field larger than field limit")
    assert message.endswith("is a quote left open? (line 2)")


@pytest.mark.parametrize(
    ("encoding", "content", "place", "likely"),
    [
        ("utf-8", b"a\nx\n\xffy\n", "byte 0xff at offset 4 (line 3) is not utf-8", "latin-1"),
        (
            "utf-8",
            b"a\n" + b"0123456\n" * 10_000 + b"x\xe4y\n",
            "byte 0xe4 at offset 80003 (line 10002) is not utf-8",
            "latin-1",
        ),
        ("utf-8", b"a\n" + b"x" * 65533 + b"\xe2\x82y", "byte 0xe2 at offset 65535 (line 2) is not utf-8", "cp1252"),
        ("utf-8", b"a\n\xe2\x82", "byte 0xe2 at offset 2 (line 2) is not utf-8", "cp1252"),
        ("ascii", b"a\n\xc3\xa4", "byte 0xc3 at offset 2 (line 2) is not ascii", "utf-8"),
        ("gbk", b"a\n" + b"x" * 65533 + b"\x81\xff", "byte 0x81 at offset 65535 (line 2) is not gbk", "latin-1"),
        ("utf-16-le", b"a\0\n\0x\0\n\0\x00\xdcx\0", "byte 0x00 at offset 8 (line 3) is not utf-16-le", "latin-1"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv"])
def test_bytes_that_cannot_be_decoded(
    file: Make, name: str, encoding: str, content: bytes, place: str, likely: str
) -> None:
    message = refusal(file(name, content), encoding=encoding)
    assert message == (
        f": {place}; if the file is encoded differently, say so with --encoding NAME (for example --encoding {likely})"
    )


def test_json_lines_that_cannot_be_decoded(file: Make) -> None:
    message = refusal(file("a.jsonl", b'{"a": "x"}\n{"a": "\xe4"}\n'))
    assert message.startswith(": byte 0xe4 at offset 18 (line 2) is not utf-8")


@pytest.mark.parametrize("encoding", ["", "nope", "hex", "a\0b"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_unknown_encodings(file: Make, name: str, encoding: str) -> None:
    expected = f": unknown encoding {encoding!r} (known are for example utf-8, latin-1)"
    assert refusal(file(name, b"a\nx\n"), encoding=encoding) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "undefined", "utf-7", "idna", "punycode"])
def test_encodings_that_fail_in_their_own_ways(file: Make, encoding: str) -> None:
    assert "--encoding NAME" in refusal(file("a.csv", b"a\n\xff\xfe\xff\n"), encoding=encoding)
    assert "surrogates" in refusal(file("a.csv", b"a\n+2AA-\n"), encoding="utf-7")


# JSON Lines


def test_json_lines_may_differ_in_their_keys(file: Make) -> None:
    path = file("a.jsonl", b'{"b": 1}\r\n\n{"a": "x", "b": null, "a": "y"}\n{}\n{"c": [{"d": 1}]}')
    assert rows_of(path) == [
        {"b": 1, "a": None, "c": None},
        {"b": None, "a": "y", "c": None},
        {"b": None, "a": None, "c": None},
        {"b": None, "a": None, "c": [{"d": 1}]},
    ]
    assert [chunk.column_names for chunk in read_chunks(path, chunk_rows=2)] == [["b", "a"], ["b", "a", "c"]]


def test_line_separators_of_unicode_do_not_end_a_line(file: Make) -> None:
    assert rows_of(file("a.jsonl", '{"a": "x\u2028y\x85"}\n'.encode())) == [{"a": "x\u2028y\x85"}]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, "x", None, True, 1.5, {"k": "Ä"}], ["1", "x", None, "true", "1.5", '{"k": "Ä"}']),
        ([1, True], ["1", "true"]),
        ([True, 0.5], ["true", "0.5"]),
        ([[1], ["x"]], ["[1]", '["x"]']),
        ([1, 2**70], ["1", str(2**70)]),
        ([1, 0.5], [1.0, 0.5]),
    ],
)
def test_mixed_kinds_become_text(file: Make, values: list[Any], expected: list[Any]) -> None:
    lines = "".join(json.dumps({"a": value}) + "\n" for value in values)
    assert [row["a"] for row in rows_of(file("a.jsonl", lines.encode()))] == expected


def test_json_lines_are_written_as_text_that_people_can_read(tmp_path: Path) -> None:
    table = pa.table({"a": ["Ä日", None], "f": [float("nan"), 0.5], "l": [[float("inf")], []]})
    path = write(tmp_path / "a.jsonl", table, pa.table({"other": [1]}))
    assert path.read_text(encoding="utf-8") == (
        '{"a": "Ä日", "f": null, "l": [null]}\n{"a": null, "f": 0.5, "l": []}\n{"other": 1}\n'
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ": the file is empty; every line must be a JSON object"),
        (b"\n \r\n", ": the file is empty; every line must be a JSON object"),
        (b"{}\n{}\n", ": the objects have no keys, so the table has no columns"),
        (b'{"a": 1}\n\n{"a": }\n', ", row 3: line 3 is not JSON: Expecting value at character 7"),
        (b'{"a": 1}\n{"a": 1\n', ", row 2: line 2 is not JSON: Expecting ',' delimiter at character 8"),
        (b'{"a": 1} {}\n', ", row 1: line 1 is not JSON: Extra data at character 10"),
        (b"\n[1]\n", ', row 2: line 2 is not a JSON object such as {"text": "..."}'),
        (b"null", ', row 1: line 1 is not a JSON object such as {"text": "..."}'),
        (b'{"a": NaN}', ", row 1: line 1 cannot be used: the number NaN is not a finite one (write null)"),
        (
            b'{"a": [-Infinity]}',
            ", row 1: line 1 cannot be used: the number -Infinity is not a finite one (write null)",
        ),
        (b'{"a": 1e999}', ", row 1: line 1 cannot be used: the number 1e999 is not a finite one (write null)"),
        (b'{"a": "\\ud800"}', ", row 1: line 1 has half of a surrogate pair, which is no text"),
        (b'{"a\\uDC00": 1}', ", row 1: line 1 has half of a surrogate pair, which is no text"),
    ],
)
def test_json_lines_refusals(file: Make, content: bytes, expected: str) -> None:
    assert refusal(file("a.jsonl", content)) == expected
    assert refusal(file("a.ndjson.gz", content)) == expected


def test_json_lines_beyond_the_limits_of_python(file: Make) -> None:
    assert refusal(file("a.jsonl", b'{"a": ' + b"[" * 100_000)).startswith(", row 1: line 1 cannot be used: ")
    assert refusal(file("a.jsonl", b'{"a": ' + b"1" * 10_000 + b"}")).startswith(", row 1: line 1 cannot be used: ")


# Parquet


def test_parquet_without_rows_between_row_groups(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(10)}), tmp_path / "a.parquet", row_group_size=3)
    assert [row["a"] for row in rows_of(tmp_path / "a.parquet", chunk_rows=4)] == list(range(10))


def test_parquet_takes_the_schema_of_the_first_chunk(tmp_path: Path) -> None:
    first = pa.table({"n": pa.nulls(1), "i": [1], "f": [0.5]})
    second = pa.table({"f": [2], "n": ["x"]})
    path = write(tmp_path / "a.parquet", first, second)
    assert rows_of(path) == [{"n": None, "i": 1, "f": 0.5}, {"n": "x", "i": None, "f": 2.0}]


@pytest.mark.parametrize("ending", [".parquet", ".parquet.gz"])
def test_parquet_refuses_what_does_not_fit(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    with pytest.raises(RunError, match=r"column 'i' began as int64 and cannot go on as string: .*; a \.jsonl file"):
        write(path, pa.table({"i": [1]}), pa.table({"i": ["x"]}))
    with pytest.raises(RunError, match="cannot be written: Cannot write struct type"):
        write(path, pa.Table.from_pylist([{"a": {}}]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 10, b"a,b\n1,2\n"])
@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz"])
def test_what_is_not_parquet(file: Make, name: str, content: bytes) -> None:
    assert refusal(file(name, content)).startswith(": cannot be read: ")


def test_damaged_parquet(tmp_path: Path, file: Make) -> None:
    whole = write(tmp_path / "whole.parquet", pa.Table.from_pylist(ROWS * 100)).read_bytes()
    assert refusal(file("cut.parquet", whole[:-20])).startswith(": cannot be read: ")
    assert refusal(file("hole.parquet", whole[:10] + b"\xff" * 60 + whole[70:])).startswith(": cannot be read: ")


def test_parquet_text_that_is_not_utf8(tmp_path: Path) -> None:
    text = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet")
    assert "UTF8" in refusal(tmp_path / "a.parquet")


def test_parquet_with_two_columns_of_one_name(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "a.parquet")
    assert refusal(tmp_path / "a.parquet") == ", column 'a': more than one column has this name"


# Files and gzip


def test_a_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.csv") == ": no such file or folder"


@pytest.mark.parametrize("name", ["a.doc", "a", "csv", "a.csv.zip", "a.gz"])
def test_unknown_endings(file: Make, name: str) -> None:
    listed = ", ".join(f".{ending}" for ending in FORMATS)
    endings = f": no table format has this ending; there are {listed}, each also with .gz behind it"
    path = file(name, b"a\n1\n")
    assert refusal(path).startswith(endings)
    for refuse in (check_ending, TableWriter):
        with pytest.raises(InputError) as caught:
            refuse(path)
        assert str(caught.value).startswith(str(path) + endings)


@pytest.mark.parametrize("ending", [".csv.gz", ".jsonl.gz", ".parquet.gz"])
def test_damaged_gzip(tmp_path: Path, ending: str) -> None:
    whole = write(tmp_path / f"a{ending}", pa.Table.from_pylist(ROWS * 1000)).read_bytes()
    for content in (b"a,b\n1,2\n", whole[:-9], whole[:100], whole[:40] + b"\xff" * 40 + whole[80:], whole + b"x"):
        (tmp_path / f"a{ending}").write_bytes(content)
        assert refusal(tmp_path / f"a{ending}").startswith(": not an intact gzip file: ")


# Folders of the datasets library


@pytest.fixture
def dataset() -> datasets.Dataset:
    features = datasets.Features({"label": datasets.ClassLabel(names=["neg", "pos"]), "text": datasets.Value("string")})
    return datasets.Dataset.from_dict({"label": [1, -1, None, 0], "text": list("abcd")}, features=features)


def test_a_datasets_folder(tmp_path: Path, dataset: datasets.Dataset) -> None:
    dataset.save_to_disk(tmp_path / "d")
    labels = ["pos", None, None, "neg"]
    expected = [{"label": label, "text": text} for label, text in zip(labels, "abcd", strict=True)]
    assert rows_of(tmp_path / "d") == rows_of(tmp_path / "d", chunk_rows=3) == expected
    dataset.select([3, 0]).save_to_disk(tmp_path / "selected")
    assert rows_of(tmp_path / "selected") == [expected[3], expected[0]]


def test_a_folder_of_splits(tmp_path: Path, dataset: datasets.Dataset) -> None:
    datasets.DatasetDict({"train": dataset, "test": dataset}).save_to_disk(tmp_path / "d")
    assert refusal(tmp_path / "d") == f": holds the splits test, train; give one of them, as {tmp_path / 'd' / 'SPLIT'}"
    assert len(rows_of(tmp_path / "d" / "train")) == 4


def test_other_folders(tmp_path: Path) -> None:
    assert refusal(tmp_path) == ": a folder, but not one made by datasets.Dataset.save_to_disk"
    for refuse in (check_ending, TableWriter):
        with pytest.raises(InputError, match=r"a folder; tables are written to files that end in \.csv, .*, \.parquet"):
            refuse(tmp_path)


def test_damaged_folders(tmp_path: Path, dataset: datasets.Dataset) -> None:
    for name in ("state.json", "dataset_info.json", "data-00000-of-00001.arrow"):
        folder = tmp_path / name
        dataset.save_to_disk(folder)
        whole = (folder / name).read_bytes()
        for content in (b"", b"{]", b"[]", whole[: len(whole) // 2]):
            (folder / name).write_bytes(content)
            assert refusal(folder).startswith(": does not load as a datasets folder: ")
    (tmp_path / "dataset_info.json" / "data-00000-of-00001.arrow").unlink()
    assert refusal(tmp_path / "dataset_info.json").startswith(": does not load as a datasets folder: ")


# The writer


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_an_exception_leaves_the_target_as_it_was(tmp_path: Path, ending: str) -> None:
    def fail() -> None:
        with TableWriter(path) as out:
            out.write(pa.Table.from_pylist(rows_for(ending)))
            raise KeyboardInterrupt

    path = tmp_path / f"a{ending}"
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []
    path.write_text("as it was")
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "as it was"
    write(path, pa.Table.from_pylist(rows_for(ending)))
    assert rows_of(path) == rows_for(ending)


def test_the_target_appears_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with TableWriter(path) as out:
        out.write(pa.Table.from_pylist(ROWS))
        assert not path.exists()
    assert path.exists()


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_no_table_is_no_file(tmp_path: Path, ending: str) -> None:
    with pytest.raises(RunError, match="there was no table to write"):
        write(tmp_path / f"a{ending}")
    assert list(tmp_path.iterdir()) == []


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        write(tmp_path / "missing" / "a.csv", pa.table({"a": [1]}))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("rows", [1, 100_000])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    path_open = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode: path_open(Path("/dev/full"), "wb"))
    with pytest.raises(RunError, match=r"a\.csv: cannot be written: No space left on device"):
        write(tmp_path / "a.csv", pa.table({"a": ["text"] * rows}))
    assert list(tmp_path.iterdir()) == []


def test_columns_that_turn_up_later(tmp_path: Path) -> None:
    chunks = pa.table({"a": ["1"]}), pa.table({"a": ["2"], "b": ["3"]})
    for ending in (".csv", ".parquet"):
        with pytest.raises(RunError, match="column 'b' turns up after the first chunk"):
            write(tmp_path / f"a{ending}", *chunks)
    assert write(tmp_path / "b.csv", *reversed(chunks[1:]), chunks[0]).read_text() == "a,b\n2,3\n1,\n"


def test_two_columns_of_one_name_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="more than one column is named 'a'"):
        write(tmp_path / "a.jsonl", pa.table([[1], [2]], names=["a", "a"]))


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, pa.Table.from_pylist(ROWS)) for name in ("a.csv.gz", "b.csv.gz"))
    assert first.read_bytes() == second.read_bytes()


# Memory


def peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_reading_takes_the_memory_of_one_chunk(file: Make) -> None:
    path = file("a.csv", b"text,label\n" + b'"a text of some words, and a comma",x\n' * 200_000)
    assert sum(map(len, read_chunks(path))) == 200_000
    assert peak_of(lambda: [len(chunk) for chunk in read_chunks(path, chunk_rows=1000)]) < 1e6


@pytest.mark.parametrize("ending", [".csv.gz", ".jsonl"])
def test_writing_takes_the_memory_of_one_chunk(tmp_path: Path, ending: str) -> None:
    chunk = pa.table({"text": ["a text of some words, and a comma"] * 200, "label": ["x"] * 200})
    assert peak_of(lambda: write(tmp_path / f"a{ending}", *[chunk] * 100)) < 1e6
    assert peak_of(lambda: [len(chunk) for chunk in read_chunks(tmp_path / f"a{ending}", chunk_rows=200)]) < 1e6
