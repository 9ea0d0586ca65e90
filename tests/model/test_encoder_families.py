"""Encoders as they come from the Hub: bare or under a head, encoder or decoder; none in use is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import PreTrainedConfig

from ganbert import GanBertForSequenceClassification, InputError
from ganbert.model.encoders import load_tokenizer
from ganbert.model.tokenizers import usable_length
from ganbert.predict.predictor import Predictor
from tests.conftest import tiny_tokenizer
from tests.model.test_modeling import FAMILIES, SIZE, SPECIAL

CONFIGS: dict[str, PreTrainedConfig] = {
    **FAMILIES,
    "electra": transformers.ElectraConfig(**SIZE, embedding_size=16),
    "albert": transformers.AlbertConfig(**SIZE, embedding_size=16),
    "xlnet": transformers.XLNetConfig(vocab_size=100, d_model=32, n_layer=2, n_head=2, d_inner=64),
    "qwen2": transformers.Qwen2Config(**SIZE, num_key_value_heads=1),
    "llama": transformers.LlamaConfig(**SIZE, **SPECIAL, num_key_value_heads=1),
    "t5": transformers.T5Config(vocab_size=100, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2),
}
CHECKPOINTS = {
    "bert": ["BertModel", "BertForMaskedLM", "BertForPreTraining", "BertForSequenceClassification"],
    "roberta": ["RobertaModel", "RobertaForMaskedLM"],
    "xlm-roberta": ["XLMRobertaForMaskedLM"],
    "distilbert": ["DistilBertModel", "DistilBertForMaskedLM"],
    "mpnet": ["MPNetModel", "MPNetForMaskedLM"],
    "electra": ["ElectraModel", "ElectraForPreTraining"],
    "albert": ["AlbertModel", "AlbertForMaskedLM"],
    "deberta-v3": ["DebertaV2Model", "DebertaV2ForMaskedLM"],
    "xlnet": ["XLNetModel", "XLNetLMHeadModel"],
    "modernbert": ["ModernBertModel", "ModernBertForMaskedLM"],
    "gpt2": ["GPT2Model", "GPT2LMHeadModel"],
    "qwen2": ["Qwen2Model", "Qwen2ForCausalLM"],
    "llama": ["LlamaModel", "LlamaForCausalLM"],
    "t5": ["T5EncoderModel", "T5Model", "T5ForConditionalGeneration"],
}
TEXTS = ["the red cat", "dog", "a big old hammer is here"]


def save(kind: str, config: PreTrainedConfig, folder: Path) -> Any:
    torch.manual_seed(0)
    model = getattr(transformers, kind)(copy.deepcopy(config)).eval()
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return model


@pytest.mark.parametrize(
    ("family", "kind"), [(family, kind) for family, kinds in CHECKPOINTS.items() for kind in kinds]
)
def test_checkpoints_give_their_own_vectors_and_are_saved_and_opened(family: str, kind: str, tmp_path: Path) -> None:
    saved = save(kind, CONFIGS[family], tmp_path / "encoder")

    model = GanBertForSequenceClassification.from_encoder(str(tmp_path / "encoder"), num_labels=3, pooling="mean")
    tokenizer = load_tokenizer(str(tmp_path / "encoder"), model.encoder)
    tokenizer.model_max_length = usable_length(tokenizer, model.encoder, 128)

    inner = getattr(saved, saved.base_model_prefix, saved) if family != "t5" else saved.get_encoder()
    ids = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])
    with torch.no_grad():
        expected = inner(ids).last_hidden_state.mean(dim=1)
        torch.testing.assert_close(model.text_vectors(ids), expected, rtol=1e-4, atol=1e-5)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    again = Predictor.load(tmp_path / "model", precision="float32").predict(TEXTS)
    np.testing.assert_allclose(again.probabilities, Predictor(model, tokenizer).predict(TEXTS).probabilities, atol=1e-5)


def test_pooling_of_an_encoder_without_a_decoder_is_mean_for_t5(tmp_path: Path) -> None:
    save("T5EncoderModel", CONFIGS["t5"], tmp_path)
    assert GanBertForSequenceClassification.from_encoder(str(tmp_path), num_labels=2).config.pooling == "mean"


def test_xlnet_has_no_limit_of_its_own(tmp_path: Path) -> None:
    save("XLNetModel", CONFIGS["xlnet"], tmp_path)
    model = GanBertForSequenceClassification.from_encoder(str(tmp_path), num_labels=2)
    tokenizer = load_tokenizer(str(tmp_path))
    assert model.encoder.config.max_position_embeddings == -1
    assert usable_length(tokenizer, model.encoder, 50) == 50
    tokenizer.model_max_length = int(1e30)
    assert usable_length(tokenizer, model.encoder, 5000) == 5000


SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
OTHERS = {
    "BartModel": (
        transformers.BartConfig(
            vocab_size=100,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
        ),
        "bart is an encoder-decoder",
    ),
    "ViTModel": (transformers.ViTConfig(**SMALL, image_size=16, patch_size=8), "vit is no text encoder"),
    "Wav2Vec2Model": (
        transformers.Wav2Vec2Config(
            **SMALL,
            conv_dim=[8, 8],
            conv_stride=[2, 2],
            conv_kernel=[3, 3],
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
        ),
        "wav2vec2 cannot be used: it takes no plain token ids",
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_text_encoder_is_refused(kind: str, tmp_path: Path) -> None:
    config, reason = OTHERS[kind]
    save(kind, config, tmp_path)
    with pytest.raises(InputError, match=reason):
        GanBertForSequenceClassification.from_encoder(str(tmp_path), num_labels=2)


def test_a_missing_pooler_matters_only_where_it_is_used(tmp_path: Path) -> None:
    save("BertForMaskedLM", CONFIGS["bert"], tmp_path)
    GanBertForSequenceClassification.from_encoder(str(tmp_path), num_labels=2, pooling="cls")
    with pytest.raises(InputError, match=r"2 weights are missing: pooler.dense.bias, pooler.dense.weight"):
        GanBertForSequenceClassification.from_encoder(str(tmp_path), num_labels=2, pooling="pooler")


def test_a_model_goes_on_from_a_trained_one(tiny_encoder: str, tmp_path: Path) -> None:
    trained = GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=3, pooling="mean")
    with torch.no_grad():
        for weight in trained.encoder.parameters():
            weight += 0.01
    trained.save_pretrained(tmp_path)
    load_tokenizer(tiny_encoder).save_pretrained(tmp_path)

    model = GanBertForSequenceClassification.from_encoder(str(tmp_path), num_labels=5)

    assert model.config.pooling == "mean"
    assert model.config.num_labels == 5
    assert model.config.encoder.model_type == "bert"
    expected = trained.encoder.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in model.encoder.state_dict().items())
    assert not torch.equal(model.discriminator.hidden.weight, trained.discriminator.hidden.weight)
    assert model.generator is not None
    other = GanBertForSequenceClassification.from_encoder(str(tmp_path), num_labels=5, pooling="cls")
    assert other.config.pooling == "cls"


def test_without_an_own_padding_token_another_one_is_taken(tiny_encoder: str, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    bare = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    transformers.AutoConfig.from_pretrained(tiny_encoder).save_pretrained(tmp_path)
    bare.save_pretrained(tmp_path)
    assert load_tokenizer(str(tmp_path)).pad_token_id == 0
