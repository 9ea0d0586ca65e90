"""Token ids: what is kept of a text, how many rows were cut, and what encoders can take."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    MPNetConfig,
    PreTrainedTokenizerBase,
    RobertaConfig,
    T5Config,
)

from ganbert.data.corpus import corpus_of_texts
from ganbert.data.encode import encode
from ganbert.data.tokens import Tokens
from ganbert.model.tokenizers import usable_length
from tests.conftest import VOCABULARY, tiny_tokenizer

CLS, SEP = VOCABULARY.index("[CLS]"), VOCABULARY.index("[SEP]")


def ids(words: str) -> list[int]:
    return [VOCABULARY.index(word) for word in words.split()]


def cutting_at(max_length: int) -> PreTrainedTokenizerBase:
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = max_length
    return tokenizer


def test_texts_become_ids_without_padding() -> None:
    corpus = corpus_of_texts(["the red cat", "dog"], [1, 0], ["x", "y"])
    encoded, _ = encode(corpus.train, cutting_at(64))
    assert encoded["input_ids"][:] == [[CLS, *ids("the red cat"), SEP], [CLS, *ids("dog"), SEP]]


def test_labels_and_lengths_stand_beside_the_ids() -> None:
    corpus = corpus_of_texts(["cat", "the red dog", "saw"], [1, -100, 0], ["x", "y"])
    encoded, counts = encode(corpus.train, cutting_at(64))
    assert encoded["labels"][:] == [1, -100, 0]
    assert encoded["length"][:] == [3, 5, 3] == [len(row) for row in encoded["input_ids"]]
    assert counts.n_cut == 0
    assert set(encoded.column_names) == {"input_ids", "labels", "length"}


@pytest.mark.parametrize(("max_length", "cut"), [(3, 3), (4, 2), (5, 1), (6, 0), (64, 0)])
def test_only_rows_over_the_limit_are_cut(max_length: int, cut: int) -> None:
    texts = ["cat", "red cat", "the red cat", "the red cat here"]  # 3, 4, 5 and 6 tokens
    encoded, counts = encode(corpus_of_texts(texts, [0] * 4, ["x"]).train, cutting_at(max_length))
    assert counts.n_cut == cut
    assert encoded["length"][:] == [min(length, max_length) for length in (3, 4, 5, 6)]
    assert all(row[0] == CLS and row[-1] == SEP for row in encoded["input_ids"])


def test_cuts_are_counted_in_every_batch_of_rows() -> None:
    texts = ["the red cat" if i % 2 else "cat" for i in range(2500)]
    assert encode(corpus_of_texts(texts, [0] * 2500, ["x"]).train, cutting_at(4))[1].n_cut == 1250


@pytest.mark.parametrize(("max_length", "cut"), [(6, 1), (7, 0)])
def test_pairs_are_encoded_and_counted_together(max_length: int, cut: int) -> None:
    corpus = corpus_of_texts(["red cat", "dog"], [0, 1], ["x", "y"], ["big saw", "file"])
    tokenizer = cutting_at(max_length)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]  # as BERT's has them
    encoded, counts = encode(corpus.train, tokenizer)
    assert counts.n_cut == cut
    assert encoded["length"][:] == [max_length, 5]
    assert encoded["input_ids"][1] == [CLS, *ids("dog"), SEP, *ids("file"), SEP]
    assert encoded["token_type_ids"][1] == [0, 0, 0, 1, 1]
    if not cut:
        assert encoded["input_ids"][0] == [CLS, *ids("red cat"), SEP, *ids("big saw"), SEP]


def test_rows_already_selected_keep_their_labels() -> None:
    corpus = corpus_of_texts(["cat", "red dog", "saw"], [0, 1, 2], ["x", "y", "z"])
    encoded, _ = encode(corpus.train.select([2, 1]), cutting_at(64))
    assert encoded["labels"][:] == [2, 1]
    assert encoded["input_ids"][0] == [CLS, *ids("saw"), SEP]


@pytest.mark.parametrize(
    ("config", "usable"),
    [
        (BertConfig(max_position_embeddings=512), 512),
        (DistilBertConfig(max_position_embeddings=512), 512),
        (RobertaConfig(max_position_embeddings=514, pad_token_id=1), 512),  # positions begin at padding_idx + 1
        (MPNetConfig(max_position_embeddings=514, pad_token_id=1), 512),
        (GPT2Config(n_positions=1024), 1024),
        (T5Config(), 5000),  # relative positions: no limit of its own
    ],
    ids=lambda value: getattr(value, "model_type", None),
)
def test_the_encoder_limits_the_length(config: Any, usable: int) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = int(1e30)  # what transformers writes where a tokenizer does not say
    with torch.device("meta"):  # of real size, without the weights
        encoder = AutoModel.from_config(config)
    assert usable_length(tokenizer, encoder, 5000) == usable
    assert usable_length(tokenizer, encoder, usable) == usable
    assert usable_length(tokenizer, encoder, 128) == 128


def test_the_tokenizer_limits_the_length() -> None:
    with torch.device("meta"):
        encoder = AutoModel.from_config(BertConfig())
    assert usable_length(tiny_tokenizer(), encoder, 128) == 64


class CountingTokenizer:
    """Counts the texts that are tokenised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        original = Tokens.counted

        def counted(tokens: Tokens, texts: list[str], *rest: Any) -> Any:
            self.texts.extend(texts)
            return original(tokens, texts, *rest)

        monkeypatch.setattr(Tokens, "counted", counted)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache" / "ganbert"


