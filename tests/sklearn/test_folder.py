"""A fitted GanBertClassifier is saved as a model folder and opened again, without pickle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification

from ganbert import GanBertClassifier, InputError, Recipe
from ganbert.data.arrays import corpus_of_arrays
from ganbert.sklearn.folder import read_classes, read_facts
from tests.conftest import Run, toy_rows
from tests.helpers.hub import fake_hub

TEXTS = [text for text, _ in toy_rows(36)]
NAMES = [name for _, name in toy_rows(36)]
NUMBERS = np.array([10 * ["tool", "animal", "colour"].index(n) if i < 18 else -1 for i, n in enumerate(NAMES)])


@pytest.fixture(scope="module")
def fitted(tiny_encoder: str) -> GanBertClassifier:
    """A classifier of numbered classes, with parameters of all kinds."""
    return GanBertClassifier(
        Path(tiny_encoder),
        recipe=Recipe(pooling="mean", batch_size=16),
        max_steps=3,
        seed=np.random.RandomState(4),
        learning_rate=np.float64(1e-3),
        settings={"dropout": 0.2, "noise": "uniform"},
        precision="float32",
    ).fit(TEXTS, NUMBERS)


@pytest.fixture(scope="module")
def saved(fitted: GanBertClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the classifier was saved to."""
    folder = tmp_path_factory.mktemp("saved") / "deep" / "model"
    fitted.save(folder)
    return folder


