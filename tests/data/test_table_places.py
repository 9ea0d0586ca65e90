"""Where tables come from and go to: standard input and output, files that are there, leftovers of killed runs."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ganbert.data.formats import FORMATS, format_of
from ganbert.data.tables import TableWriter, check_table_output, read_chunks
from ganbert.errors import InputError, RunError
from ganbert.storage.disk import part_file

TABLE = pa.table({"text": ["ä", "b"], "n": ["1", "2"]})
STREAMED = [ending for ending, entry in FORMATS.items() if entry.write is not None]
PASS_ON = """
import sys
from pathlib import Path
from ganbert.data.tables import TableWriter, read_chunks
with TableWriter(Path("-"), format=sys.argv[1]) as out:
    for chunk in read_chunks(Path("-"), format=sys.argv[1]):
        out.write(chunk)
"""


def write_all(path: Path, chunks: list[pa.Table]) -> None:
    with TableWriter(path) as out:
        for chunk in chunks:
            out.write(chunk)


def table_bytes(path: Path) -> bytes:
    write_all(path, [TABLE])
    return path.read_bytes()


# Standard input and output


@pytest.mark.parametrize("form", STREAMED)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_table_goes_through_pipes(tmp_path: Path, form: str, zipped: bool) -> None:
    content = table_bytes(tmp_path / f"a.{form}")
    result = subprocess.run(
        [sys.executable, "-c", PASS_ON, form],
        input=gzip.compress(content) if zipped else content,
        capture_output=True,
        check=False,
    )
    assert result.stderr == b""
    (tmp_path / f"b.{form}").write_bytes(result.stdout)
    (chunk,) = read_chunks(tmp_path / f"b.{form}")
    assert chunk.to_pylist() == TABLE.to_pylist()


def from_input(monkeypatch: pytest.MonkeyPatch, content: bytes, **options: Any) -> list[dict[str, Any]]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    return [row for chunk in read_chunks(Path("-"), **options) for row in chunk.to_pylist()]


def test_errors_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_input(monkeypatch, b"a;b\n1;2\n") == [{"a": "1", "b": "2"}]
    with pytest.raises(InputError, match=r"^standard input, row 1: the header has 2 fields, this row 1 \(line 2\)$"):
        from_input(monkeypatch, b"a,b\n1\n")
    with pytest.raises(InputError, match=r"^standard input: byte 0x93 at offset 4 \(line 3\) .* cp1252\)$"):
        from_input(monkeypatch, b"a\n1\n\x93\n")
    with pytest.raises(InputError, match=r"^no table format is called 'nope'; there are csv, tsv, "):
        from_input(monkeypatch, b"a\n1\n", format="nope")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match=r"^standard input: is closed$"):
        next(read_chunks(Path("-")))


def test_whoever_reads_standard_output_may_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    pipe = open(writer, "w")  # noqa: SIM115
    monkeypatch.setattr(sys, "stdout", pipe)
    chunks = [pa.table({"text": ["a text"] * 10_000})] * 100
    with pytest.raises(BrokenPipeError):
        write_all(Path("-"), chunks)
    with suppress(BrokenPipeError):
        pipe.close()
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(InputError, match="cannot be written: it is closed"), TableWriter(Path("-")):
        pass


def test_formats_of_paths() -> None:
    assert format_of(Path("a.CSV.gz")) == "csv"
    assert format_of(Path("-"), "parquet") == "parquet"
    with pytest.raises(InputError, match="no table format has this ending"):
        format_of(Path("csv"))


# Files that are there already


def test_an_output_is_not_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in.csv"
    table_bytes(source)
    (tmp_path / "link.csv").symlink_to(source)
    os.link(source, tmp_path / "hard.csv")
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    for path in ("in.csv", "./in.csv", "folder/../in.csv", "link.csv", "hard.csv", "other/in.csv"):
        for overwrite in (False, True):
            with pytest.raises(InputError, match="is the input too, or lies in it: name another output"):
                check_table_output(Path(path), inputs=[source], overwrite=overwrite)
    (tmp_path / "to_nothing.csv").symlink_to(tmp_path / "missing.csv")
    with pytest.raises(InputError, match="is the input too"):
        check_table_output(tmp_path / "to_nothing.csv", inputs=[Path("missing.csv")], overwrite=True)
    check_table_output(Path("out.csv"), inputs=[source])
    check_table_output(Path("-"), inputs=[Path("-")])


def test_another_file_is_replaced_only_if_that_is_meant(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("precious")
    with pytest.raises(InputError, match=r"out\.csv: exists already \(--overwrite replaces it\)"):
        check_table_output(tmp_path / "out.csv")
    check_table_output(tmp_path / "out.csv", overwrite=True)


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"not an ordinary file \(- writes to standard output\)"):
            check_table_output(tmp_path / "pipe.csv", overwrite=overwrite)


def test_a_link_stays_and_the_file_behind_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "out.csv").symlink_to(tmp_path / "there" / "real.csv")
    table_bytes(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "there" / "real.csv").read_text() == "text,n\nä,1\nb,2\n"
    assert os.listdir(tmp_path / "there") == ["real.csv"]


# Leftovers


KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow as pa
from ganbert.data.tables import TableWriter
with TableWriter(Path(sys.argv[1])) as out:
    out.write(pa.table({"text": ["a"]}))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_removed_by_the_next_of_the_same_target(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        subprocess.run([sys.executable, "-c", KILLED, tmp_path / name], check=False)
    parts = list(tmp_path.iterdir())
    assert len(parts) == 2
    table_bytes(tmp_path / "a.csv")
    (left,) = set(tmp_path.iterdir()) - {tmp_path / "a.csv"}
    table_bytes(tmp_path / "b.csv")
    assert left in parts
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_what_a_living_run_writes_is_not_removed(tmp_path: Path) -> None:
    with part_file(tmp_path / "a.csv") as file:
        file.write(b"slow")
        file.flush()
        (part,) = tmp_path.iterdir()
        table_bytes(tmp_path / "a.csv")
        assert part.exists()
    assert (tmp_path / "a.csv").read_bytes() == b"slow"


def test_a_full_disk_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"a\.csv: cannot be written: No space left on device"):
        table_bytes(tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []
