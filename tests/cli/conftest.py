"""What tests of the commands share: small trained models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from ganbert.data.corpus import read_corpus
from ganbert.runtime import choose_compute
from ganbert.training.recipe import DEFAULT, Recipe
from ganbert.training.train import train
from tests.conftest import Outcome, Run, toy_rows

torch.set_num_threads(1)  # a batch of a tiny encoder is too little work to share

# Learns the toy classes well, but not without errors.
LEARNS = ("--pooling", "mean", "--batch-size", "16", "--learning-rate", "0.01", "--precision", "float32")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a network, whatever was imported before the environment was set."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def train_and_plot(run: Run, tiny_encoder: str, tmp_path: Path) -> Run:
    """Return a function that runs `ganbert train` for two steps into `tmp_path / "model"` and expects success."""

    def command(*arguments: object) -> Outcome:
        steps = () if "--max-steps" in arguments or "--epochs" in arguments else ("--max-steps", 2)
        fixed = ("--encoder", tiny_encoder, "--output", tmp_path / "model", "--json")
        outcome = run("train", *fixed, *steps, *arguments)
        assert outcome.status == 0, outcome.err
        return outcome

    return command


@pytest.fixture
def train_briefly(train_and_plot: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same without plots, which take longer than the steps."""
    monkeypatch.setattr("ganbert.training.train.plot_training", lambda *_: None)
    return train_and_plot


def write_toy(path: Path, n: int, labelled: int, first: int = 0) -> Path:
    """Write a CSV of n toy rows, the first `labelled` of them with a label."""
    rows = (f"{text},{name if i < labelled else ''}" for i, (text, name) in enumerate(toy_rows(n, first=first)))
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return path


def train_toy_model(encoder: str, folder: Path, recipe: Recipe = DEFAULT) -> Path:
    """Train on 24 labelled and 36 unlabelled toy rows, and return the model folder."""
    settings = {"max_steps": "12", "pooling": "mean", "batch_size": "16", "encoder_lr": "0.01"}
    settings |= {"teacher_share": "0", "looks_needed": "0"}  # all steps are of the game
    corpus = read_corpus([write_toy(folder / "train.csv", 60, 24)])
    result = train(
        recipe.with_settings(settings),
        corpus,
        folder / "model",
        encoder=encoder,
        compute=choose_compute(precision="float32"),
        progress=False,
        say=lambda message: None,
    )
    return result.output


@pytest.fixture(scope="session")
def trained(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the default recipe, right on about three of four toy rows."""
    return train_toy_model(tiny_encoder, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def trained_plain(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a run without the adversary."""
    return train_toy_model(tiny_encoder, tmp_path_factory.mktemp("plain"), DEFAULT.plain())


def of_pairs(model: Path, folder: Path) -> Path:
    """Copy a model that takes single texts as one that takes pairs."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"text_pairs": True}), encoding="utf-8")
    return folder
