"""The folder of a comparison: nothing in it is replaced that is not of a comparison."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganbert.compare.store import FILES, check_folder
from ganbert.errors import InputError


@pytest.mark.parametrize("name", [name for name in FILES if name != "results.jsonl"])
def test_a_file_that_is_not_of_a_comparison_is_not_replaced(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name}: is not of a comparison"):
        check_folder(tmp_path, [])
    (tmp_path / "results.jsonl").write_text("")
    check_folder(tmp_path, [])
    assert (tmp_path / name).read_text() == "mine"


def test_other_files_in_the_folder_are_no_obstacle(tmp_path: Path) -> None:
    table = tmp_path / "messages.csv"
    table.write_text("text,label")
    check_folder(tmp_path, [table])
    assert [path.name for path in tmp_path.iterdir()] == ["messages.csv"]


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to, None])
def test_a_table_that_is_read_is_not_written_to(link: object, tmp_path: Path) -> None:
    table = tmp_path / "results.jsonl"
    table.write_text("{}")
    spelling = tmp_path / "x" / ".." / "results.jsonl"
    (tmp_path / "x").mkdir()
    if callable(link):
        spelling = tmp_path / "link.jsonl"
        link(spelling, table)
    with pytest.raises(InputError, match="is a table to read and would be replaced"):
        check_folder(tmp_path, [spelling])


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: is a file; --output names a folder"):
        check_folder(tmp_path / "file", [])
    with pytest.raises(InputError, match="file: is a file; --output names a folder"):
        check_folder(tmp_path / "file" / "below", [])
    with pytest.raises(InputError, match="cannot be written to"):
        check_folder(Path("/proc/nope/out"), [])
    (tmp_path / "results.jsonl").mkdir()
    with pytest.raises(InputError, match=r"results\.jsonl: is no file"):
        check_folder(tmp_path, [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written to"):
        check_folder(tmp_path, [])
