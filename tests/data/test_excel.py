"""Workbooks of Excel, in and out."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganbert.data.formats.base import ReadLog
from ganbert.data.tables import TableWriter, check_ending, read_chunks
from ganbert.errors import InputError, RunError
from tests.data.test_tables_properties import TEXT, check, read, written


def workbook(path: Path, rows: list[list[Any]], *more_sheets: str) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name in more_sheets:
        book.create_sheet(name)
    book.save(path)
    return path


def rows_of(path: Path, log: ReadLog | None = None) -> list[dict[str, Any]]:
    return [row for chunk in read_chunks(path, log=log) for row in chunk.to_pylist()]


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        rows_of(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


def write(path: Path, table: pa.Table) -> Path:
    with TableWriter(path) as out:
        out.write(table)
    return path


def test_cells_are_text(tmp_path: Path) -> None:
    values = [
        ("a", "a"),
        (" Ä\n日 ", " Ä\n日 "),
        (1, "1"),
        (1.0, "1"),
        (-0.5, "-0.5"),
        (1e300, "1e+300"),
        (123456789012, "123456789012"),
        (True, "true"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 13, 5), "2024-02-29T13:05:00"),
        (datetime.time(13, 5), "13:05:00"),
        (None, ""),
    ]
    path = workbook(tmp_path / "a.xlsx", [["text", "n"], *([value, "x"] for value, _ in values)])

    assert [row["text"] for row in rows_of(path)] == [text for _, text in values]


def test_empty_rows_and_columns(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx", [[], ["text", None, "label", None], ["a", "1", "x"], [], ["b", None, "y", " "]]
    )
    log = ReadLog()
    assert rows_of(path, log) == [{"text": "a", "": "1", "label": "x"}, {"text": "b", "": "", "label": "y"}]
    assert log.n_blank == 2
    assert log.notes == []


def test_the_first_sheet_is_read_and_that_is_said(tmp_path: Path) -> None:
    log = ReadLog()
    assert rows_of(workbook(tmp_path / "a.xlsx", [["text"], ["a"]], "Second"), log) == [{"text": "a"}]
    assert log.notes == ["of 2 sheets the first is read, 'Sheet'"]


def test_a_sheet_without_rows_or_without_anything(tmp_path: Path) -> None:
    (chunk,) = read_chunks(workbook(tmp_path / "a.xlsx", [["text", "label"]]))
    assert (chunk.column_names, len(chunk)) == (["text", "label"], 0)
    assert refusal(workbook(tmp_path / "b.xlsx", [])) == (
        ": the first sheet is empty; its first row must name the columns"
    )


def test_text_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    texts = [
        "=1+1",
        "#N/A",
        "1.0",
        "TRUE",
        "2024-02-29",
        "+1",
        "@x",
        "a\x07\r\n\tb",
        "_x0041_",
        "  ",
        "\n",
        " x ",
    ]
    path = write(tmp_path / "a.xlsx", pa.table({"id": [str(i) for i in range(len(texts))], "text": texts}))

    assert [row["text"] for row in rows_of(path)] == texts
    cells = [row[1] for row in openpyxl.load_workbook(path).active.iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells[:7]} == {"s"}
    assert cells[0].value == "=1+1"


def test_numbers_are_numbers(tmp_path: Path) -> None:
    table = pa.table({"i": [1, None], "f": [0.25, float("nan")], "b": [True, False], "big": [2**60, 1], "l": [[1], []]})
    path = write(tmp_path / "a.xlsx", table)
    found = [list(row) for row in openpyxl.load_workbook(path).active.iter_rows(values_only=True)]
    assert found == [["i", "f", "b", "big", "l"], [1, 0.25, True, str(2**60), "[1]"], [None, None, False, 1, "[]"]]


def test_what_excel_cannot_hold_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.xlsx", pa.table({"text": ["x" * 32_767]}))
    with pytest.raises(RunError) as caught:
        write(tmp_path / "b.xlsx", pa.table({"id": [1, 2], "text": ["a", "x" * 32_768]}))
    assert str(caught.value) == (
        f"{tmp_path / 'b.xlsx'}: cannot be written: row 2, column 'text': a cell of Excel holds 32,767 characters, "
        "this text has 32,768 (a .csv or .jsonl file can take it)"
    )
    with pytest.raises(RunError, match="a cell of Excel holds"):
        write(tmp_path / "b.xlsx", pa.table({"text": ["😀" * 16_384]}))
    with pytest.raises(RunError, match=r"row 1, column 'text': no cell of Excel holds the character '\\uffff'"):
        write(tmp_path / "b.xlsx", pa.table({"text": ["a\uffff"]}))
    with pytest.raises(RunError, match="20,000 columns, and a sheet of Excel has 16,384"):
        write(tmp_path / "b.xlsx", pa.table({f"c{i}": [1] for i in range(20_000)}))
    assert [path.name for path in tmp_path.iterdir()] == ["a.xlsx"]


def test_the_old_format_is_not_written() -> None:
    with pytest.raises(
        InputError, match=r"a\.xls: tables are read from this format, but not written in it: write \.xlsx"
    ):
        check_ending(Path("a.xls"))


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 999]
)
@pytest.mark.parametrize("name", ["a.xlsx", "a.xls"])
def test_what_is_no_workbook(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(": does not open as a workbook of Excel: ")


def changed(path: Path, old: str, new: str) -> Path:
    """Replace text in the first sheet."""
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as given, zipfile.ZipFile(path, "w") as target:
        for name in given.namelist():
            part = given.read(name)
            target.writestr(name, part.replace(old.encode(), new.encode()) if "sheet1" in name else part)
    return path


def test_a_stray_cell_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [["text"], ["a"], ["stray"]])
    assert refusal(changed(path, 'r="A3"', 'r="XFD1048576"')) == (
        ": a sheet reaches to row 1,048,576 and column 16,384: delete stray cells, or write it as .csv"
    )
    assert "a cell is in no place" in refusal(changed(path, 'r="XFD1048576"', 'r="A99999999999"'))
    assert "columns; more than 4,096" in refusal(changed(path, 'r="A99999999999"', 'r="ZZZ1"'))


@check
@given(
    st.lists(st.tuples(TEXT, TEXT), max_size=4).map(lambda rows: [row for row in rows if any(row)]), st.integers(1, 3)
)
def test_strings_read_back_equal(rows: list[tuple[str, str]], chunk_rows: int) -> None:
    columns = list(zip(*rows, strict=True)) or [(), ()]
    table = pa.table({name: pa.array(column, pa.string()) for name, column in zip("ab", columns, strict=True)})
    chunks = read(".xlsx", written(".xlsx", table, chunk_rows))
    assert chunks is not None
    assert pa.concat_tables(chunks).equals(table)


def test_blanks_of_every_kind_read_back_equal(tmp_path: Path) -> None:
    texts = [
        "\u2028",
        "\u2028  ",
        "   ",
        "\t",
        "\n",
        "\u3000",
        "\x85",
        "\xa0",
        " \u2029\t",
        "a\u2028b",
        "_x0020_",
        "\x1c",
    ]
    table = pa.table({"text": texts, "n": [str(i) for i in range(len(texts))]})
    with TableWriter(tmp_path / "a.xlsx") as out:
        out.write(table)

    assert [text for chunk in read_chunks(tmp_path / "a.xlsx") for text in chunk["text"].to_pylist()] == texts
