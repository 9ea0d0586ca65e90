"""The registry of table formats: what lists formats lists its entries, and other packages add to them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ganbert import plugins
from ganbert.data import formats
from ganbert.data.corpus import read_corpus
from ganbert.data.formats import FORMATS, Dialect, Format
from ganbert.data.formats.base import ReadLog
from ganbert.data.tables import TableWriter, check_ending, read_chunks
from ganbert.errors import InputError

MODULE = """
import pyarrow as pa
from ganbert.data.formats import Format

def read(source):
    with source.open() as file:
        lines = file.read().decode().splitlines()
    if any("|" not in line for line in lines):
        raise source.error("no bar here", row=1 + next(i for i, line in enumerate(lines) if "|" not in line))
    texts, labels = zip(*(line.split("|") for line in lines))
    yield pa.table({"text": texts, "label": labels})

class Writer:
    def __init__(self, file, dialect):
        self.file = file
    def write(self, chunk):
        self.file.write("".join(f"{row['text']}|{row['label']}\\n" for row in chunk.to_pylist()).encode())
    def close(self):
        pass

BARS = Format("Bars", read, Writer)
NO_FORMAT = 7
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with formats: one that works, one whose module is missing, and one that is none."""
    place = tmp_path / "site"
    info = place / "bars-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "bars_for_tests.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bars\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ganbert.formats]\nbars = bars_for_tests:BARS\nbroken = missing_for_tests:X\nodd = bars_for_tests:NO_FORMAT\n"
    )
    monkeypatch.syspath_prepend(str(place))
    plugins.found.cache_clear()
    yield place
    plugins.found.cache_clear()
    sys.modules.pop("bars_for_tests", None)


@pytest.mark.usefixtures("package")
def test_a_format_of_another_package_is_read_and_written(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b"], "label": ["x", "y"]})
    for name in ("t.bars", "t.BARS.gz"):
        with TableWriter(tmp_path / name) as out:
            out.write(table)
        assert [chunk.to_pylist() for chunk in read_chunks(tmp_path / name)] == [table.to_pylist()]
    assert read_corpus(tmp_path / "t.bars").label_names == ("x", "y")
    (tmp_path / "t.bars").write_text("a|x\nb\n")
    with pytest.raises(InputError, match=r"t\.bars, row 2: no bar here$"):
        read_corpus(tmp_path / "t.bars")


@pytest.mark.usefixtures("package")
def test_what_lists_formats_lists_those_of_other_packages_and_imports_none(tmp_path: Path) -> None:
    assert formats.endings().startswith(".csv, .tsv, ")
    assert formats.endings().endswith(", .bars, .broken, .odd, each also with .gz behind it")
    assert formats.names().startswith("CSV, TSV, ")
    assert formats.names().endswith(", bars, broken or odd")
    with pytest.raises(InputError, match=r"there are \.csv, .*\.bars, "):
        check_ending(tmp_path / "t.pdf")
    with pytest.raises(InputError, match=r"no table format is called 'nope'; there are csv, .*bars, broken, odd$"):
        formats.format_of(Path("-"), "nope")
    assert "bars_for_tests" not in sys.modules


def test_help_lists_them(package: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ganbert.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, str(package), "train", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "400"},
    )
    assert ", bars, broken or odd, or a datasets folder" in run.stdout
    assert ", bars, broken, odd." in run.stdout


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("broken", "ganbert.formats broken = missing_for_tests:X of bars cannot be imported: ModuleNotFoundError"),
        ("odd", "ganbert.formats odd: is int, not a ganbert.data.formats.Format"),
    ],
)
def test_a_format_that_does_not_work_is_refused_by_its_entry_point(tmp_path: Path, ending: str, message: str) -> None:
    path = tmp_path / f"t.{ending}"
    path.touch()
    with pytest.raises(InputError) as caught:
        next(read_chunks(path))
    assert str(caught.value).startswith(message)


def test_a_format_of_its_own_delimiter_is_an_entry_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = "ganbert.data.formats.delimited:"
    monkeypatch.setitem(
        FORMATS.own, "psv", Format("PSV", place + "read_csv", place + "CsvWriter", dialect=Dialect("|"))
    )
    for table in (pa.table({"text": ["a, b", 'c|"d"'], "label": ["x", ""]}), pa.table({"text": ["a, b", "c; d|e"]})):
        with TableWriter(tmp_path / "t.psv") as out:
            out.write(table)
        log = ReadLog()
        assert [chunk.to_pylist() for chunk in read_chunks(tmp_path / "t.psv", log=log)] == [table.to_pylist()]
        assert (log.notes, log.dialect.delimiter) == ([], "|")
    assert (tmp_path / "t.psv").read_text() == 'text\na, b\n"c; d|e"\n'


def test_every_entry_has_its_reader_and_writer() -> None:
    for ending, entry in FORMATS.items():
        assert callable(entry.reader), ending
        assert entry.writer is None or callable(entry.writer), ending
    assert [ending for ending, entry in FORMATS.items() if entry.writer is None] == ["xls"]
    assert isinstance(FORMATS["csv"], Format)
