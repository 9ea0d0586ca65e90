"""A trained folder in the hands of transformers: the same labels and scores as from `ganbert predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline
from typer.testing import CliRunner

from ganbert import GanBertConfig, GanBertForSequenceClassification, Predictor
from ganbert.cli import app
from ganbert.training.recipe import DEFAULT, Recipe
from tests.cli.conftest import of_pairs, train_toy_model
from tests.conftest import toy_rows

TEXTS = [text for text, _ in toy_rows(20, first=60)] + ["a cat " * 60, "unheard-of words"]


@pytest.fixture(scope="module", params=[DEFAULT, DEFAULT.plain()], ids=["gan-bert", "plain"])
def folder(request: pytest.FixtureRequest, tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe: Recipe = request.param
    return train_toy_model(tiny_encoder, tmp_path_factory.mktemp("pipeline"), recipe)


def predict(folder: Path, table: pd.DataFrame, scratch: Path) -> pd.DataFrame:
    table.to_csv(scratch / "in.csv", index=False)
    arguments = ["predict", str(folder), str(scratch / "in.csv"), "--output", str(scratch / "out.parquet")]
    outcome = CliRunner().invoke(app, [*arguments, "--precision", "float32"])
    assert outcome.exit_code == 0, outcome.output
    return pd.read_parquet(scratch / "out.parquet")


def test_the_pipeline_gives_labels_and_scores_of_predict(folder: Path, tmp_path: Path) -> None:
    classify: Any = pipeline("text-classification", str(folder), truncation=True, top_k=None)

    answers = classify(TEXTS)

    rows = predict(folder, pd.DataFrame({"text": TEXTS}), tmp_path)
    predictor = Predictor.load(folder, precision="float32")
    probabilities = predictor.predict(TEXTS).probabilities
    assert len(set(rows["predicted_label"])) > 1
    for i, answer in enumerate(answers):
        assert answer[0]["label"] == rows["predicted_label"][i]
        assert answer[0]["score"] == pytest.approx(rows["confidence"][i], abs=1e-5)
        scores = {item["label"]: item["score"] for item in answer}
        expected = dict(zip(predictor.label_names, probabilities[i].tolist(), strict=True))
        assert scores == pytest.approx(expected, abs=1e-5)


def test_the_pipeline_takes_batches_and_pairs(folder: Path, tmp_path: Path) -> None:
    folder = of_pairs(folder, tmp_path / "of-pairs")
    classify: Any = pipeline("text-classification", str(folder), truncation=True, batch_size=5)
    pairs = [{"text": a, "text_pair": b} for a, b in zip(TEXTS, reversed(TEXTS), strict=True)]

    answers = classify(pairs)

    rows = predict(folder, pd.DataFrame(pairs), tmp_path)
    assert [answer["label"] for answer in answers] == list(rows["predicted_label"])
    np.testing.assert_allclose([answer["score"] for answer in answers], rows["confidence"], atol=1e-5)


def test_the_auto_classes_open_the_folder(folder: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    assert isinstance(AutoConfig.from_pretrained(folder), GanBertConfig)
    assert isinstance(model, GanBertForSequenceClassification)
    assert model.generator is None
    assert not model.training
    with torch.inference_mode():
        logits = model(**tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")).logits
    np.testing.assert_allclose(
        logits.softmax(-1), Predictor.load(folder, precision="float32").predict(TEXTS).probabilities, atol=1e-5
    )


def test_the_folder_loads_without_a_warning_of_missing_or_unused_weights(folder: Path) -> None:
    _, information = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)

    assert not information["missing_keys"]
    assert not information["unexpected_keys"]
