"""The campaign notices what it is there to notice: each fault is planted once, and found."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file

from ganbert.data.tables import read_chunks
from ganbert.errors import InputError, RunError
from tests.torture import folders, tables
from tests.torture.campaign import cases_of
from tests.torture.cases import Case, Failure, or_refused
from tests.torture.forks import Ended, in_fork, refused_in_one_line
from tests.torture.injector import Injector, failing, kill, kill_within
from tests.torture.references import delimited
from tests.torture.table_files import TableFile

GOOD = TableFile("a.csv", b'text,label\n"a, b",x\nc,y\n')
Read = Callable[..., Iterator[pa.Table]]


def failure_of(work: Callable[[], object]) -> str:
    with pytest.raises(Failure) as caught:
        work()
    return caught.value.how


# Verdicts


def test_a_case_is_a_function_of_its_kind_and_number() -> None:
    a, b, c = (Case(kind, number).random().random() for kind, number in (("table", 7), ("table", 7), ("kill", 7)))

    assert a == b
    assert a != c


def test_kinds_are_mixed_evenly() -> None:
    cases = cases_of({"table": 4, "kill": 2}, seed=10)

    kinds = [case.kind for case in cases]
    assert kinds == ["table", "kill", "table", "table", "kill", "table"]
    assert sorted(case.number for case in cases if case.kind == "table") == [10, 11, 12, 13]


def test_a_refusal_is_one_line_and_anything_else_a_failure() -> None:
    def refuse(error: Exception) -> Callable[[], None]:
        def work() -> None:
            raise error

        return work

    def crash() -> None:
        raise KeyError("text")

    assert or_refused(refuse(InputError("no"))) is None
    assert or_refused(refuse(InputError("no\nreally"))) is None  # one line by itself
    assert failure_of(lambda: or_refused(refuse(RunError("no\nreally")))) == "refusal of several lines"
    assert failure_of(lambda: or_refused(crash)) == "KeyError instead of a refusal"


@pytest.mark.parametrize(
    ("status", "err", "expected"),
    [
        (2, "ganbert: a.csv: empty\n", True),
        (1, "Training on cpu.\nganbert: no space left\n", True),
        (1, "ganbert: no space left\nganbert: stopped\n", False),
        (1, "Traceback (most recent call last):\nganbert: no\n", False),
        (1, "OSError: no\n", False),
        (0, "ganbert: a.csv: empty\n", False),
    ],
)
def test_what_counts_as_one_line(status: int, err: str, expected: bool) -> None:
    assert refused_in_one_line(Ended(status, "", err)) is expected


# Tables


def test_pandas_and_csv_agree_on_a_sound_table() -> None:
    assert delimited(GOOD) == [(["text", "label"], [["a, b", "x"], ["c", "y"]])] * 2


def test_a_sound_table_is_equal(tmp_path: Path) -> None:
    assert tables.check_file(GOOD, tmp_path, 1) == "equal"


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda table: table.slice(0, 0), "silent difference: cells of a delimited file"),
        (
            lambda table: table.set_column(1, "label", pa.array(["y"] * len(table))),
            "silent difference: cells of a delimit",
        ),
        (lambda table: table.rename_columns(["text", "Label"]), "silent difference: cells of a delimited file"),
    ],
)
def test_a_lost_row_and_a_changed_cell_are_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: Callable[[pa.Table], pa.Table], how: str
) -> None:
    read: Read = read_chunks
    monkeypatch.setattr(tables, "read_chunks", lambda *args, **kwargs: map(change, read(*args, **kwargs)))

    assert failure_of(lambda: tables.check_file(GOOD, tmp_path, 2)).startswith(how)


@pytest.mark.parametrize(
    ("value", "cell", "expected"),
    [
        (1, 1.0, True),
        (1, "1", True),
        (True, 1, False),
        (2**53 + 1, float(2**53), False),
        ("1", 1, False),
        (["a"], "a", True),
        (["a", "b"], "a", False),
        ({"a": 1}, {"a": 1, "b": None}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (None, "", False),
    ],
)
def test_which_cells_are_a_json_value(value: Any, cell: Any, expected: bool) -> None:
    assert tables.same(value, cell) is expected


# Folders


def test_each_damage_changes_the_folder(tmp_path: Path) -> None:
    for number, damage in enumerate({*folders._OF_FILES, *folders._OF_WEIGHTS}):
        folder = tmp_path / str(number) / "model"
        folder.mkdir(parents=True)
        save_file({"a": np.ones((2, 3), np.float32), "b": np.ones(3, np.float32)}, folder / "model.safetensors")
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (folder / name).write_text(json.dumps({"name": name}))
        before = content_of(folder)

        damage(random.Random(0), folder, folder / "model.safetensors")

        assert content_of(folder) != before, damage.__name__


def test_flips_hit_weights_only_where_their_checksum_is_kept(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    save_file({"a": np.ones(1000, np.float32)}, weights)
    for seed in range(20):
        folders._flip(random.Random(seed), tmp_path, weights)
        content = weights.read_bytes()
        assert content.endswith(np.ones(1000, np.float32).tobytes())
        save_file({"a": np.ones(1000, np.float32)}, weights)

    assert not folders.has_checksums(tmp_path, weights)
    assert (load_file(weights)["a"] == 1).all()


def content_of(folder: Path) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for path in folder.iterdir():
        found[path.name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "folder"
    return found


# Kills and faults


def write_three(folder: Path) -> None:
    for name in "abc":
        (folder / name).write_text(name * 100)


def disturbed(folder: Path, act: Callable[[str, str], None], first: int, *, once: bool = True) -> Ended:
    def work() -> None:
        Injector(folder, act, first, once=once).install()
        write_three(folder)

    return in_fork(work, seconds=60)


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_a_kill_comes_before_the_chosen_file(tmp_path: Path) -> None:
    ended = disturbed(tmp_path, kill, 2)

    assert ended.status == -signal.SIGKILL
    assert sizes(tmp_path) == {"a": 100}


def test_a_kill_within_leaves_half_a_file(tmp_path: Path) -> None:
    ended = disturbed(tmp_path, kill_within(30), 2)

    assert ended.status == -signal.SIGXFSZ
    assert sizes(tmp_path) == {"a": 100, "b": 30}


def test_a_fault_is_an_error_of_the_operation(tmp_path: Path) -> None:
    ended = disturbed(tmp_path, failing(28), 3)

    assert ended.status == 1
    assert "No space left on device" in ended.err
    assert sizes(tmp_path) == {"a": 100, "b": 100}


def test_events_outside_the_folder_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "watched").mkdir()

    def work() -> None:
        Injector(tmp_path / "watched", kill, 1).install()
        write_three(tmp_path)

    assert in_fork(work, seconds=60).status == 0


def test_what_hangs_is_a_failure() -> None:
    assert failure_of(lambda: in_fork(lambda: signal.pause(), seconds=0.5)) == "hangs"


def test_output_and_status_of_a_fork_are_those_of_python() -> None:
    def work() -> None:
        print("out")
        print("err", file=sys.stderr)
        raise SystemExit(3)

    assert in_fork(work, seconds=60) == Ended(3, "out\n", "err\n")
