"""Predictor: the same figures however rows are put together, and the fake class read rightly."""

from __future__ import annotations

import json
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from ganbert.data.tokens import Batch
from ganbert.errors import InputError, RunError
from ganbert.metrics import classification_metrics
from ganbert.model.config import GanBertConfig
from ganbert.model.encoders import load_tokenizer
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.model.tokenizers import TextCounts
from ganbert.predict import predictor as predictor_module
from ganbert.predict.backends import class_names_of, columns_of
from ganbert.predict.predictor import Predictor
from ganbert.predict.torch_backend import TorchModel
from ganbert.runtime import Compute
from tests.conftest import FILLER, TOOLS, toy_rows

NAMES = {0: "animal", 1: "colour", 2: "tool"}


@pytest.fixture
def texts() -> list[str]:
    """37 texts of 1 to 19 words, no two neighbours of one length."""
    rng = np.random.default_rng(1)
    return [" ".join(rng.choice(FILLER + TOOLS, size=1 + 7 * i % 19)) for i in range(37)]


def build(encoder: str, adversarial: bool = True, text_pairs: bool = False) -> GanBertForSequenceClassification:
    """Return a model whose heads are random but not tiny, so that rows differ."""
    torch.manual_seed(3)
    model = GanBertForSequenceClassification.from_encoder(
        encoder,
        id2label=NAMES,
        label2id={name: i for i, name in NAMES.items()},
        pooling="mean",
        adversarial=adversarial,
        text_pairs=text_pairs,
    )
    with torch.no_grad():
        model.discriminator.output.weight.mul_(10)
    model.train(False)
    return model


def make(encoder: str, batch_size: int | None = 8, adversarial: bool = True) -> Predictor:
    return Predictor(build(encoder, adversarial), load_tokenizer(encoder), batch_size)


@pytest.mark.parametrize("batch_size", [None, 2, 8, 64])
def test_batches_of_mixed_lengths_give_what_single_rows_give(
    tiny_encoder: str, texts: list[str], batch_size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor_module, "WINDOW", 10)  # four windows, the last one not full
    predictor = make(tiny_encoder, batch_size)

    together = predictor.predict(texts)
    alone = [predictor.predict([text]) for text in texts]

    assert together.novelty is not None
    assert np.ptp(together.confidence) > 0.01  # rows can be told apart
    np.testing.assert_allclose(together.probabilities, np.concatenate([p.probabilities for p in alone]), atol=1e-6)
    np.testing.assert_allclose(together.novelty, np.concatenate([p.novelty for p in alone]), atol=1e-6)


def test_another_order_of_rows_gives_the_same_rows(tiny_encoder: str, texts: list[str]) -> None:
    predictor, order = make(tiny_encoder), np.random.default_rng(0).permutation(37)

    straight, shuffled = predictor.predict(texts), predictor.predict([texts[i] for i in order])

    np.testing.assert_allclose(shuffled.probabilities, straight.probabilities[order], atol=1e-6)
    assert shuffled.labels == [straight.labels[i] for i in order]


def test_probabilities_sum_to_one_and_name_the_label(tiny_encoder: str, texts: list[str]) -> None:
    predictions = make(tiny_encoder).predict(texts)

    assert predictions.probabilities.shape == (37, 3)
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, atol=1e-6)
    highest = predictions.probabilities.argmax(axis=1)
    assert predictions.labels == [NAMES[i] for i in highest]
    np.testing.assert_array_equal(predictions.confidence, predictions.probabilities[np.arange(37), highest])


def test_figures_are_the_softmax_of_the_logits(tiny_encoder: str, texts: list[str]) -> None:
    model, tokenizer = build(tiny_encoder), load_tokenizer(tiny_encoder)
    predictions = Predictor(model, tokenizer).predict(texts)

    for i, text in enumerate(texts):
        with torch.inference_mode():
            output = model(**tokenizer(text, return_tensors="pt"))
        assert output.logits is not None
        assert output.fake_logits is not None
        logits = np.append(output.logits[0].double().numpy(), output.fake_logits[0].double().numpy())
        real = np.exp(logits[:3]) / np.exp(logits[:3]).sum()
        np.testing.assert_allclose(predictions.probabilities[i], real, atol=1e-6)
        assert predictions.novelty is not None
        # p(k+1 | x) of the softmax over all k+1 classes
        assert predictions.novelty[i] == pytest.approx(np.exp(logits[3]) / np.exp(logits).sum(), abs=1e-6)


