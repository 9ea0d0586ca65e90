"""Tokens: the ids of transformers, in batches that waste little and come in few shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BertTokenizer,
    ByT5Tokenizer,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from ganbert.data.corpus import corpus_of_texts
from ganbert.data.encode import encode
from ganbert.data.tokens import Collator, Tokens, length_batches, padded_length, rust_tokenizer
from ganbert.model.encoders import load_tokenizer
from tests.conftest import VOCABULARY, tiny_tokenizer

TEXTS = [
    "the cat",
    "a",
    "The OLD hammer is here, was there!",
    "wörds 你好 🙂",
    "  two  spaces ",
    "the " * 30,
    "[SEP] it",
]
PAIRS = ["a dog was here", "the big red old saw is there", "b", "a", "the", "a cat " * 20, "[MASK]"]


def wordpiece() -> PreTrainedTokenizerBase:
    """Return a BERT tokenizer, which has token types."""
    return BertTokenizer(vocab={word: i for i, word in enumerate([*VOCABULARY, "[MASK]", "##s", "t", "##w", "##o"])})


def byte_level() -> PreTrainedTokenizerBase:
    """Return a tokenizer as GPT-2 has it: bytes, no special tokens round a text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*alphabet, "th", "Ġa", "<|end|>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("t", "h"), ("Ġ", "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")


KINDS: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "words": tiny_tokenizer,
    "wordpiece": wordpiece,
    "bytes": byte_level,
    "written in Python": ByT5Tokenizer,
}


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("length", [7, 200])
@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["texts", "pairs"])
@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_padding_are_those_of_transformers(kind: str, pairs: list[str] | None, length: int, side: str) -> None:
    tokenizer = KINDS[kind]()
    tokenizer.model_max_length, tokenizer.truncation_side, tokenizer.padding_side = length, side, side
    assert (rust_tokenizer(tokenizer) is None) == (kind == "written in Python")

    tokens = Tokens.of(tokenizer)
    ids = tokens(TEXTS, pairs)
    longest = max(map(len, ids["input_ids"]))
    batch = tokens.pad(ids, range(len(TEXTS)), longest + 3)

    expected = (
        tokenizer(TEXTS, pairs, truncation=True, max_length=length, padding="max_length", return_tensors="np")
        if longest + 3 == length
        else tokenizer.pad(
            dict(tokenizer(TEXTS, pairs, truncation=True, max_length=length)),
            padding="max_length",
            max_length=longest + 3,
            return_tensors="np",
        )
    )
    assert (longest == 7) == (length == 7)
    for name in tokenizer.model_input_names:
        np.testing.assert_array_equal(batch[name], expected[name], err_msg=name)
    assert set(batch) == {"input_ids", "attention_mask"} | set(tokenizer.model_input_names)


