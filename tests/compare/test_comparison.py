"""The file of results: nothing lost, nothing done twice, whoever shares it."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ganbert.compare import executors
from ganbert.compare.comparison import compare, measure, runs_of
from ganbert.compare.runs import Run
from ganbert.compare.splits import Split
from ganbert.compare.store import Record, Results
from ganbert.data.class_names import ClassNames
from ganbert.errors import InputError, InterruptedRunError, RunError


@dataclass(frozen=True)
class NoRows:
    """A source for runs that are never split."""

    name: str = "toy"
    part: str = "test"
    version: str = ""
    remarks: tuple[str, ...] = ()
    is_whole: bool = False
    budgets: tuple[str, ...] = ("100%",)

    @property
    def skipped(self) -> dict[str, int]:
        return {}

    def is_same_for_all_seeds(self, budget: str) -> bool:
        return self.is_whole

    def class_names(self) -> ClassNames:
        return {"a": ("first",)}

    def split(self, budget: str, seed: int, **how: object) -> Split:
        raise InputError("a source without rows")

    def conditions(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Noted(Run):
    """A run that notes that it was begun and by a child of which process, takes a moment, and leaves a record."""

    notes: Path = Path()
    seconds: float = 0.0

    def __call__(self) -> Record:
        with self.notes.open("a") as file:
            file.write(f"{self.method} {self.seed} {os.getppid()}\n")
        time.sleep(self.seconds)
        return {**self.identity, "accuracy": 0.5}


def noted_runs(notes: Path, seconds: float = 0.0) -> list[Run]:
    return [
        Noted(NoRows(), method, "1%", seed, notes=notes, seconds=seconds)
        for seed in range(4)
        for method in ("bert", "gan-bert", "tfidf")
    ]


def carry_out_slowly(folder: str) -> None:
    """Share a file of results, in another process."""
    path = Path(folder)
    measure(noted_runs(path / "notes", 0.05), Results(path / "results.jsonl"))


def test_only_what_is_missing_is_done(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    runs = noted_runs(tmp_path / "notes")
    measure(runs[:5], results)
    measured = measure(runs, results)
    assert (measured.problems, measured.elsewhere) == ([], 0)
    assert len((tmp_path / "notes").read_text().splitlines()) == 12
    assert [(r["method"], r["seed"]) for r in measured.records] == [(r.method, r.seed) for r in runs]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []  # no claims are left


def test_beside_what_was_asked_for_stands_what_compares_with_it(tmp_path: Path) -> None:
    def run(name: str, method: str, version: str, **options: Any) -> Run:
        return Noted(NoRows(name, version=version), method, "1%", 0, notes=tmp_path / "notes", **options)

    results = Results(tmp_path / "results.jsonl")
    measure([run("other", "bert", "old"), run("other", "bert", "new"), run("toy", "bert", "old")], results)
    measure([run("toy", "tfidf", "new"), run("toy", "bert", "new", balanced=True)], results)
    gone = {**run("toy", "bert", "new").identity, "method": "bert:field_since_removed=1"}
    with results.path.open("a") as file:
        file.write(json.dumps(gone) + "\n")
    measured = measure([run("toy", "bert", "new")], results)
    assert [(r["task"], r["method"], r["data"]) for r in measured.records] == [("toy", "bert", "new")]
    assert [(r["task"], r["method"], r["data"]) for r in measured.beside] == [
        ("other", "bert", "new"),
        ("toy", "tfidf", "new"),
    ]


def test_records_are_written_as_runs_end(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    seen = []
    measure(noted_runs(tmp_path / "notes"), results, ended=lambda run, record: seen.append(len(results.read())))
    assert seen == list(range(1, 13))


def test_processes_that_share_a_file_do_nothing_twice(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=carry_out_slowly, args=(str(tmp_path),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    notes = (tmp_path / "notes").read_text().splitlines()
    assert len(notes) == len(set(notes)) == 12
    assert len(Results(tmp_path / "results.jsonl").read()) == 12


def test_what_a_killed_process_had_claimed_is_done_by_the_next(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=carry_out_slowly, args=(str(tmp_path),))
    process.start()
    results = tmp_path / "results.jsonl"
    while not results.exists() or len(results.read_text().splitlines()) < 3:
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    records = measure(noted_runs(tmp_path / "notes"), Results(results)).records
    assert len(records) == len({(r["method"], r["seed"]) for r in records}) == 12


def test_runs_in_processes_leave_the_same_records(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    measured = measure(noted_runs(tmp_path / "notes"), results, executors.in_processes(2))
    assert {(r["method"], r["seed"]) for r in measured.records} == {
        (method, seed) for method in ("bert", "gan-bert", "tfidf") for seed in range(4)
    }


@dataclass(frozen=True)
class Killed(Noted):
    """A run whose process the system kills."""

    def __call__(self) -> Record:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_process_that_is_killed_is_told_in_one_line_and_does_not_stop_the_others(tmp_path: Path) -> None:
    runs = noted_runs(tmp_path / "notes")
    runs.insert(3, Killed(NoRows("large"), "bert", "1%", 0, notes=tmp_path / "notes"))
    measured = measure(runs, Results(tmp_path / "results.jsonl"), executors.in_processes(2))
    assert measured.problems == [f"large 1% bert: {executors.KILLED}"]
    assert (len(measured.records), measured.elsewhere) == (12, 0)


def test_a_disk_that_is_full_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [Failing(NoRows("odd"), "bert", "1%", 0, error=FullDiskError), *noted_runs(tmp_path / "notes")[:1]]
    results = Results(tmp_path / "results.jsonl")
    assert measure(runs, results).problems == ["odd 1% bert: No space left on device: /tmp/x"]

    def add(self: Results, record: Record) -> None:
        raise FullDiskError

    monkeypatch.setattr(Results, "add", add)
    with pytest.raises(RunError, match=r"results\.jsonl: cannot be written: No space left on device"):
        measure(noted_runs(tmp_path / "notes"), results)


def test_a_run_that_fails_is_named_and_does_not_stop_the_others(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    runs = [Run(NoRows("empty"), "bert", "1%", 0), *noted_runs(tmp_path / "notes")]
    measured = measure(runs, results)
    assert measured.problems == ["empty 1% bert: a source without rows"]
    assert (len(measured.records), measured.elsewhere) == (12, 0)
    assert len(results.read()) == 12
    assert results.missing(runs) == runs[:1]


def test_all_that_decides_a_run_is_in_its_key() -> None:
    run = Run(NoRows(), "bert", "1%", 0)
    others = [
        Run(NoRows("other"), "bert", "1%", 0),
        Run(NoRows(part="dev"), "bert", "1%", 0),
        Run(NoRows(version="2"), "bert", "1%", 0),
        Run(NoRows(), "embed", "1%", 0),
        Run(NoRows(), "bert", "2%", 0),
        Run(NoRows(), "bert", "1%", 1),
        Run(NoRows(), "bert", "1%", 0, encoder="other"),
        Run(NoRows(), "bert", "1%", 0, balanced=True),
        Run(NoRows(), "bert", "1%", 0, epochs=1.0),
        Run(NoRows(), "bert", "1%", 0, max_steps=3),
        Run(NoRows(), "bert", "1%", 0, max_length=32),
        Run(NoRows(), "bert", "1%", 0, precision="bfloat16"),
    ]
    assert len({run.key, *(other.key for other in others)}) == 13
    assert Run(NoRows(), "bert", "1%", 0, threads=1, device="cpu").key == run.key


def test_the_first_seed_of_everything_comes_first() -> None:
    runs = runs_of([NoRows("a"), NoRows("b")], ["bert", "embed"], ["1%", "2%"], 2)
    assert [run.seed for run in runs] == [0] * 8 + [1] * 8
    assert len({run.key for run in runs}) == 16
    assert runs_of([NoRows("a")] * 2, ["bert", "bert"], ["1%"], 1) == runs[:1]


def test_a_method_that_uses_no_seed_runs_once_where_its_rows_are_the_same() -> None:
    runs = runs_of([NoRows(is_whole=True)], ["tfidf", "bert"], ["100%"], 3)
    assert [(run.method, run.seed) for run in runs] == [("tfidf", 0), ("bert", 0), ("bert", 1), ("bert", 2)]
    assert len(runs_of([NoRows()], ["tfidf", "bert"], ["100%"], 3)) == 6


def test_the_engine_tells_what_begins_and_each_step(tmp_path: Path) -> None:
    runs, begun = noted_runs(tmp_path / "notes")[:2], list[Run]()
    done = list(executors.one_by_one(runs, begun=begun.append, on_step=print))
    assert begun == runs
    assert [d.run.on_step for d in done] == [print, print]


def test_half_a_line_of_a_killed_process_is_forgotten(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    runs = noted_runs(tmp_path / "notes")
    measure(runs[:2], results)
    whole = results.path.read_text()
    results.path.write_text(whole[:-9])
    assert len(results.read()) == 1
    assert len(measure(runs[:2], Results(results.path)).records) == 2
    assert results.path.read_text() == whole


@pytest.mark.parametrize("content", ["mine", '{"text": "a cat"}', '[{"task": 1}]'])
def test_a_file_of_somebody_else_without_an_end_of_line_is_left_as_it_is(content: str, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match="ends in what is no record of a run"):
        Results(path)
    assert path.read_text() == content


def test_runs_of_another_process_are_counted(tmp_path: Path) -> None:
    runs = noted_runs(tmp_path / "notes")
    other = Results(tmp_path / "results.jsonl")
    claims = other.claimed(runs)
    next(claims)
    measured = measure(runs, Results(other.path))
    assert (len(measured.records), measured.elsewhere) == (11, 1)
    other.close()


class FullDiskError(OSError):
    """A disk that is full, whatever it is told."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(errno.ENOSPC, "No space left on device", "/tmp/x")