def test_novelty_is_none_without_a_fake_class(tiny_encoder: str, texts: list[str]) -> None:
    predictions = make(tiny_encoder, adversarial=False).predict(texts)

    assert predictions.novelty is None
    assert predictions.probabilities.shape == (37, 3)


def test_dropout_is_off_even_for_a_model_that_was_training(tiny_encoder: str, texts: list[str]) -> None:
    model = build(tiny_encoder)
    model.train()

    again = Predictor(model, load_tokenizer(tiny_encoder))

    np.testing.assert_array_equal(again.predict(texts).probabilities, again.predict(texts).probabilities)


def test_texts_are_cut_where_the_tokenizer_says(tiny_encoder: str) -> None:
    tokenizer = load_tokenizer(tiny_encoder)
    tokenizer.model_max_length = 5
    predictor = Predictor(build(tiny_encoder), tokenizer)

    long, short, other = (
        predictor.predict([t]).probabilities for t in ("the saw is here now", "the saw is", "the saw")
    )

    np.testing.assert_allclose(long, short, atol=1e-7)
    assert not np.allclose(short, other, atol=1e-4)


def test_a_second_text_counts_and_stays_with_its_first(
    tiny_encoder: str, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor_module, "WINDOW", 10)
    predictor, second = (
        Predictor(build(tiny_encoder, text_pairs=True), load_tokenizer(tiny_encoder), 4),
        [*texts[1:], texts[0]],
    )

    together = predictor.predict(texts, second).probabilities
    alone = np.concatenate([predictor.predict([a], [b]).probabilities for a, b in zip(texts, second, strict=True)])

    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.abs(together - make(tiny_encoder).predict(texts).probabilities).max() > 1e-3


def test_a_model_of_pairs_takes_no_single_texts_and_one_of_single_texts_no_pairs(tiny_encoder: str) -> None:
    of_pairs = Predictor(build(tiny_encoder, text_pairs=True), load_tokenizer(tiny_encoder))

    with pytest.raises(InputError, match="trained on pairs of texts, and here are single ones"):
        of_pairs.predict(["the saw"])
    with pytest.raises(InputError, match="trained on single texts, and here are pairs"):
        make(tiny_encoder).predict(["the saw"], ["the cat"])


def test_no_rows_give_no_predictions(tiny_encoder: str) -> None:
    predictions = make(tiny_encoder).predict([])

    assert predictions.probabilities.shape == (0, 3)
    assert predictions.labels == []


def test_measure_compares_predictions_with_labels(tiny_encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_module, "WINDOW", 10)
    predictor, rows = make(tiny_encoder), toy_rows(25)
    labels = [predictor.label_names.index(name) for _, name in rows]
    texts = [text for text, _ in rows]

    measured = predictor.measure(Dataset.from_dict({"text": texts, "label": labels}))

    expected = classification_metrics(np.array(labels), predictor.predict(texts).probabilities, predictor.label_names)
    assert measured == expected
    assert measured.n == 25


def save(encoder: str, folder: Path) -> GanBertForSequenceClassification:
    model = build(encoder)
    model.save_pretrained(folder)
    load_tokenizer(encoder).save_pretrained(folder)
    return model


def test_a_saved_model_is_opened_with_the_same_predictions(tiny_encoder: str, texts: list[str], tmp_path: Path) -> None:
    model = save(tiny_encoder, tmp_path)

    opened = Predictor.load(tmp_path, precision="float32").predict(texts)

    expected = Predictor(model, load_tokenizer(tiny_encoder)).predict(texts)
    np.testing.assert_array_equal(opened.probabilities, expected.probabilities)
    assert opened.novelty is not None
    assert opened.label_names == ("animal", "colour", "tool")


def test_a_folder_without_tokenizer_is_refused(tiny_encoder: str, tmp_path: Path) -> None:
    build(tiny_encoder).save_pretrained(tmp_path)

    with pytest.raises(InputError, match=tmp_path.name):
        Predictor.load(tmp_path)


def test_bfloat16_is_close_and_leaves_the_model_as_it_was(tiny_encoder: str, texts: list[str]) -> None:
    model, tokenizer = build(tiny_encoder), load_tokenizer(tiny_encoder)
    exact = Predictor(model, tokenizer).predict(texts)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    rounded = Predictor(model, tokenizer, compute=Compute("cpu", bfloat16=True, threads=1)).predict(texts)

    assert 0 < np.abs(rounded.probabilities - exact.probabilities).max() < 0.02
    assert rounded.probabilities.dtype == np.float32
    np.testing.assert_allclose(rounded.probabilities.sum(axis=1), 1, atol=1e-6)  # of a softmax in float32
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(
    tiny_encoder: str, texts: list[str], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    call = TorchModel.__call__

    def watch(self: TorchModel, batch: Batch) -> Any:
        seen.add((threading.get_ident(), torch.get_num_threads()))
        return call(self, batch)

    monkeypatch.setattr(TorchModel, "__call__", watch)
    model, tokenizer, main = build(tiny_encoder), load_tokenizer(tiny_encoder), threading.get_ident()
    expected = Predictor(model, tokenizer, 4).predict(texts)
    seen.clear()
    before = torch.get_num_threads()
    try:
        compute = Compute("cpu", bfloat16=False, threads=threads)
        found = Predictor(model, tokenizer, 4, compute=compute).predict(texts)
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)

    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert {n for _, n in seen} == {1}
    assert (threads == 1) == ({ident for ident, _ in seen} == {main})
    assert after == threads


def test_an_error_in_a_worker_is_raised(tiny_encoder: str, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor(
        build(tiny_encoder), load_tokenizer(tiny_encoder), 4, compute=Compute("cpu", bfloat16=False, threads=2)
    )

    def fail(self: TorchModel, batch: Batch) -> Any:
        raise MemoryError("no more")

    monkeypatch.setattr(TorchModel, "__call__", fail)
    before = torch.get_num_threads()
    try:
        with pytest.raises(MemoryError, match="no more"):
            predictor.predict(texts)
    finally:
        torch.set_num_threads(before)


def test_a_predictor_can_be_pickled(tiny_encoder: str, texts: list[str]) -> None:
    predictor = make(tiny_encoder)

    again = pickle.loads(pickle.dumps(predictor))

    np.testing.assert_array_equal(again.predict(texts).probabilities, predictor.predict(texts).probabilities)


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"device": "abacus"}, "--device 'abacus'"),
        ({"precision": "float8"}, "--precision 'float8'"),
        ({"threads": 0}, "--threads 0"),
    ],
)
def test_what_the_machine_cannot_do_is_refused(
    tiny_encoder: str, tmp_path: Path, choice: dict[str, Any], reason: str
) -> None:
    save(tiny_encoder, tmp_path)

    with pytest.raises(InputError, match=reason):
        Predictor.load(tmp_path, **choice)


def test_texts_that_are_cut_or_unknown_are_counted(tiny_encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_module, "WINDOW", 4)
    tokenizer = load_tokenizer(tiny_encoder)
    tokenizer.model_max_length = 5
    predictor = Predictor(build(tiny_encoder), tokenizer)
    texts = ["the saw is", "the saw is here", "saw", "qwertz", "the qwertz", "qwertz uiop the", "the saw is here now"]

    predictions = predictor.predict(texts)

    assert (predictions.n_cut, predictions.n_unknown) == (2, 2)
    assert predictions.counts == TextCounts(7, 2, 2)
    rows = Dataset.from_dict({"text": texts, "label": [0] * 7})
    again = predictor.predict_rows(rows)
    assert again.counts == predictions.counts
    np.testing.assert_array_equal(again.probabilities, predictions.probabilities)
    np.testing.assert_array_equal(again.novelty, predictions.novelty)
    assert predictor.measure(rows) == predictions.metrics([0] * 7)


