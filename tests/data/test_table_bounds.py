"""What a table may cost: lines, cells, rows and columns without end are refused before they fill the memory."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from ganbert.data.formats.base import ReadLog
from ganbert.data.formats.lines import CELL_CHARACTERS
from ganbert.data.tables import read_chunks
from ganbert.errors import InputError

BEGINNINGS = {".csv": b"text,label\n", ".tsv": b"text\tlabel\n", ".jsonl": b'{"text": "', ".json": b'[{"text": "'}


def refusal(path: Path) -> tuple[str, int]:
    """Return what is said, and the peak of memory."""
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        for _ in read_chunks(path):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return str(caught.value).removeprefix(str(path)), peak


def zipped(path: Path, beginning: bytes, unit: bytes, megabytes: int, end: bytes = b"") -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(beginning)
        for _ in range(megabytes):
            file.write(unit * (2**20 // len(unit)))
        file.write(end)
    return path


@pytest.mark.parametrize("ending", BEGINNINGS)
@pytest.mark.parametrize("unit", [b"x", "😀".encode(), b","])
def test_a_line_without_end(tmp_path: Path, ending: str, unit: bytes) -> None:
    path = zipped(tmp_path / f"a{ending}.gz", BEGINNINGS[ending], unit, 100)
    message, peak = refusal(path)
    assert "more than 17,825,792 characters" in message
    assert ("line 2" if ending in (".csv", ".tsv") else "1") in message
    assert peak < 200e6


@pytest.mark.parametrize("unit", [b'"\n",', b"\n", b'"",'])
def test_a_row_without_end(tmp_path: Path, unit: bytes) -> None:
    beginning = b"text,label\n" + b'"' * (unit == b"\n")
    message, peak = refusal(zipped(tmp_path / "a.csv.gz", beginning, unit, 100))
    assert message.endswith("is a quote left open? (line 2)") or "line 2 has more than" in message
    assert peak < 200e6


@pytest.mark.parametrize("ending", BEGINNINGS)
def test_a_cell_that_is_too_long(tmp_path: Path, ending: str) -> None:
    ends = {".csv": b",b\n", ".tsv": b"\tb\n", ".jsonl": b'"}\n', ".json": b'"}]\n'}
    path = tmp_path / f"a{ending}"
    path.write_bytes(BEGINNINGS[ending] + b"x" * CELL_CHARACTERS + ends[ending])
    assert [len(cell) for chunk in read_chunks(path) for cell in chunk["text"].to_pylist()] == [CELL_CHARACTERS]
    path.write_bytes(BEGINNINGS[ending] + b"x" * (CELL_CHARACTERS + 1) + ends[ending])
    assert "16777216" in refusal(path)[0].replace(",", "")


def test_too_many_columns(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(5_000)]
    contents = {
        ".csv": ",".join(names) + "\n",
        ".tsv": "\t".join(names) + "\n",
        ".jsonl": "".join(f'{{"{name}": 1}}\n' for name in names),
        ".json": "[" + ",".join(f'{{"{name}": 1}}' for name in names) + "]",
    }
    for ending, content in contents.items():
        (tmp_path / f"a{ending}").write_text(content)
        message, _ = refusal(tmp_path / f"a{ending}")
        assert message.endswith(" columns; more than 4,096 are not read")


def test_long_rows_make_small_chunks(tmp_path: Path) -> None:
    text = "x" * 2**20
    for ending, line in ((".csv", f"{text},a\n"), (".jsonl", f'{{"text": "{text}"}}\n')):
        head = "text,label\n" if ending == ".csv" else ""
        (tmp_path / f"a{ending}").write_text(head + line * 50)
        sizes = [len(chunk) for chunk in read_chunks(tmp_path / f"a{ending}")]
        assert sum(sizes) == 50
        assert max(sizes) <= 18


@pytest.mark.parametrize("unit", [b"\n", b"\r\n", b"      \n", b"\t\n"])
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_blank_lines_are_not_looked_at_one_by_one(tmp_path: Path, ending: str, unit: bytes) -> None:
    row = b"a,b\n" if ending == ".csv" else b'{"text": "a"}\n'
    head = b"text,label\n" if ending == ".csv" else b""
    path, log = zipped(tmp_path / f"a{ending}.gz", head + row, unit, 50, row), ReadLog()
    tracemalloc.start()
    assert sum(map(len, read_chunks(path, log=log))) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert log.n_blank == 50 * (2**20 // len(unit))
    assert peak < 20e6
