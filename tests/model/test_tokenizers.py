"""Where texts are cut, and how many of them are hardly known."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from ganbert.errors import InputError
from ganbert.model.tokenizers import TextCounts, n_unknown, require_room, unknown_id, usable_length
from tests.conftest import tiny_tokenizer


def test_a_row_is_unknown_if_more_than_half_of_its_own_tokens_are() -> None:
    rows = [[2, 1, 3], [2, 1, 7, 3], [2, 1, 1, 7, 3], [2, 7, 7, 3], [2, 3]]
    assert n_unknown(rows, 1, 2) == 2
    assert n_unknown(rows, None, 2) == 0


def test_a_token_that_has_other_uses_is_no_unknown_one() -> None:
    tokenizer = tiny_tokenizer()
    assert unknown_id(tokenizer) == 1
    tokenizer.eos_token = "[UNK]"
    assert unknown_id(tokenizer) is None


def test_counts_are_added_and_told() -> None:
    counts = TextCounts(10, 2, 0) + TextCounts(10, 0, 3)
    assert counts == TextCounts(20, 2, 3)
    assert counts.notes(128, "training texts") == [
        "2 of 20 training texts exceed 128 tokens and were cut.",
        "3 of 20 training texts are mostly tokens that the encoder does not know: is it one for their language?",
    ]
    assert TextCounts(20, 0, 2).notes(128) == []


@pytest.mark.parametrize(("length", "pairs", "fits"), [(2, False, False), (3, False, True), (4, True, False)])
def test_special_tokens_leave_room(length: int, pairs: bool, fits: bool) -> None:
    if fits:
        require_room(length, 2 + pairs, pairs=pairs)
        return
    with pytest.raises(InputError, match=rf"max_length is {length}, which leaves no room for a text: {2 + pairs} sp"):
        require_room(length, 2 + pairs, pairs=pairs)


SMALL: dict[str, Any] = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}


@pytest.mark.parametrize(("positions", "pairs", "fits"), [(1, False, 0), (2, False, 0), (3, False, 1), (4, True, 0)])
def test_too_few_positions_are_told(positions: int, pairs: bool, fits: int) -> None:
    encoder = BertModel(BertConfig(**SMALL, max_position_embeddings=positions))
    if fits:
        assert usable_length(tiny_tokenizer(), encoder, 128, pairs=pairs) == positions
        return
    with pytest.raises(InputError, match=f"max_position_embeddings is {positions}, which leaves no room"):
        usable_length(tiny_tokenizer(), encoder, 128, pairs=pairs)


def test_positions_that_roberta_leaves_out_are_no_room() -> None:
    encoder = RobertaModel(RobertaConfig(**SMALL, max_position_embeddings=4))
    with pytest.raises(InputError, match="max_position_embeddings is 2, which leaves no room"):
        usable_length(tiny_tokenizer(), encoder, 128)