def test_what_is_opened_predicts_and_knows_what_was_saved(
    fitted: GanBertClassifier, saved: Path, tiny_encoder: str
) -> None:
    opened = GanBertClassifier.from_folder(str(saved), precision="float32", threads=1)

    np.testing.assert_array_equal(opened.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    np.testing.assert_array_equal(opened.novelty(TEXTS), fitted.novelty(TEXTS))
    assert opened.classes_.tolist() == [0, 10, 20]
    assert opened.classes_.dtype == fitted.classes_.dtype
    assert opened.predict(TEXTS).dtype == NUMBERS.dtype
    for name in ("recipe_", "n_steps_", "seed_", "fallback_", "n_cut_"):
        assert getattr(opened, name) == getattr(fitted, name), name
    differences = {"encoder": tiny_encoder, "seed": fitted.seed_, "precision": "float32", "threads": 1}
    assert opened.get_params() == fitted.get_params() | differences


def test_the_folder_is_that_of_ganbert_train(fitted: GanBertClassifier, saved: Path, run: Run, tmp_path: Path) -> None:
    names = {path.name for path in saved.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md", "training_log.jsonl"} <= names
    assert {"losses.png", "health.png"} <= names
    assert [path.name for path in saved.parent.iterdir()] == ["model"]  # nothing is left beside it
    assert 'pipeline("text-classification", "model"' in (saved / "README.md").read_text(encoding="utf-8")
    model = AutoModelForSequenceClassification.from_pretrained(saved)
    assert model.config.id2label == {0: "0", 1: "10", 2: "20"}

    table = tmp_path / "new.csv"
    table.write_text("text\n" + "\n".join(TEXTS) + "\n", encoding="utf-8")
    outcome = run("predict", saved, table, "--output", tmp_path / "out.csv", "--precision", "float32")

    assert outcome.status == 0, outcome.err
    rows = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == [str(label) for label in fitted.predict(TEXTS)]


def test_what_is_opened_can_be_saved_and_fitted_again(saved: Path, fitted: GanBertClassifier, tmp_path: Path) -> None:
    opened = GanBertClassifier.from_folder(saved, precision="float32")
    (tmp_path / "again").mkdir()

    opened.save(tmp_path / "again")

    again = GanBertClassifier.from_folder(tmp_path / "again", precision="float32")
    np.testing.assert_array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert again.get_params() == opened.get_params()
    refitted = again.fit(TEXTS, NUMBERS).predict_proba(TEXTS)
    np.testing.assert_array_equal(refitted, fitted.predict_proba(TEXTS))


def test_a_folder_that_holds_something_is_not_written_to(
    fitted: GanBertClassifier, saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(InputError, match="holds something else"):
        fitted.save(tmp_path)
    with pytest.raises(InputError, match="holds a model or a run: give a new or empty folder"):
        fitted.save(saved)
    with pytest.raises(InputError, match="is a file"):
        fitted.save(tmp_path / "notes.txt")

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_exported_folder_predicts_in_the_same_classes(
    saved: Path, fitted: GanBertClassifier, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript", reason="onnx or onnxscript (extra train) is not installed")
    from ganbert.predict.export import export_model

    opened = GanBertClassifier.from_folder(export_model(saved, tmp_path / "onnx"))

    np.testing.assert_allclose(opened.predict_proba(TEXTS), fitted.predict_proba(TEXTS), atol=1e-5)
    assert opened.predict(TEXTS).dtype == NUMBERS.dtype
    assert opened.n_steps_ == 3
    with pytest.raises(InputError, match="copy that folder"):
        opened.save(tmp_path / "copy")


def test_a_model_of_the_command_is_opened_with_its_classes_sorted(run: Run, tiny_encoder: str, tmp_path: Path) -> None:
    ids = {"colour": "10", "animal": "9", "tool": "100"}  # the command orders them by number, scikit-learn as text
    rows = [f"{text},{ids[name] if i < 24 else ''}" for i, (text, name) in enumerate(toy_rows(36))]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    fixed = ("--encoder", tiny_encoder, "--max-steps", 8, "--precision", "float32", "--learning-rate", 0.01)
    outcome = run("train", tmp_path / "t.csv", *fixed, "--output", tmp_path / "model")
    assert outcome.status == 0, outcome.err

    opened = GanBertClassifier.from_folder(tmp_path / "model", precision="float32")

    assert opened.classes_.tolist() == ["10", "100", "9"]
    expected = opened.predictor_.predict(TEXTS)
    assert expected.label_names == ("9", "10", "100")
    assert opened.predict(TEXTS).tolist() == expected.labels
    np.testing.assert_array_equal(opened.predict_proba(TEXTS), expected.probabilities[:, [1, 2, 0]])
    assert opened.recipe_ is None


@pytest.mark.parametrize(
    "labels",
    [
        ["spam", " ham "],
        ["True", "no"],
        [True, False],
        [3, 10**30],
        np.array([0.1, 2.5], dtype=np.float32),
        np.array([1.0, 2.0], dtype=np.float16),
        np.array([1, 200], dtype=np.uint8),
    ],
)
def test_classes_of_every_type_come_back_from_json_as_they_were(labels: Any, tmp_path: Path) -> None:
    classes, corpus = corpus_of_arrays(["a", "b"], labels)
    config = json.loads(json.dumps({"class_values": corpus.class_values}))

    found = read_classes(tmp_path, config, corpus.label_names)

    assert found.tolist() == classes.tolist()
    assert found.dtype == classes.dtype


@pytest.mark.parametrize(
    "stored",
    [
        {"dtype": "<i8", "values": [0, 1]},
        {"dtype": "<i8", "values": [0, 1, 3]},
        {"dtype": "<i8", "values": [[0], [1], [2]]},
        {"dtype": "<i8", "values": ["a", "b", "c"]},
        {"dtype": "|V8", "values": [None, [], {}]},
        {"dtype": 7, "values": [0, 1, 2]},
        {"values": [0, 1, 2]},
        [0, 1, 2],
        "0",
    ],
)
def test_classes_that_are_not_those_of_the_model_are_refused(stored: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="class_values are not the classes of id2label"):
        read_classes(tmp_path, {"class_values": stored}, ("0", "1", "2"))


@pytest.mark.parametrize(
    "facts", [[1], "x", 3, {"params": 3}, {"recipe": {"recipe": {"noize": 1}}}, {"recipe": {"recipe": {"noise": "x"}}}]
)
def test_facts_that_cannot_be_read_are_refused(facts: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config.json: estimator cannot be read"):
        read_facts(tmp_path, {"estimator": facts})


def test_a_folder_without_a_model_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json"):
        GanBertClassifier.from_folder(tmp_path)
    shutil.copytree(saved, tmp_path / "torn")
    (tmp_path / "torn" / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="torn"):
        GanBertClassifier.from_folder(tmp_path / "torn")


def test_what_save_writes_goes_to_the_hub_and_nothing_stays_here(
    fitted: GanBertClassifier, saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    with fake_hub(monkeypatch) as hub:
        address = fitted.push_to_hub("user/colours")

    assert address == f"{hub.url}/user/colours"
    assert hub.private == {"user/colours": True}
    arrived = hub.files["user/colours"]
    assert set(arrived) == {path.name for path in saved.iterdir()}
    assert 'pipeline("text-classification", "colours"' in arrived["README.md"].decode()
    assert list((tmp_path / "scratch").iterdir()) == []
    for name, content in arrived.items():
        (tmp_path / name).write_bytes(content)
    opened = GanBertClassifier.from_folder(tmp_path, precision="float32")
    np.testing.assert_array_equal(opened.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_a_name_that_the_hub_would_not_take_is_refused_before_anything_is_written(fitted: GanBertClassifier) -> None:
    with pytest.raises(InputError, match="is no name for a model on the Hub"):
        fitted.push_to_hub("my model")
