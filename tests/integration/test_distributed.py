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
from transformers import AutoModel

LAUNCHERS = {
    "one process": ["-m", "ganbert"],
    "torchrun": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "ganbert"],
    "accelerate": ["-m", "accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1",
                   "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0", "-m", "ganbert"],
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
        "--learning-rate", "0.003", "--set", "dropout=0", "--set", "looks_needed=0", "--set", "teacher_share=0",
        "--json", *options,
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def losses(output: Path) -> list[dict[str, float]]:
    """Return the losses of each logged step, and how many rows had a label."""
    records = [json.loads(line) for line in (output / "training_log.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in record.items() if "loss" in k or k == "labelled_rows"}
        for record in records
        if "loss" in record
    ]


TEACHER = ["teacher_share=0.5", "max_steps=24"]


@pytest.mark.parametrize(("launcher", "settings"), [("torchrun", []), ("accelerate", []), ("torchrun", TEACHER)])
def test_two_processes_train_as_one(
    launcher: str, settings: list[str], toy_table: Callable[..., Path], still_encoder: str, tmp_path: Path
) -> None:
    table, test = toy_table(60, 24), toy_table(30, 30, "test.csv", 60)
    options = ["--test", str(test), *(word for setting in settings for word in ("--set", setting))]
    one = train("one process", table, tmp_path / "one", still_encoder, *options)
    two = train(launcher, table, tmp_path / "two", still_encoder, *options)
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


SHARDED_STEP = """
import sys
import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from ganbert import GanBertForSequenceClassification

n = int(sys.argv[2])
if n > 1:
    dist.init_process_group("gloo")
torch.manual_seed(0)
model = GanBertForSequenceClassification.from_encoder(sys.argv[1], num_labels=3, dropout=0.0, real_term="all")
if n > 1:
    for layer in model.encoder.encoder.layer:
        fully_shard(layer)
    fully_shard(model)
    assert all(type(p).__name__ == "DTensor" for p in model.parameters())
optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
ids = torch.arange(8 * 5).view(8, 5) % 20 + 5
labels = torch.tensor([0, 1, 2, -100, -100, -100, 1, 0])
own = slice(dist.get_rank() if n > 1 else 0, None, n)
for step in range(4):
    torch.manual_seed(step)  # the noise of G
    loss = model(input_ids=ids[own], labels=labels[own]).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    print(f"loss {loss.item():.4f}\\n", end="", flush=True)
"""


def test_a_sharded_model_trains_as_a_whole_one(still_encoder: str) -> None:
    """FSDP2 as torch has it; accelerate shards on accelerators only."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

    def losses_of(*command: str) -> list[str]:
        ended = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, env=environment, timeout=300, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return [line for line in ended.stdout.splitlines() if line.startswith("loss")]

    one = losses_of("-c", SHARDED_STEP, still_encoder, "1")
    script = Path(still_encoder) / "sharded_step.py"
    script.write_text(SHARDED_STEP)
    two = losses_of(*LAUNCHERS["torchrun"][:-2], str(script), still_encoder, "2")
    assert len(one) == 4
    assert sorted(two) == sorted(one * 2)
