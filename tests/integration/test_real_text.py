"""The main job on real questions with the real encoder."""

from __future__ import annotations

import csv
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ganbert.data import sample


def questions(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def ganbert(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ganbert", *arguments], capture_output=True, text=True)


def test_questions_are_learnt_from_55_labels_through_the_command(real_data: Path, minilm: str, tmp_path: Path) -> None:
    rows = questions(real_data / "qc" / "train.jsonl.gz")
    order = np.random.default_rng(0).permutation(len(rows))
    few, many = tmp_path / "few.jsonl", tmp_path / "many.jsonl.gz"
    few.write_text("".join(json.dumps(rows[i]) + "\n" for i in order[:55]))
    with gzip.open(many, "wt") as file:
        file.writelines(json.dumps({"text": rows[i]["text"]}) + "\n" for i in order[55:1055])
    model, test = tmp_path / "model", str(real_data / "qc" / "test.jsonl.gz")
    # The rarest class is not among these 55: its test rows count as errors.
    common = ["--label-column", "coarse", "--allow-unseen", "--json"]
    trained = ganbert(
        "train", "--labeled", str(few), "--unlabeled", str(many), "--test", test, "--encoder", minilm,
        "--output", str(model), "--max-steps", "40", *common,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    summary: dict[str, Any] = json.loads(trained.stdout)
    assert summary["data"]["labelled"] == 55
    assert summary["data"]["unlabelled"] == 1000
    assert summary["test"]["n"] == 500
    assert summary["test"]["accuracy"] > 0.4  # the largest class is 28% of the test rows
    evaluated = ganbert("evaluate", str(model), test, *common)
    assert json.loads(evaluated.stdout)["accuracy"] == summary["test"]["accuracy"]
    predictions = tmp_path / "predictions.csv"
    predicted = ganbert("predict", str(model), str(few), "--output", str(predictions))
    assert predicted.returncode == 0, predicted.stderr
    with predictions.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["text"] for row in written] == [rows[i]["text"] for i in order[:55]]
    assert np.mean([row["predicted_label"] == row["coarse"] for row in written]) > 0.6


def test_the_demo_shows_figures_beside_a_plain_fine_tune_and_ten_predictions(minilm: str, tmp_path: Path) -> None:
    output = tmp_path / "demo-model"
    shown = ganbert("demo", "--max-steps", "6", "--output", str(output))
    assert shown.returncode == 0, shown.stderr
    assert set(re.findall(r"│ (GAN-BERT|plain fine-tune) ", shown.stdout)) == {"GAN-BERT", "plain fine-tune"}
    labels = {row["label"] for row in csv.DictReader(sample.TEST.read_text(encoding="utf-8").splitlines())}
    assert sum(any(label in line for label in labels) for line in shown.stdout.splitlines()) >= 10
    assert (output / "model.safetensors").is_file()


def test_pairs_of_sentences_from_mnli(real_data: Path, minilm: str, tmp_path: Path) -> None:
    rows = questions(real_data / "mnli" / "train.jsonl.gz")[:200]
    table = tmp_path / "pairs.jsonl"
    table.write_text(
        "".join(json.dumps({**row, "label": row["label"] if i < 30 else None}) + "\n" for i, row in enumerate(rows))
    )
    trained = ganbert(
        "train", str(table), "--encoder", minilm, "--output", str(tmp_path / "model"), "--max-steps", "3", "--json"
    )
    assert trained.returncode == 0, trained.stderr
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert sorted(config["label2id"]) == ["contradiction", "entailment", "neutral"]


def test_methods_are_compared_on_a_task_of_the_paper(real_data: Path, minilm: str, tmp_path: Path) -> None:
    compared = ganbert(
        "compare", "qc-coarse", "--labels", "2%", "--methods", "embed,default-plain", "--seeds", "1",
        "--max-steps", "30",
        "--data-root", str(real_data), "--encoder", minilm, "--output", str(tmp_path / "out"), "--json",
    )  # fmt: skip
    assert compared.returncode == 0, compared.stderr
    embed, plain = json.loads(compared.stdout)["runs"]
    assert (embed["n_labelled"], embed["n_unlabelled"], embed["n_test"], embed["n_removed"]) == (109, 4788, 500, 10)
    assert embed["split_hash"] == plain["split_hash"]
    assert plain["steps"] == 30
    assert embed["accuracy"] > 0.5  # the largest class is 28% of the test rows
    assert plain["accuracy"] > 0.5