@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["texts", "pairs"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_has_the_ids_of_prediction_and_the_batches_of_transformers(kind: str, pairs: list[str] | None) -> None:
    tokenizer = KINDS[kind]()
    tokenizer.model_max_length = 9
    corpus = corpus_of_texts(TEXTS, [0, 1, -100, 1, 0, 1, -100], ["x", "y"], pairs, [0.5, 1, 1, 1.5, 2, 0.25, 1])
    predicted, expected_counts = Tokens.of(tokenizer).counted(TEXTS, pairs)

    rows, counts = encode(corpus.train, tokenizer)

    assert {name: rows[name][:] for name in predicted} == predicted
    assert counts == expected_counts
    assert rows["length"][:] == [len(ids) for ids in predicted["input_ids"]]

    chosen = [rows.remove_columns("length")[i] for i in (3, 0, 5)]
    batch = Collator(Tokens.of(tokenizer))(chosen)
    expected = DataCollatorWithPadding(tokenizer)(chosen)
    for name in expected:
        assert batch[name].dtype == expected[name].dtype
        torch.testing.assert_close(batch[name], expected[name], rtol=0, atol=0)
    assert set(batch) == set(expected) == {"labels", "sample_weights", *tokenizer.model_input_names}


def test_token_types_tell_the_second_text_from_the_first() -> None:
    tokens = Tokens.of(wordpiece())

    assert tokens(["the cat"], ["a dog"])["token_type_ids"] == [[0, 0, 0, 0, 1, 1, 1]]


def test_what_transformers_left_on_the_tokenizer_does_not_matter() -> None:
    tokenizer = tiny_tokenizer()
    tokens = Tokens.of(tokenizer)
    before = tokens(TEXTS)

    tokenizer(TEXTS, padding="max_length", truncation=True, max_length=3)

    assert tokens(TEXTS) == before


def test_a_tokenizer_without_limit_cuts_nothing() -> None:
    tokenizer = byte_level()  # its model_max_length is a very large float

    assert max(map(len, Tokens.of(tokenizer)(["x" * 5000])["input_ids"])) == 5000


def test_the_real_tokenizer_gives_the_ids_of_transformers(minilm: str) -> None:
    tokenizer = load_tokenizer(minilm)
    tokenizer.model_max_length = 16

    ids = Tokens.of(tokenizer)(TEXTS, PAIRS)

    expected = tokenizer(TEXTS, PAIRS, truncation=True, max_length=16)
    assert ids["input_ids"] == expected["input_ids"]
    assert ids["token_type_ids"] == expected["token_type_ids"]


def test_a_tokenizer_class_with_python_of_its_own_is_called_itself() -> None:
    class Shouting(PreTrainedTokenizerFast):
        def _encode_plus(self, text, *args, **kwargs):  # type: ignore[no-untyped-def]
            return super()._encode_plus([t + " cat" for t in text], *args, **kwargs)

    tokenizer: PreTrainedTokenizerBase = Shouting(  # type: ignore[no-untyped-call]
        tokenizer_object=tiny_tokenizer().backend_tokenizer, pad_token="[PAD]", model_max_length=9
    )

    assert rust_tokenizer(tokenizer) is None
    assert Tokens.of(tokenizer)(["the"]) == {"input_ids": Tokens.of(tiny_tokenizer())(["the cat"])["input_ids"]}


def test_padded_lengths_are_few_and_close() -> None:
    lengths = range(1, 513)
    padded = [padded_length(n) for n in lengths]

    assert all(n <= p <= max(n * 1.25, n + 1) for n, p in zip(lengths, padded, strict=True))
    assert sorted({p for p in padded if 8 < p <= 32}) == [10, 12, 14, 16, 20, 24, 28, 32]
    assert len(set(padded)) == 28
    assert padded_length(41, 42) == 42
    assert padded_length(7, 7) == 7


@pytest.mark.parametrize("n", [1, 2, 3, 17, 500])
def test_every_row_is_in_a_batch_that_is_long_enough(n: int) -> None:
    lengths = np.random.default_rng(n).integers(1, 41, n).tolist()

    batches = list(length_batches(lengths, lambda length: 128 // length, 40))

    assert {int(i) for rows, _ in batches for i in rows} == set(range(n))
    assert all(max(lengths[i] for i in rows) <= length <= 40 for rows, length in batches)
    assert sum(len(rows) for rows, _ in batches[:-1]) == len({int(i) for rows, _ in batches[:-1] for i in rows})
    for rows, length in batches[:-1]:
        assert len(rows) == 128 // length
    last_rows, last_length = batches[-1]
    assert len(last_rows) in {1, 2, 4, 8, 16, 32, 128 // last_length}


def test_padding_and_shapes_stay_few_over_many_windows() -> None:
    rng = np.random.default_rng(0)
    shapes, computed, real = set(), 0, 0
    for _ in range(20):
        lengths = np.clip(rng.gamma(9, 1.5, 4096), 3, 64).astype(int).tolist()
        for rows, length in length_batches(lengths, lambda length: 1024 // length, 64):
            shapes.add((len(rows), length))
            computed += len(rows) * length
        real += sum(lengths)

    assert len(shapes) < 40
    assert computed < 1.1 * real


def test_no_rows_are_no_batch() -> None:
    assert list(length_batches([], lambda length: 8)) == []
