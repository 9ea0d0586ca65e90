"""Whatever goes wrong, in whatever place: one line, the right exit status, and what was made stays made."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ganbert.cli.streams import TolerantStream
from ganbert.errors import RunError
from tests.cli.conftest import write_toy
from tests.conftest import Run, toy_rows

Toy = Callable[..., Path]
HINT = "GANBERT_DEBUG=1 shows the traceback"


@pytest.fixture
def failing(run: Run, trained: Path, toy_table: Toy, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Return a function that runs a command in which an error comes up, and returns its status and last words."""

    def command(error: BaseException) -> tuple[int, str]:
        def fail(*arguments: object, **options: object) -> None:
            raise error

        monkeypatch.setattr("ganbert.predict.predictor.Predictor.load", fail)
        outcome = run("evaluate", trained, toy_table(n=6, labelled=6))
        assert outcome.out == ""
        return outcome.status, outcome.err

    return command


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (OSError(errno.ENOSPC, "No space left"), 1, f"cannot write: no space left on device (OSError); {HINT}"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 1, f"a: permission denied (PermissionError); {HINT}"),
        (MemoryError(), 1, f"out of memory (MemoryError); {HINT}"),
        (RecursionError("too deep"), 1, f"too deep (RecursionError); {HINT}"),
        (RuntimeError("two\n  lines\x1b[31m"), 1, f"two lines\\x1b[31m (RuntimeError); {HINT}"),
        (KeyError(), 1, f"failed (KeyError); {HINT}"),
        (RunError("not all:\n\x1b[2Jevil\nother"), 1, "not all:\n\\x1b[2Jevil\nother"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)  # fmt: skip
def test_any_error_is_told_in_words(
    failing: Callable[..., tuple[int, str]], error: BaseException, status: int, line: str
) -> None:
    assert failing(error) == (status, f"ganbert: {line}\n")


def test_the_traceback_is_shown_to_who_asks_for_it(
    failing: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBERT_DEBUG", "1")
    status, words = failing(RuntimeError("boom"))
    assert status == 1
    assert words.startswith("Traceback")
    assert words.splitlines()[-1] == f"ganbert: boom (RuntimeError); {HINT}"


def test_names_with_escape_sequences_steer_neither_terminal_nor_page(
    run: Run, tiny_encoder: str, tmp_path: Path
) -> None:
    evil = "\x1b[31m|<b>`"
    rows = [json.dumps({"text": text, "label": name + evil}) for text, name in toy_rows(24)]
    table = tmp_path / "t\x1b[2J.jsonl"
    table.write_text("\n".join(rows), encoding="utf-8")
    output = tmp_path / "model\x1b[2J"

    outcome = run(
        *("train", table, "--test", table, "--output", output, "--encoder", tiny_encoder, "--max-steps", 2),
        *("--batch-size", 8),
    )

    assert outcome.status == 0, outcome.err
    assert "\x1b" not in outcome.out + outcome.err
    card = (output / "README.md").read_text(encoding="utf-8")
    assert r"animal\\x1b\[31m\|\<b\>\`" in card
    assert "\x1b" not in card
    missing = run("evaluate", output, tmp_path / "no\x1b[2J.csv")
    assert missing.status == 2
    assert r"no\x1b[2J.csv" in missing.err
    assert "\x1b" not in missing.err


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of a shell in which $GANBERT is the command."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    environment["GANBERT"] = f"{sys.executable} -m ganbert"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, timeout=300)


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("$GANBERT --version > /dev/full", 1, "ganbert: standard output cannot be written: no space left on device\n"),
        ("$GANBERT --version >&-", 1, "ganbert: standard output cannot be written: bad file descriptor\n"),
        ("$GANBERT evaluate nowhere nowhere 2>&-", 2, ""),
        ("$GANBERT evaluate nowhere nowhere 2>/dev/full", 2, ""),
        ("$GANBERT --version <&- >&- 2>&-", 1, ""),
        ("($GANBERT --version; echo $? >&2) | head -c 0", 0, "141\n"),
    ],
)
def test_output_that_cannot_be_written_is_told_where_it_was_the_result(
    command: str, status: int, words: str, tmp_path: Path
) -> None:
    if "head" in command:  # its end of the pipe must be closed before anything is written
        command = command.replace("($", "(sleep 0.5; $")
    done = shell(f"cd {tmp_path}; {command}")
    assert (done.returncode, done.stderr) == (status, words)


def test_a_stream_shows_what_it_cannot_encode_as_an_escape(tmp_path: Path) -> None:
    number = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    stream = TolerantStream(number, "cp1252")
    stream.write("naïve 東 \udce9\n")
    stream.flush()
    os.close(number)
    assert (tmp_path / "out").read_bytes() == b"na\xefve \\u6771 \\udce9\n"
    assert stream.lost is None


