"""Text vectors: of length 1, the encoder's own, kept on disk for everything they depend on, and never needed there."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModel

from ganbert.errors import InputError, RunError
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.predict.torch_backend import Encoder
from ganbert.runtime import Compute
from ganbert.select.vectors import text_vectors
from tests.conftest import tiny_tokenizer, toy_rows

COMPUTE = Compute("cpu", bfloat16=False, threads=1)
TEXTS = [text for text, _ in toy_rows(20)]


def vectors_of(encoder: str, texts: Sequence[str] = TEXTS, **options: Any) -> NDArray[np.float32]:
    return text_vectors(texts, encoder=encoder, **{"compute": COMPUTE, **options})


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of texts each time some are encoded."""
    calls: list[int] = []
    original = Encoder.__call__

    def counted(encoder: Encoder, texts: Sequence[str], pairs: Any = None) -> Any:
        calls.append(len(texts))
        return original(encoder, texts, pairs)

    monkeypatch.setattr(Encoder, "__call__", counted)
    return calls


@pytest.fixture
def model(tiny_encoder: str, tmp_path: Path) -> Path:
    """A model folder of ganbert, with other weights and another pooling than its encoder's folder."""
    torch.manual_seed(1)
    trained = GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=3, pooling="mean")
    for parameter in trained.encoder.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    trained.save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.usefixtures("cache")
def test_vectors_are_those_of_the_encoder_at_length_one(tiny_encoder: str) -> None:
    found = vectors_of(tiny_encoder)

    encoder = AutoModel.from_pretrained(tiny_encoder).eval()
    tokens = tiny_tokenizer()(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        h = encoder(**tokens).last_hidden_state[:, 0].numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, h / np.linalg.norm(h, axis=1, keepdims=True), atol=1e-5)


@pytest.mark.usefixtures("cache")
def test_a_model_folder_gives_its_own_vectors(tiny_encoder: str, model: Path) -> None:
    found = vectors_of(str(model))

    trained = GanBertForSequenceClassification.from_pretrained(model).eval()
    with torch.no_grad():
        h = trained.text_vectors(**tiny_tokenizer()(TEXTS, padding=True, return_tensors="pt")).numpy()
    np.testing.assert_allclose(found, h / np.linalg.norm(h, axis=1, keepdims=True), atol=1e-5)
    assert np.abs(found - vectors_of(tiny_encoder)).max() > 0.1


def test_texts_are_encoded_once_and_mapped_from_then_on(cache: Path, tiny_encoder: str, encoded: list[int]) -> None:
    first = vectors_of(tiny_encoder)
    again = vectors_of(tiny_encoder)

    assert encoded == [20]
    np.testing.assert_array_equal(again, first)
    assert isinstance(again.base, np.memmap)
    assert not again.flags.writeable
    (file,) = cache.iterdir()
    assert file.stat().st_size == pytest.approx(20 * 32 * 4, abs=200)


def test_many_texts_are_encoded_in_chunks(
    cache: Path, tiny_encoder: str, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganbert.select.vectors.CHUNK", 8)
    in_chunks = vectors_of(tiny_encoder)
    assert encoded == [8, 8, 4]
    monkeypatch.setattr("ganbert.select.vectors.CHUNK", 64)
    monkeypatch.setattr("datasets.is_caching_enabled", lambda: False)
    np.testing.assert_allclose(in_chunks, vectors_of(tiny_encoder), atol=1e-6)


@pytest.mark.usefixtures("cache")
def test_what_vectors_depend_on_makes_new_ones(tiny_encoder: str, model: Path, encoded: list[int]) -> None:
    calls: list[dict[str, Any]] = [
        {},
        {"texts": TEXTS[:-1]},
        {"texts": [*TEXTS[:-2], TEXTS[-2] + TEXTS[-1], ""]},
        {"pairs": TEXTS},
        {"pairs": TEXTS[::-1]},
        {"max_length": 4},
        {"compute": Compute("cpu", bfloat16=True, threads=1)},
        {"encoder": str(model)},
    ]
    for call in calls:
        vectors_of(**{"encoder": tiny_encoder, **call})
    assert len(encoded) == len(calls)
    for call in calls:
        vectors_of(**{"encoder": tiny_encoder, **call})
    assert len(encoded) == len(calls)


def test_other_weights_in_the_same_folder_make_new_vectors(
    cache: Path, tiny_encoder: str, model: Path, encoded: list[int]
) -> None:
    before = vectors_of(str(model))
    trained = GanBertForSequenceClassification.from_pretrained(model)
    for parameter in trained.encoder.parameters():
        parameter.data *= 1.5
    trained.save_pretrained(model)

    assert np.abs(vectors_of(str(model)) - before).max() > 1e-3
    assert encoded == [20, 20]


def test_nothing_is_kept_where_caching_is_off(cache: Path, tiny_encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.is_caching_enabled", lambda: False)
    assert vectors_of(tiny_encoder).shape == (20, 32)
    assert not cache.exists()


def test_a_disk_that_cannot_be_written_is_no_error(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "there")
    expected = vectors_of(tiny_encoder)
    (tmp_path / "file").touch()
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "file")
    np.testing.assert_array_equal(vectors_of(tiny_encoder), expected)


def test_a_full_disk_is_no_error_and_leaves_nothing(
    cache: Path, tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert vectors_of(tiny_encoder).shape == (20, 32)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "empty", "zeros", "zeros in the middle", "other numbers"])
def test_a_damaged_file_is_written_anew(cache: Path, tiny_encoder: str, damage: str, encoded: list[int]) -> None:
    expected = np.array(vectors_of(tiny_encoder))
    (file,) = cache.iterdir()
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(
        {
            "cut": content[:middle],
            "empty": b"",
            "zeros": bytes(len(content)),
            "zeros in the middle": content[:middle] + bytes(512) + content[middle + 512 :],
            "other numbers": content[:middle] + b"\x7f" * 64 + content[middle + 64 :],
        }[damage]
    )

    np.testing.assert_array_equal(vectors_of(tiny_encoder), expected)
    assert encoded == [20, 20]
    assert file.read_bytes() == content


@pytest.mark.usefixtures("cache")
def test_no_texts_have_no_vectors(tiny_encoder: str) -> None:
    assert vectors_of(tiny_encoder, []).shape == (0, 32)


@pytest.mark.usefixtures("cache")
def test_vectors_that_are_no_numbers_are_refused(tiny_encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "__call__", lambda encoder, texts, pairs: np.full((len(texts), 32), np.nan))
    with pytest.raises(RunError, match="no numbers"):
        vectors_of(tiny_encoder)


def test_an_encoder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"encoder .*nowhere"):
        vectors_of(str(tmp_path / "nowhere"))
