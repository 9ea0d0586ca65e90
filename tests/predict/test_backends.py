"""One entry of BACKENDS makes a backend: it is exported to, opened, listed, and its missing libraries are named."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ganbert.data.tokens import Batch, Tokens
from ganbert.errors import InputError
from ganbert.extras import require
from ganbert.model.encoders import load_encoder_config
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.predict.backends import BACKENDS, Backend, BackendEntry, export_formats, exported_tokens, open_folder
from ganbert.predict.export import export_model
from ganbert.predict.predictor import Predictor
from ganbert.storage.fields import label_names
from tests.conftest import Run, tiny_tokenizer

TEXTS = ["red", "a big cat", "the saw is here"]


class WordVotes(Backend):
    """A stub: the softmax of the mean of one score a token and class, in NumPy."""

    description = "NumPy"
    text_pairs = adversarial = False
    batch_tokens, workers = 64, 1

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.label_names = label_names(config["id2label"])
        self.scores = np.load(folder / "model.npz")["scores"]

    def __call__(self, batch: Batch) -> tuple[NDArray[np.float32], None]:
        mask = batch["attention_mask"][:, :, None]
        logits = (self.scores[batch["input_ids"]] * mask).sum(axis=1) / mask.sum(axis=1)
        return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32), None


def open_votes(
    folder: Path, config: dict[str, Any], device: str, precision: str, threads: int | None
) -> tuple[WordVotes, Tokens]:
    return WordVotes(folder, config), exported_tokens(folder, config["votes"])


def write_votes(model: GanBertForSequenceClassification, config: dict[str, Any], folder: Path) -> None:
    vectors = model.encoder.get_input_embeddings().get_parameter("weight").detach().numpy()
    np.savez(folder / "model.npz", scores=30 * vectors[:, : len(config["id2label"])])


@pytest.fixture
def votes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "votes", BackendEntry(open_votes, write_votes))


@pytest.fixture(scope="module")
def model(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backends") / "model"
    GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=3).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.usefixtures("votes")
def test_one_entry_makes_a_backend_of_every_command(model: Path, run: Run, tmp_path: Path) -> None:
    exported = run("export", model, "--format", "votes", "--output", tmp_path / "votes", "--json").result

    assert exported["format"] == "votes"
    written = {path.name for path in (tmp_path / "votes").iterdir()}
    assert written - {"tokenizer_config.json"} == {"model.npz", "config.json", "tokenizer.json", "manifest.json"}
    scores = np.load(tmp_path / "votes" / "model.npz")["scores"]
    logits = np.array([scores[tiny_tokenizer()(text)["input_ids"]].mean(axis=0) for text in TEXTS])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predictions = Predictor.load(tmp_path / "votes").predict(TEXTS)
    np.testing.assert_allclose(predictions.probabilities, expected, atol=1e-6)
    assert predictions.novelty is None
    (tmp_path / "in.csv").write_text("text\n" + "\n".join(TEXTS) + "\n", encoding="utf-8")
    outcome = run("predict", tmp_path / "votes", tmp_path / "in.csv", "--output", tmp_path / "out.csv")
    assert (outcome.status, outcome.err) == (0, "Computing on NumPy.\n")
    rows = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == predictions.labels


@pytest.mark.parametrize("name", export_formats())
def test_every_backend_computes_what_torch_does_through_the_command_and_the_predictor(
    name: str, model: Path, run: Run, tmp_path: Path
) -> None:
    for library in (*BACKENDS[name].libraries, *BACKENDS[name].libraries_to_write):
        pytest.importorskip(library)
    assert run("export", model, "--format", name, "--output", tmp_path / "out", "--json").result["format"] == name

    expected = Predictor.load(model, precision="float32").predict(TEXTS)
    predictions = Predictor.load(tmp_path / "out").predict(TEXTS)
    np.testing.assert_allclose(predictions.probabilities, expected.probabilities, atol=1e-4)
    assert predictions.novelty is not None
    assert expected.novelty is not None
    np.testing.assert_allclose(predictions.novelty, expected.novelty, atol=1e-4)


@pytest.mark.usefixtures("votes")
def test_an_exported_folder_of_any_backend_is_guarded_by_checksums_and_is_no_encoder(
    model: Path, tmp_path: Path
) -> None:
    folder = export_model(model, tmp_path / "out", "votes")
    with pytest.raises(InputError, match="it is an exported model, which cannot learn"):
        load_encoder_config(str(folder))
    content = bytearray((folder / "model.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.npz: is not as it was written: its checksum differs"):
        Predictor.load(folder)


@pytest.mark.usefixtures("votes")
def test_a_format_that_there_is_not_is_answered_with_those_that_there_are(
    model: Path, run: Run, tmp_path: Path
) -> None:
    outcome = run("export", model, "--format", "torch", "--output", tmp_path / "out")

    names = export_formats()
    assert names[-1] == "votes"
    assert (outcome.status, outcome.err) == (2, f"ganbert: --format 'torch': choose one of {', '.join(names)}\n")
    outcome = run("export", model, "--format", "votes", "--int8", "--output", tmp_path / "out")
    assert (outcome.status, outcome.err) == (2, "ganbert: --int8: votes has no 8-bit integers\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("votes")
@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ([], "votes must be an object"),
        ({"int8": False, "rust_tokens": 1}, "votes.rust_tokens must be true or false"),
        ({"int8": False, "rust_tokens": True}, "votes.tokens: must be an object"),
    ],
)
def test_what_an_exported_folder_says_is_checked(facts: Any, problem: str, tmp_path: Path) -> None:
    config = {"model_type": "ganbert", "id2label": {"0": "a"}, "text_pairs": False, "adversarial": False}
    (tmp_path / "config.json").write_text(json.dumps(config | {"votes": facts}), encoding="utf-8")

    with pytest.raises(InputError, match=problem):
        open_folder(tmp_path)


def without(monkeypatch: pytest.MonkeyPatch, *absent: str) -> None:
    """Let modules look as if they were not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else real(name))


@pytest.mark.parametrize("action", ["open", "export"])
def test_a_trained_model_without_torch_names_the_extra(
    model: Path, tmp_path: Path, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "torch", "transformers")

    with pytest.raises(InputError) as caught:
        Predictor.load(model) if action == "open" else export_model(model, tmp_path / "out")

    message = "torch, transformers is not installed: pip install 'ganbert[train]' brings it"
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_written_in_python_needs_transformers_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "transformers")

    with pytest.raises(InputError, match=r"^transformers is not installed: pip install 'ganbert\[train\]' brings it$"):
        exported_tokens(tmp_path, {"rust_tokens": False})


def test_what_a_plain_install_brings_is_told_without_an_extra() -> None:
    require("", "json", "numpy")
    with pytest.raises(InputError, match=r"^no_such_module is not installed: pip install ganbert brings it$"):
        require("", "json", "no_such_module")