def test_a_model_is_trained_whatever_becomes_of_screen_cache_and_home(tiny_encoder: str, tmp_path: Path) -> None:
    table = write_toy(tmp_path / "toy.csv", 24, 12)
    test = write_toy(tmp_path / "test.csv", 6, 6)
    train = f"$GANBERT train {table} --test {test} --encoder {tiny_encoder} --max-steps 2 --batch-size 8 --threads 1"
    nowhere = {"HF_DATASETS_CACHE": "/proc/nope", "HOME": "/proc/nope", "HF_HOME": "/proc/nope"}

    full = shell(f"{train} --output {tmp_path}/full >/dev/full", PYTHONUTF8="0", PYTHONIOENCODING="cp1252", **nowhere)

    assert full.returncode == 0, full.stderr
    assert full.stderr.splitlines()[-1] == "ganbert: standard output cannot be written: no space left on device"
    assert "Traceback" not in full.stderr
    assert "atplotlib" not in full.stderr
    assert (tmp_path / "full" / "manifest.json").exists()
    assert not (tmp_path / "full" / "run.json").exists()


def test_a_file_system_that_is_full_leaves_a_run_to_resume(tiny_encoder: str, tmp_path: Path) -> None:
    table = write_toy(tmp_path / "toy.csv", 24, 12)
    train = f"$GANBERT train {table} --encoder {tiny_encoder} --max-steps 2 --batch-size 8 --threads 1"

    full = shell(f"ulimit -f 100; {train} --output {tmp_path}/m")  # kilobytes: weights, but no optimiser state

    assert full.returncode == 1
    last = full.stderr.splitlines()[-1]
    assert last.startswith(f"ganbert: {tmp_path}/m: cannot be written: no space left, or a file too large")
    assert "--resume" in last
    assert "Traceback" not in full.stderr
    resumed = shell(f"{train} --output {tmp_path}/m --resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "m" / "model.safetensors").exists()


@pytest.mark.parametrize("file", ["README.md", "manifest.json", "run.json", "training_log.jsonl"])
def test_a_small_file_that_cannot_be_written_ends_the_run_in_one_line(
    run: Run, toy_table: Toy, tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name == file:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    arguments = ("train", toy_table(), "--encoder", tiny_encoder, "--output", tmp_path / "model", "--max-steps", 2)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        outcome = run(*arguments)
    assert outcome.status == 1
    assert outcome.out == ""
    assert outcome.err.splitlines()[-1].startswith(f"ganbert: {tmp_path}/model: cannot be written: no space left")

    again = run(*arguments, "--resume")
    assert again.status == 0, again.err
    assert not list((tmp_path / "model").glob(".*"))


def test_plots_that_cannot_be_drawn_do_not_fail_a_run(
    run: Run, toy_table: Toy, tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("no font")

    monkeypatch.setattr("ganbert.training.train.plot_training", fail)
    outcome = run("train", toy_table(), "--encoder", tiny_encoder, "--output", tmp_path / "model", "--max-steps", 2)
    assert outcome.status == 0
    assert "The plots could not be drawn: no font." in outcome.err


def test_a_folder_that_is_removed_in_mid_run_ends_it_in_one_line(
    run: Run, toy_table: Toy, tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganbert.training.health import HealthCallback

    def remove(self: HealthCallback, *arguments: object, **options: object) -> None:
        for path in (tmp_path / "model").iterdir():
            path.unlink()
        (tmp_path / "model").rmdir()

    monkeypatch.setattr(HealthCallback, "on_log", remove)
    outcome = run("train", toy_table(), "--encoder", tiny_encoder, "--output", tmp_path / "model", "--max-steps", 2)
    assert outcome.status == 1
    assert "was removed while the run was going on" in outcome.err.splitlines()[-1]


def test_sigterm_in_the_set_up_leaves_nothing(toy_table: Toy, tiny_encoder: str, tmp_path: Path) -> None:
    code = (
        "import os, signal, ganbert.cli, ganbert.training.fit as fit\n"
        "fit.build_model = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "ganbert.cli.main()\n"
    )
    arguments = ["train", str(toy_table()), "--encoder", tiny_encoder, "--output", str(tmp_path / "model")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr == "ganbert: stopped\n"
    assert not (tmp_path / "model").exists()


def test_a_second_run_into_one_folder_is_refused(run: Run, toy_table: Toy, tiny_encoder: str, tmp_path: Path) -> None:
    from ganbert.storage.folders import claimed

    arguments = ("train", toy_table(), "--encoder", tiny_encoder, "--output", tmp_path / "model", "--max-steps", 2)
    with claimed(tmp_path / "model"):
        outcome = run(*arguments)
    assert outcome.status == 2
    assert outcome.err == (
        f"ganbert: {tmp_path}/model: another run is writing there: wait for it, or choose another folder\n"
    )


def test_the_training_table_in_the_model_folder_survives(
    run: Run, toy_table: Toy, tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("--encoder", tiny_encoder, "--max-steps", 2)
    assert run("train", toy_table(), "--output", tmp_path / "model", *common).status == 0
    table = toy_table().rename(tmp_path / "model" / "messages.csv")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    monkeypatch.chdir(tmp_path / "model")

    for file, output in ((table, tmp_path / "model"), ("messages.csv", ".")):
        outcome = run("train", file, "--output", output, "--overwrite", *common)
        assert outcome.status == 2
        assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
