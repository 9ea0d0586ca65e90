"""A run that is stopped, however, ends in the very weights of one that never was."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from ganbert.data.corpus import Corpus
from ganbert.errors import InterruptedRunError
from ganbert.training.callbacks import EarlyStopping
from ganbert.training.recipe import BERT, Recipe
from ganbert.training.train import train
from tests.conftest import Run, toy_corpus, toy_rows

Table = Callable[..., Path]
STEPS = 80


def command(table: Path, output: Path, encoder: str, *more: str) -> list[str]:
    return [
        "train", str(table), "--output", str(output), "--encoder", encoder,
        "--max-steps", str(STEPS), "--batch-size", "16", "--seed", "3", "--threads", "1",
        "--set", "teacher_share=0", *more,
    ]  # fmt: skip


def last_step(output: Path) -> int:
    log = output / "training_log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return max((json.loads(line)["step"] for line in lines if line.endswith("}")), default=0)


def run_until(step: int, stop: signal.Signals, arguments: list[str], output: Path) -> subprocess.CompletedProcess[str]:
    """Start the command and send it `stop` once its log has reached `step`."""
    with subprocess.Popen(
        [sys.executable, "-m", "ganbert", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and last_step(output) < step:
            time.sleep(0.002)
        process.send_signal(stop)
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture(scope="module")
def uninterrupted(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A table, and the model folder of a run on it that nothing stopped."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    table = folder / "toy.csv"
    rows = [f"{text},{label if i < 24 else ''}" for i, (text, label) in enumerate(toy_rows(200))]
    table.write_text("text,label\n" + "\n".join(rows) + "\n")
    subprocess.run(
        [sys.executable, "-m", "ganbert", *command(table, folder / "model", tiny_encoder)],
        check=True,
        capture_output=True,
    )
    return table, folder / "model"


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def steps_logged(model: Path) -> list[int]:
    records = [json.loads(line) for line in (model / "training_log.jsonl").read_text().splitlines()]
    return [record["step"] for record in records if "loss" in record]


def test_killed_at_three_steps_and_resumed_ends_in_the_same_weights(
    uninterrupted: tuple[Path, Path], tiny_encoder: str, run: Run, tmp_path: Path
) -> None:
    table, model = uninterrupted
    output = tmp_path / "model"
    for i, step in enumerate((1, 32, 60)):  # before the first checkpoint, between two, and late
        more = ["--resume"] if i else []
        killed = run_until(step, signal.SIGKILL, command(table, output, tiny_encoder, *more), output)
        assert killed.returncode == -signal.SIGKILL
        assert not (output / "model.safetensors").exists()
    finished = run(*command(table, output, tiny_encoder, "--resume"))
    assert finished.status == 0
    assert "Resuming from" in finished.err
    assert weights(output) == weights(model)
    assert steps_logged(output) == steps_logged(model) == list(range(1, STEPS + 1))


@pytest.mark.parametrize(("stop", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_a_checkpoint_and_says_how_to_resume(
    uninterrupted: tuple[Path, Path], tiny_encoder: str, run: Run, tmp_path: Path, stop: signal.Signals, status: int
) -> None:
    table, model = uninterrupted
    output = tmp_path / "model"
    stopped = run_until(5, stop, command(table, output, tiny_encoder), output)
    assert stopped.returncode == status
    assert "Traceback" not in stopped.stderr
    assert "a checkpoint is saved" in stopped.stderr
    assert "--resume" in stopped.stderr
    checkpoints = list(output.glob("checkpoint-*"))
    assert any(int(path.name.split("-")[1]) >= 5 for path in checkpoints)
    assert run(*command(table, output, tiny_encoder, "--resume")).status == 0
    assert weights(output) == weights(model)


def test_a_half_written_checkpoint_is_passed_over(
    uninterrupted: tuple[Path, Path], tiny_encoder: str, run: Run, tmp_path: Path
) -> None:
    table, model = uninterrupted
    output = tmp_path / "model"
    run_until(30, signal.SIGKILL, command(table, output, tiny_encoder), output)
    cut_off = output / "checkpoint-79"
    cut_off.mkdir()
    (cut_off / "model.safetensors").write_bytes(b"cut off")
    assert run(*command(table, output, tiny_encoder, "--resume")).status == 0
    assert weights(output) == weights(model)


def test_a_run_begun_with_other_settings_is_not_resumed(
    uninterrupted: tuple[Path, Path], tiny_encoder: str, run: Run, tmp_path: Path
) -> None:
    table, _ = uninterrupted
    output = tmp_path / "model"
    run_until(3, signal.SIGKILL, command(table, output, tiny_encoder), output)
    other = run(*command(table, output, tiny_encoder, "--resume", "--set", "noise=uniform"))
    assert other.status == 2
    assert "was begun with other recipe" in other.err


def test_a_teacher_goes_on_where_it_was_and_is_not_trained_twice(
    tiny_encoder: str, toy_table: Table, run: Run, tmp_path: Path
) -> None:
    table = toy_table(120)
    more = ["--set", "teacher_share=0.5"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert run(*command(table, whole, tiny_encoder, *more)).status == 0
    teacher = stopped / "teacher"
    run_until(30, signal.SIGKILL, command(table, stopped, tiny_encoder, *more), teacher)
    assert (teacher / "run.json").exists()
    more.append("--resume")
    run_until(30, signal.SIGKILL, command(table, stopped, tiny_encoder, *more), stopped)
    assert (teacher / "model.safetensors").exists()
    written = (teacher / "model.safetensors").stat().st_mtime_ns
    killed = run_until(35, signal.SIGKILL, command(table, stopped, tiny_encoder, *more), stopped)
    assert killed.returncode == -signal.SIGKILL
    assert (teacher / "model.safetensors").stat().st_mtime_ns == written
    finished = run(*command(table, stopped, tiny_encoder, *more))
    assert finished.status == 0, finished.err
    assert "Resuming from" in finished.err
    assert weights(stopped) == weights(whole)


@pytest.mark.parametrize(("last", "stops"), [(0.65, True), (0.7, True), (0.71, False)])
def test_early_stopping_counts_the_validations_of_the_log_that_a_resumed_run_goes_on_with(
    tmp_path: Path, last: float, stops: bool
) -> None:
    arguments = TrainingArguments(str(tmp_path), metric_for_best_model="accuracy", use_cpu=True, report_to="none")
    measured = [0.5, 0.7, 0.7, 0.6, last]
    history: list[dict[str, float]] = [{"loss": 1.0}, *({"eval_accuracy": value} for value in measured)]
    state, control = TrainerState(log_history=history), TrainerControl()

    EarlyStopping(3).on_evaluate(arguments, state, control)

    assert control.should_training_stop is stops


def interrupted_after(steps: int, recipe: Recipe, corpus: Corpus, output: Path, encoder: str, **more: Any) -> None:
    """Train until SIGTERM comes after some steps."""

    def stop(step: int, of: int) -> None:
        if step == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRunError):
        train(recipe, corpus, output, encoder=encoder, progress=False, say=lambda message: None, on_step=stop, **more)


SHORT = dataclasses.replace(BERT, max_steps=10, batch_size=16)


def test_the_best_checkpoint_is_found_again_in_a_folder_that_was_renamed(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = itertools.count(0, -1)  # the first validation of each run is its best
    monkeypatch.setattr("ganbert.training.fit._selection_metrics", lambda *_: lambda _: {"accuracy": next(falling)})
    corpus = toy_corpus(labelled=60).hold_out(0.3, 0)
    options: dict[str, Any] = {"encoder": tiny_encoder, "progress": False, "say": lambda message: None}
    train(SHORT, corpus, tmp_path / "whole", **options)
    interrupted_after(7, SHORT, corpus, tmp_path / "before", tiny_encoder)
    (tmp_path / "before").rename(tmp_path / "after")
    train(SHORT, corpus, tmp_path / "after", resume=True, **options)
    assert weights(tmp_path / "after") == weights(tmp_path / "whole")


def test_a_run_begun_without_early_stopping_is_resumed_with_it(tiny_encoder: str, tmp_path: Path) -> None:
    corpus = toy_corpus().hold_out(0.3, 0)
    still = dataclasses.replace(SHORT, encoder_lr=0.0, discriminator_lr=0.0)  # never gets better
    interrupted_after(5, still, corpus, tmp_path / "model", tiny_encoder)
    result = train(
        still, corpus, tmp_path / "model", encoder=tiny_encoder, progress=False, say=lambda message: None,
        resume=True, early_stopping=3,
    )  # fmt: skip
    assert result.steps == 7  # stopped after the sixth, which was no better than the first, nor is the seventh
