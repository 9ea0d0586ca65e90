"""Files that are there whole or not at all, and errors in words."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ganbert.storage.disk import read_object, why_not_written, write_whole


def test_a_file_is_written_with_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write_whole(tmp_path / "a", "ä\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa4\n"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "a").symlink_to(tmp_path / "other")
    write_whole(tmp_path / "a", "new")
    assert (tmp_path / "other").read_text() == "mine"
    assert not (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_where_it_cannot_be_written_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "a", "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff\xfe", b"[" * 100_000, b"\0" * 64])
def test_what_is_no_whole_object_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert read_object(tmp_path / "a.json") is None
    assert read_object(tmp_path / "nowhere.json") is None


def test_the_cause_of_a_failed_write_is_found_in_errors_of_all_libraries() -> None:
    def caused(error: Exception, cause: Exception) -> Exception:
        error.__cause__ = cause
        return error

    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert why_not_written(full) == "no space left on device"
    assert why_not_written(caused(ValueError("cannot"), full)) == "no space left on device"
    assert why_not_written(RuntimeError("I/O error: File too large (os error 27)")) == "file too large"
    assert why_not_written(RuntimeError("[enforce fail at inline_container.cc:668] . unexpected pos 64 vs 0")) == (
        "no space left, or a file too large"
    )
    assert why_not_written(FileNotFoundError(errno.ENOENT, "No such file", "a.csv")) is None
    assert why_not_written(ValueError("(os error two)")) is None


def test_many_writers_of_one_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def write(i: int) -> None:
        for _ in range(20):
            write_whole(path, f"{i}" * 1000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    assert len(set(path.read_text(encoding="utf-8"))) == 1
    assert [left.name for left in tmp_path.iterdir()] == ["a.txt"]
