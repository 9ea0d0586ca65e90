"""The health watch: right figures, and words when the game has collapsed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from ganbert.model.modeling import GanBertOutput
from ganbert.training.health import CERTAIN_ADVICE, PATIENCE, SAME_CLASS_ADVICE, HealthCallback, HealthMonitor


def output(logits: list[list[float]], fake: list[float], generated: list[list[float]]) -> GanBertOutput:
    return GanBertOutput(
        loss=torch.tensor(1.0),
        logits=torch.tensor(logits),
        fake_logits=torch.tensor(fake),
        loss_d_supervised=torch.tensor(0.5),
        loss_g_feature_matching=torch.tensor(4.0),
        generated_logits=torch.tensor(generated),
    )


def test_figures_are_those_of_the_rows() -> None:
    monitor = HealthMonitor()
    labels = torch.tensor([0, -100])
    monitor.observe(output([[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0], [[0.0, 0.0, math.log(2.0)]]), labels)
    monitor.observe_gradients({"encoder": torch.tensor(3.0)})
    monitor.observe(output([[50.0, 0.0], [50.0, 0.0]], [0.0, 0.0], [[0.0, 0.0, math.log(2.0)]]), labels)
    monitor.observe_gradients({"encoder": torch.tensor(1.0)})
    summary = monitor.summarise()
    assert summary["prediction_entropy"] == pytest.approx(0.5, abs=1e-6)  # undecided, then certain
    assert summary["p_fake_generated"] == pytest.approx(0.5)
    assert summary["p_fake_real"] == pytest.approx((1 / 3 + 0.0) / 2, abs=1e-6)
    assert summary["largest_class_share"] == 1.0
    assert summary["feature_distance"] == pytest.approx(2.0)
    assert summary["grad_norm_encoder"] == pytest.approx(2.0)
    assert summary["labelled_rows"] == 1.0
    assert monitor.summarise() == {}


def test_the_first_bad_pass_is_found() -> None:
    monitor = HealthMonitor()
    for value in (1.0, float("inf"), 1.0):
        monitor.observe(
            GanBertOutput(logits=torch.ones(1, 2), loss_d_supervised=torch.tensor(value)), torch.tensor([0])
        )
    assert monitor.first_bad() == (2, "loss_d_supervised")


@pytest.mark.parametrize(
    ("record", "advice"),
    [
        ({"largest_class_share": 1.0, "p_fake_real": 0.4, "p_fake_generated": 0.6}, SAME_CLASS_ADVICE),
        ({"largest_class_share": 0.4, "p_fake_real": 0.001, "p_fake_generated": 0.999}, CERTAIN_ADVICE),
        ({"largest_class_share": 0.4, "p_fake_real": 0.1, "p_fake_generated": 0.9}, None),
    ],
)
def test_a_lasting_collapse_is_told_once_with_advice(
    tmp_path: Path, record: dict[str, float], advice: str | None
) -> None:
    said: list[str] = []
    callback = HealthCallback(HealthMonitor(), tmp_path, said.append)
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    for step in range(1, 3 * PATIENCE):
        callback.on_log(arguments, TrainerState(global_step=step), TrainerControl(), logs=record)
        if step < PATIENCE:
            assert said == []
    assert [line.endswith(f"{advice}.") for line in said] == ([True] if advice else [])
    assert callback.warnings == [line.removeprefix("Warning: ") for line in said]


def test_a_short_wobble_is_not_a_collapse(tmp_path: Path) -> None:
    said: list[str] = []
    callback = HealthCallback(HealthMonitor(), tmp_path, said.append)
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    for step in range(40):
        share = 0.5 if step % PATIENCE == 0 else 1.0
        callback.on_log(
            arguments, TrainerState(global_step=step), TrainerControl(), logs={"largest_class_share": share}
        )
    assert said == []
