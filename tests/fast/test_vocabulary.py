"""Only the word embeddings that occur are trained, to the very values that training all of them gives."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModel, BertConfig, BertModel, PreTrainedModel, T5Config, T5EncoderModel

from ganbert import DEFAULT, GanBertForSequenceClassification, train
from ganbert.fast.vocabulary import train_occurring_rows_only
from tests.conftest import VOCABULARY, toy_corpus

IDS = torch.tensor([0, 3, 4, 7, 11, 19])
WORDS = "embeddings.word_embeddings.weight"


def bert(padding: int | None = 0) -> BertModel:
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(
            vocab_size=20,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=padding,
        )
    )
    model.train()
    return model


def steps(encoder: PreTrainedModel) -> torch.Tensor:
    """Take three steps on rows of `IDS` and return the first gradient norm."""
    optimizer = torch.optim.AdamW(encoder.parameters(), 1e-2, weight_decay=0.0)
    norms = []
    for seed in range(3):
        rows = IDS[torch.randint(len(IDS), (4, 5), generator=torch.Generator().manual_seed(seed))]
        encoder(rows, attention_mask=torch.ones_like(rows)).last_hidden_state.pow(3).mean().backward()
        norms.append(nn.utils.clip_grad_norm_(encoder.parameters(), 1e-3))
        optimizer.step()
        optimizer.zero_grad()
    return norms[0]


@pytest.mark.parametrize("padding", [0, None])
def test_the_rows_that_occur_are_trained_as_in_a_whole_table(padding: int | None) -> None:
    whole = bert(padding)
    part = copy.deepcopy(whole)
    before = whole.state_dict()[WORDS].clone()
    assert train_occurring_rows_only(part, IDS)
    assert part.get_input_embeddings().rows.shape == (len(IDS), 8)

    torch.testing.assert_close(steps(part), steps(whole))

    expected, found = whole.state_dict(), part.state_dict()
    assert found.keys() == expected.keys()
    for name, weight in found.items():
        torch.testing.assert_close(weight, expected[name], msg=name)
    trained = [i for i in IDS.tolist() if i != padding]
    assert (found[WORDS][trained] != before[trained]).any(dim=1).all()
    others = [i for i in range(20) if i not in trained]
    assert torch.equal(found[WORDS][others], before[others])


def test_a_state_dict_of_either_kind_fits_the_other() -> None:
    trained, fresh = bert(), bert()
    train_occurring_rows_only(trained, IDS)
    train_occurring_rows_only(fresh, IDS)
    steps(trained)
    fresh.load_state_dict(trained.state_dict())
    whole = bert()
    whole.load_state_dict(trained.state_dict())
    rows = IDS.view(2, 3)
    expected = trained(rows).last_hidden_state
    assert torch.equal(fresh(rows).last_hidden_state, expected)
    assert torch.equal(whole(rows).last_hidden_state, expected)


def test_a_word_that_was_not_announced_is_an_error() -> None:
    encoder = bert()
    train_occurring_rows_only(encoder, IDS)
    with pytest.raises(IndexError):
        encoder(torch.tensor([[3, 5]]))


def test_a_table_that_serves_other_ends_too_stays_whole() -> None:
    t5 = T5EncoderModel(T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2))
    t5.another_use = nn.Linear(8, 20, bias=False)
    t5.another_use.weight = t5.get_input_embeddings().weight
    names = {name for name, _ in t5.named_parameters()}
    assert not train_occurring_rows_only(t5, IDS)
    assert {name for name, _ in t5.named_parameters()} == names


def test_an_embedding_that_does_more_than_look_up_stays_whole() -> None:
    encoder = bert()
    encoder.embeddings.word_embeddings.max_norm = 1.0
    assert not train_occurring_rows_only(encoder, IDS)
    assert type(encoder.get_input_embeddings()) is nn.Embedding


def test_words_that_no_text_has_are_saved_as_they_were(tiny_encoder: str, tmp_path: Path) -> None:
    corpus = toy_corpus(n=60, labelled=12)
    train(
        DEFAULT.with_settings({"max_steps": "3", "looks_needed": "0", "teacher_share": "0"}),
        corpus,
        tmp_path / "model",
        encoder=tiny_encoder,
        progress=False,
    )
    before = AutoModel.from_pretrained(tiny_encoder).state_dict()[WORDS]
    after = GanBertForSequenceClassification.from_pretrained(tmp_path / "model").encoder.state_dict()[WORDS]
    words = {word for text in corpus.train["text"] for word in text.split()}
    unchanged = {word for i, word in enumerate(VOCABULARY) if torch.equal(before[i], after[i])}
    assert "[UNK]" in unchanged
    assert not words & unchanged
