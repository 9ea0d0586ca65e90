"""Real processes that train together, on gloo: the losses and weights of one process with the same batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification

import ganbert  # noqa: F401 - makes its models known to transformers

LAUNCHERS = {
    "one process": ["-m", "ganbert"],
    "torchrun": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "ganbert"],
    "accelerate": ["-m", "accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1",
                   "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0", "-m", "ganbert"],
    "fsdp": ["-m", "accelerate.commands.launch", "--use_fsdp", "--fsdp_version=2", "--num_processes=2",
             "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0",
             "--fsdp_auto_wrap_policy=SIZE_BASED_WRAP", "--fsdp_min_num_params=1000", "-m", "ganbert"],
}  # fmt: skip


@pytest.fixture
def still_encoder(tiny_encoder: str, tmp_path: Path) -> str:
    """The tiny encoder without dropout: nothing is left to chance but G's noise, which the seed fixes."""
    model = AutoModel.from_pretrained(tiny_encoder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    folder = tmp_path / "encoder"
    model.save_pretrained(folder)
    for file in Path(tiny_encoder).glob("*token*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return str(folder)


def train(launcher: str, table: Path, output: Path, encoder: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `ganbert train` under a launcher, and return how it ended."""
    command = [
        sys.executable, *LAUNCHERS[launcher], "train", str(table), "--output", str(output), "--encoder", encoder,
        "--device", "cpu", "--precision", "float32", "--threads", "1", "--max-steps", "12", "--batch-size", "16",
        "--learning-rate", "0.003", "--set", "dropout=0", "--json", *options,
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def losses(output: Path) -> list[dict[str, float]]:
    """Return the losses of each logged step."""
    records = [json.loads(line) for line in (output / "training_log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if "loss" in k} for record in records if "loss" in record]


@pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])
def test_two_processes_train_as_one(
    launcher: str, toy_table: Callable[..., Path], still_encoder: str, tmp_path: Path
) -> None:
    table, test = toy_table(60, 24), toy_table(30, 30, "test.csv", 60)
    one = train("one process", table, tmp_path / "one", still_encoder, "--test", str(test))
    two = train(launcher, table, tmp_path / "two", still_encoder, "--test", str(test))
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr

    expected, found = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(found) == 12
    for step_found, step_expected in zip(found, expected, strict=True):
        assert step_found == pytest.approx(step_expected, rel=2e-3, abs=1e-3)
    weights, weights_of_one = (load_file(tmp_path / name / "model.safetensors") for name in ("two", "one"))
    for name, weight in weights.items():
        torch.testing.assert_close(weight, weights_of_one[name], rtol=1e-2, atol=2e-3, msg=name)
    # One object from one process, not one from each.
    assert json.loads(two.stdout)["test"]["n"] == 30
    assert not list((tmp_path / "two").glob("checkpoint-*"))


def test_sharded_training_runs(toy_table: Callable[..., Path], still_encoder: str, tmp_path: Path) -> None:
    test = toy_table(30, 30, "test.csv", 60)
    ended = train("fsdp", toy_table(60, 24), tmp_path / "model", still_encoder, "--test", str(test))
    assert ended.returncode == 0, ended.stderr
    assert len(losses(tmp_path / "model")) == 12
    assert json.loads(ended.stdout)["test"]["n"] == 30
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert all(torch.isfinite(p).all() for p in model.parameters())