def test_pairs_are_cut_and_counted_together(tiny_encoder: str) -> None:
    tokenizer = load_tokenizer(tiny_encoder)
    tokenizer.model_max_length = 6
    predictor = Predictor(build(tiny_encoder, text_pairs=True), tokenizer)

    predictions = predictor.predict(["the saw", "the saw", "xyz"], ["cat", "big cat", "dog"])

    assert (predictions.n_cut, predictions.n_unknown) == (1, 0)


def test_one_string_is_refused_and_no_texts_are_no_predictions_of_pairs_either(tiny_encoder: str) -> None:
    single = make(tiny_encoder)
    pairs = Predictor(build(tiny_encoder, text_pairs=True), load_tokenizer(tiny_encoder))

    with pytest.raises(InputError, match="give a list of texts: one string"):
        single.predict("the saw")
    with pytest.raises(InputError, match="give a list of texts: one string"):
        pairs.predict(["a"], "b")
    with pytest.raises(InputError, match="2 texts and 1 second texts are no pairs"):
        pairs.predict(["a", "b"], ["c"])
    assert pairs.predict([]).probabilities.shape == (0, 3)
    assert pairs.predict([], []).labels == []
    assert pairs.predict_rows(Dataset.from_dict({"text": [], "text_pair": []})).counts == TextCounts()


def test_a_model_that_gives_no_numbers_is_no_model(tiny_encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: TorchModel, batch: Batch) -> Any:
        n = len(batch["input_ids"])
        return np.full((n, 3), np.nan, dtype=np.float32), np.zeros(n, dtype=np.float32)

    monkeypatch.setattr(TorchModel, "__call__", nothing)
    with pytest.raises(RunError, match="probabilities that are no numbers"):
        make(tiny_encoder).predict(["the saw"])


def test_names_of_columns_are_kept_with_the_model(tiny_encoder: str, tmp_path: Path) -> None:
    model = build(tiny_encoder)
    model.save_pretrained(tmp_path)
    assert columns_of(tmp_path) == {}
    model.config.columns = {"text": "message", "label": "intent"}
    model.save_pretrained(tmp_path)

    assert columns_of(tmp_path) == {"text": "message", "label": "intent"}


def test_what_classes_are_called_is_kept_with_the_model_by_their_ids(tiny_encoder: str, tmp_path: Path) -> None:
    model = build(tiny_encoder)
    model.save_pretrained(tmp_path)
    assert class_names_of(tmp_path) == {}
    names = {0: "dtype", 1: "dropout", 2: "b"}  # words that configurations of transformers use themselves
    model.config.id2label, model.config.label2id = names, {name: i for i, name in names.items()}
    model.config.class_names = [["a data type", "a kind"], ["it forgets"], []]
    model.save_pretrained(tmp_path)

    assert class_names_of(tmp_path) == {"dtype": ("a data type", "a kind"), "dropout": ("it forgets",)}
    assert GanBertConfig.from_pretrained(tmp_path).label_names == ("dtype", "dropout", "b")
    (tmp_path / "config.json").write_text('{"class_names": [["a"]]}', encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json: id2label=None"):
        class_names_of(tmp_path)
    with pytest.raises(InputError, match=r"is no model folder: it has no config\.json"):
        class_names_of(tmp_path / "none")


def test_texts_are_cut_where_the_encoder_ends_whatever_the_folder_says(tiny_encoder: str, tmp_path: Path) -> None:
    save(tiny_encoder, tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 10**6}))

    predictions = Predictor.load(tmp_path, precision="float32").predict(["the saw " * 100])

    assert predictions.n_cut == 1