@dataclass(frozen=True)
class Failing(Run):
    """A run that raises."""

    error: type[BaseException] = ValueError

    def __call__(self) -> Record:
        if self.error is InterruptedRunError:
            raise InterruptedRunError("stopped at step 3 of 9", signal.SIGINT)
        raise self.error("of a library,\non two lines")


def test_an_error_of_a_library_is_one_line_and_does_not_stop_the_others(tmp_path: Path) -> None:
    runs = [Failing(NoRows("odd"), "bert", "1%", 0), *noted_runs(tmp_path / "notes")]
    measured = measure(runs, Results(tmp_path / "results.jsonl"))
    assert measured.problems == ["odd 1% bert: ValueError: of a library, on two lines"]
    assert len(measured.records) == 12


def test_a_comparison_of_which_no_run_can_be_carried_out_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganbert.compare.comparison.check", lambda runs: [])  # there are no rows

    def failing(runs: Iterable[Run]) -> Iterator[executors.Done]:
        return (executors.Done(run, None, "no such encoder") for run in runs)

    with pytest.raises(RunError, match="toy 1% tfidf: no such encoder"):
        compare([NoRows("toy")], ["tfidf"], tmp_path, budgets=["1%"], seeds=1, engine=failing)


def test_a_comparison_refuses_records_that_it_could_not_show(tmp_path: Path) -> None:
    record = {**Run(NoRows("toy"), "bert", "1%", 0).identity, "accuracy": 0.5}
    (tmp_path / "results.jsonl").write_text(json.dumps(record) + "\n")
    with pytest.raises(InputError, match=r"row 1.*no record of a run"):
        compare([NoRows("toy")], ["tfidf"], tmp_path, budgets=["1%"], seeds=1)


def test_a_comparison_against_a_method_that_it_does_not_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="against 'bert': is not among the methods"):
        compare([NoRows("toy")], ["tfidf"], tmp_path, against="bert")


def test_being_asked_to_stop_stops_all(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    done, rest = noted_runs(tmp_path / "notes")[:3], noted_runs(tmp_path / "notes")[3:]
    with pytest.raises(KeyboardInterrupt):
        measure([*done, Failing(NoRows(), "bert", "1%", 9, error=InterruptedRunError), *rest], results)
    assert len(results.read()) == 3


@pytest.mark.parametrize("line", ["not json", "[]", json.dumps({"accuracy": 0.5})])
def test_a_file_that_holds_something_else_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"row 1.*no record of a run"):
        Results(path)


def test_a_class_name_may_hold_any_character(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    (run,) = results.claimed(noted_runs(tmp_path / "notes")[:1])
    record = {**run.identity, "classes_by_id": ["a\u2028b", "c\u0085d", "e\x0cf"]}
    results.add(record)
    assert Results(tmp_path / "results.jsonl").read() == [record]