def test_texts_are_tokenised_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = CountingTokenizer(monkeypatch)
    texts = ["the red cat", "dog"]
    tokenizer = cutting_at(4)
    first, counts = encode(corpus_of_texts(texts, [0, 1], ["x", "y"]).train, tokenizer)
    assert counter.texts == texts
    assert len(list(cache.iterdir())) == 1

    # Other labels, and a tokenizer that has been used for something else in between.
    tokenizer("saw", truncation=True, max_length=3, padding="max_length")
    again, counts_again = encode(corpus_of_texts(texts, [1, -100], ["x", "y"]).train, tokenizer)
    assert counter.texts == texts
    assert again["input_ids"][:] == first["input_ids"][:]
    assert again["labels"][:] == [1, -100]
    assert counts_again == counts
    assert counts.n_cut == 1


def test_other_texts_lengths_and_tokenizers_are_tokenised_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = CountingTokenizer(monkeypatch)
    train = corpus_of_texts(["the red cat", "dog"], [0, 1], ["x", "y"]).train
    other_rules, other_side = cutting_at(4), cutting_at(4)
    other_rules.backend_tokenizer.normalizer = None
    other_side.truncation_side = "left"
    calls = [
        (train, cutting_at(4)),
        (train, cutting_at(5)),
        (train, other_rules),
        (train, other_side),
        (corpus_of_texts(["the red cat", "saw"], [0, 1], ["x", "y"]).train, cutting_at(4)),
        (corpus_of_texts(["the red cat", "dog"], [0, 1], ["x", "y"], ["cat", "dog"]).train, cutting_at(4)),
    ]
    for rows, tokenizer in calls:
        encode(rows, tokenizer)
    assert len(counter.texts) == 2 * len(calls)


def test_nothing_is_kept_where_caching_is_disabled(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.is_caching_enabled", lambda: False)
    encoded, _ = encode(corpus_of_texts(["cat", "dog"], [0, 1], ["x", "y"]).train, cutting_at(4))
    assert len(encoded) == 2
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    train = corpus_of_texts(["the red cat", "dog"], [0, 1], ["x", "y"]).train
    expected = encode(train, cutting_at(4))[0]["input_ids"][:]
    for place in (Path("/proc/nope"), tmp_path / "file", tmp_path / "file" / "deeper"):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", place)
        encoded, counts = encode(train, cutting_at(4))
        assert encoded["input_ids"][:] == expected
        assert counts.n_cut == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_cache_on_a_full_disk_is_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    encoded, _ = encode(corpus_of_texts(["the red cat", "dog"], [0, 1], ["x", "y"]).train, cutting_at(4))
    assert encoded["length"][:] == [4, 3]
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.95, -1.0])
def test_a_torn_file_of_the_cache_is_written_anew(cache: Path, kept: float) -> None:
    texts = [f"the {'red ' * (i % 5)}cat" for i in range(3000)]  # several batches
    train = corpus_of_texts(texts, [i % 2 for i in range(len(texts))], ["x", "y"]).train
    expected = encode(train, cutting_at(8))[0]["input_ids"][:]
    (file,) = cache.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))] if kept >= 0 else bytes(len(content)))

    assert encode(train, cutting_at(8))[0]["input_ids"][:] == expected
    assert [path.name for path in cache.iterdir()] == [file.name]
    assert file.stat().st_size == len(content)
