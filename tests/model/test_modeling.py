"""The model on every family of encoders: shapes, gradients, pooling, padding, saving, and what inference costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DebertaV2Config,
    DistilBertConfig,
    GPT2Config,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from ganbert import GanBertConfig, GanBertForSequenceClassification
from ganbert.errors import InputError
from ganbert.fast.packing import attention_of, use_packing
from ganbert.model.encoders import load_tokenizer, recorded_pooling
from ganbert.model.losses import TERMS, LossWeights, Term
from ganbert.model.modeling import GanBertOutput
from ganbert.model.problem import OneOfK

SIZE: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
SPECIAL: dict[str, Any] = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3}
FAMILIES: dict[str, PreTrainedConfig] = {
    "bert": BertConfig(**SIZE),
    "roberta": RobertaConfig(**SIZE),
    "distilbert": DistilBertConfig(
        vocab_size=100, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64
    ),
    "deberta-v3": DebertaV2Config(
        **SIZE, relative_attention=True, pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0
    ),
    "modernbert": ModernBertConfig(**SIZE, **SPECIAL, cls_token_id=2, sep_token_id=3),
    "xlm-roberta": XLMRobertaConfig(**SIZE),
    "mpnet": MPNetConfig(**SIZE),
    "gpt2": GPT2Config(vocab_size=100, n_embd=32, n_layer=2, n_head=2, n_positions=64, bos_token_id=2, eos_token_id=3),
}
WEIGHTS: dict[str, Any] = {weight.name: 0.6 + 0.25 * i for i, weight in enumerate(fields(LossWeights))}
"""Of all losses, each another."""


def build(encoder: PreTrainedConfig | None = None, **config: Any) -> GanBertForSequenceClassification:
    torch.manual_seed(0)
    config.setdefault("num_labels", 3)
    return GanBertForSequenceClassification(GanBertConfig(encoder=encoder or FAMILIES["bert"], **config))


def batch(rows: int = 6, tokens: int = 9) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        "input_ids": torch.randint(5, 100, (rows, tokens)),
        "attention_mask": torch.ones(rows, tokens, dtype=torch.long),
        "labels": torch.tensor([0, -100, 2, -100, 1, -100])[:rows],
    }


def gradients(model: GanBertForSequenceClassification, loss: Tensor) -> dict[str, bool]:
    """Which network has a gradient of `loss` that is not zero."""
    model.zero_grad()
    loss.backward()
    return {
        name: any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in getattr(model, name).parameters())
        for name in ("encoder", "discriminator", "generator")
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_runs_learns_saves_and_loads(family: str, tmp_path: Path) -> None:
    model, inputs = build(FAMILIES[family]), batch()
    output = model(**inputs)
    assert output.logits.shape == (6, 3)
    assert output.fake_logits.shape == (6,)
    assert gradients(model, output.loss) == {"encoder": True, "discriminator": True, "generator": True}
    model.eval()
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    inputs.pop("labels")
    with torch.no_grad():
        assert torch.equal(loaded(**inputs).logits, model(**inputs).logits)
        assert torch.equal(loaded(**inputs).fake_logits, model(**inputs).fake_logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_token_vectors_are_those_of_the_encoder_alone(family: str) -> None:
    model, inputs = build(FAMILIES[family], pooling="mean").eval(), batch()
    with torch.no_grad():
        alone = model.encoder(inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
        found = model.text_vectors(inputs["input_ids"], inputs["attention_mask"])
    torch.testing.assert_close(found, alone.mean(dim=1), rtol=1e-5, atol=1e-5)


def test_an_encoder_that_is_given_keeps_its_own_configuration() -> None:
    encoder = AutoModel.from_config(FAMILIES["bert"])
    before = attention_of(encoder)
    model = GanBertForSequenceClassification(GanBertConfig(encoder=encoder.config, num_labels=3), encoder=encoder)
    assert model.encoder is encoder
    assert attention_of(encoder) == before == "sdpa"
    assert use_packing(encoder)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pad_id", [0, 1, 50])
@pytest.mark.parametrize("pooling", ["own", "mean"])
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_nothing(family: str, pooling: Any, pad_id: int, side: str) -> None:
    model = build(FAMILIES[family], pooling="auto" if pooling == "own" else pooling).eval()
    rows = [torch.randint(5, 100, (n,)) for n in (4, 9, 1, 6)]
    ids = torch.full((4, 9), pad_id)
    mask = torch.zeros(4, 9, dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(0, len(row)) if side == "right" else slice(9 - len(row), 9)
        ids[i, place], mask[i, place] = row, 1
    with torch.no_grad():
        alone = torch.cat([model(row.unsqueeze(0)).logits for row in rows])
        together = model(ids, mask).logits
    assert torch.allclose(alone, together, atol=1e-5)


def test_pooling_auto_is_cls_and_last_for_a_causal_model() -> None:
    found = {family: GanBertConfig(encoder=config, num_labels=2).pooling for family, config in FAMILIES.items()}
    assert found.pop("gpt2") == "last"
    assert set(found.values()) == {"cls"}


@pytest.mark.parametrize("pooling", ["cls", "pooler", "mean", "last"])
def test_pooling_reads_what_its_name_says(pooling: Any) -> None:
    model, inputs = build(pooling=pooling).eval(), batch(rows=2)
    inputs["attention_mask"][1, 6:] = 0
    inputs.pop("labels")
    seen: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        model(**inputs)
        encoded = model.encoder(**inputs)
    tokens = encoded.last_hidden_state
    by_name: dict[str, Callable[[], Tensor]] = {
        "cls": lambda: tokens[:, 0],
        "pooler": lambda: encoded.pooler_output,
        "mean": lambda: torch.stack([tokens[0].mean(0), tokens[1, :6].mean(0)]),
        "last": lambda: torch.stack([tokens[0, 8], tokens[1, 5]]),
    }
    assert torch.allclose(seen[0], by_name[pooling](), atol=1e-6)


def test_pooler_without_a_pooler_is_refused() -> None:
    with pytest.raises(ValueError, match="distilbert has no pooler: choose pooling cls, mean or last"):
        build(FAMILIES["distilbert"], pooling="pooler")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode_max_tokens": True}, None),
        ({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True}, None),
        (None, None),
    ],
)
def test_pooling_of_sentence_transformers_files(
    tiny_encoder: str, tmp_path: Path, stated: dict[str, Any] | None, expected: str | None
) -> None:
    if stated is not None:
        (tmp_path / "1_Pooling").mkdir()
        (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(stated))
    assert recorded_pooling(str(tmp_path)) == expected


def test_minilm_is_pooled_by_mean_as_its_files_say(minilm: str) -> None:
    model = GanBertForSequenceClassification.from_encoder(minilm, num_labels=3)
    assert model.config.pooling == "mean"


def test_from_encoder_keeps_the_pretrained_weights(tiny_encoder: str) -> None:
    model = GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=3)
    loaded = GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=5)
    first, second = model.encoder.state_dict(), loaded.encoder.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(model.discriminator.hidden.weight, loaded.discriminator.hidden.weight)


def test_an_encoder_stored_in_half_precision_is_trained_in_float32(tiny_encoder: str, tmp_path: Path) -> None:
    AutoModel.from_pretrained(tiny_encoder).to(torch.bfloat16).save_pretrained(tmp_path)
    model = GanBertForSequenceClassification.from_encoder(str(tmp_path), num_labels=3)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["no/such-encoder", "nowhere-at-all"])
def test_an_encoder_that_cannot_be_had_is_told_with_the_way_out(name: str) -> None:
    with pytest.raises(InputError, match=f"encoder '{name}'.*no network.*give its folder"):
        GanBertForSequenceClassification.from_encoder(name, num_labels=2)


def test_a_folder_without_an_encoder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder holds no encoder"):
        GanBertForSequenceClassification.from_encoder(str(tmp_path), num_labels=2)


def test_an_encoder_in_the_local_hub_cache_is_found_offline(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout that huggingface_hub gives its cache: refs/main names a snapshot folder."""
    repository = tmp_path / "models--someone--tiny"
    snapshot = repository / "snapshots" / "0123456789012345678901234567890123456789"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(tiny_encoder)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = GanBertForSequenceClassification.from_encoder("someone/tiny", num_labels=2)
    assert model.config.encoder.hidden_size == 32
    assert load_tokenizer("someone/tiny").pad_token == "[PAD]"


def test_the_loss_of_d_moves_d_and_the_encoder_and_not_g() -> None:
    model = build()
    output = model(**batch())
    assert gradients(model, output.loss_d_supervised + output.loss_d_unsupervised) == {
        "encoder": True,
        "discriminator": True,
        "generator": False,
    }


@pytest.mark.parametrize("term", TERMS, ids=lambda term: str(term.name))
def test_a_loss_moves_the_networks_of_its_player_and_no_other(term: Term) -> None:
    model, inputs = build(**WEIGHTS, real_term="all"), batch()
    inputs["labels"][4] = 0  # a second row of this class
    moved = gradients(model, model(**inputs, soft_targets=torch.full((6, 3), 1 / 3))[term.name])
    by_d = term.moves == "D"
    # The contrastive loss is of text vectors, and D comes after those.
    assert moved == {"encoder": by_d, "discriminator": by_d and term.name != "loss_contrastive", "generator": not by_d}


def test_one_backward_gives_each_network_its_own_gradient() -> None:
    """The gradient of L_D + L_G equals that of L_D for D and the encoder, and that of L_G for G."""
    model, inputs = build().eval(), batch()  # without dropout, so that three forwards agree

    def gradient_of(*parts: str) -> dict[str, Tensor]:
        model.zero_grad()
        torch.manual_seed(2)
        output = model(**inputs)
        sum(output[part] for part in parts).backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    both = gradient_of("loss")
    of_d = gradient_of("loss_d_supervised", "loss_d_unsupervised")
    of_g = gradient_of("loss_g_unsupervised", "loss_g_feature_matching")
    for name, gradient in both.items():
        own = of_g if name.startswith("generator.") else of_d
        assert torch.allclose(gradient, own[name], atol=1e-7), name


def test_heads_and_losses_stay_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        output = build()(**batch())
    assert {value.dtype for value in output.values()} == {torch.float32}
    assert bool((output.logits != output.logits.bfloat16()).any())  # not bfloat16 numbers in float32 clothes


def test_loss_is_the_sum_of_its_four_parts() -> None:
    output = build()(**batch())
    parts = [value for name, value in output.items() if name.startswith("loss_")]
    assert len(parts) == 4
    assert float(output.loss.detach()) == pytest.approx(sum(float(part.detach()) for part in parts))


def test_the_total_loss_weighs_all_losses_as_the_configuration_says() -> None:
    of_paper = {
        "loss_d_supervised": 1.0, "loss_d_unsupervised": 1.0, "loss_g_unsupervised": WEIGHTS["fooling_weight"],
        "loss_g_feature_matching": WEIGHTS["feature_matching_weight"], "loss_distillation": 1.0,
        "loss_contrastive": WEIGHTS["contrastive_weight"],
    }  # fmt: skip
    expected = {term.name: WEIGHTS.get(str(term.weight), term.weight) for term in TERMS} | of_paper
    output = build(**WEIGHTS)(**batch(), soft_targets=torch.full((6, 3), 1 / 3))
    assert {name for name in output if name.startswith("loss_")} == expected.keys()
    total = sum(weight * float(output[name].detach()) for name, weight in expected.items())
    assert float(output.loss.detach()) == pytest.approx(total)


@torch.no_grad()
def test_another_problem_decides_what_a_target_is_and_which_loss_it_gives() -> None:
    class SeveralLabels(OneOfK):
        def is_labelled(self, targets: Tensor) -> Tensor:
            return targets[:, 0] != -100

        def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
            rows = self.is_labelled(targets)
            return torch.nn.functional.binary_cross_entropy_with_logits(logits[rows], targets[rows].float())

    model, inputs = build(), batch()
    model.problem = SeveralLabels()
    inputs["labels"] = torch.tensor([[0, 1, 1], [-100] * 3, [1, 0, 0], [-100] * 3, [0, 0, 0], [-100] * 3])
    output = model.eval()(**inputs)
    p = output.logits[[0, 2, 4]].double().sigmoid()
    truth = inputs["labels"][[0, 2, 4]].bool()
    expected = float(-torch.where(truth, p, 1 - p).log().mean())
    assert float(output.loss_d_supervised) == pytest.approx(expected, rel=1e-5)
    assert float(output.loss_d_unsupervised) > 0  # which rows have a label is the problem's word, too


@torch.no_grad()
def test_sample_weights_reach_the_cross_entropy_and_no_other_loss() -> None:
    config = GanBertConfig(FAMILIES["bert"], num_labels=3, contrastive_weight=1.0)
    model = GanBertForSequenceClassification(config).train()
    ids, labels = torch.randint(3, 100, (6, 9)), torch.tensor([0, 1, 2, 0, 1, -100])
    weights = torch.tensor([0.2, 1.8, 0.5, 1.5, 1.0, 7.0])

    def figures(**given: Tensor) -> tuple[dict[str, float], Tensor]:
        torch.manual_seed(0)
        output = model(input_ids=ids, labels=labels, **given)
        return {name: float(value) for name, value in output.items() if name.startswith("loss")}, output.logits

    plain, logits = figures()
    weighted, _ = figures(sample_weights=weights)

    of_true_class = logits.double().log_softmax(dim=1)[range(5), labels[:5]]
    assert plain["loss_d_supervised"] == pytest.approx(float(-of_true_class.mean()), rel=1e-6)
    assert weighted["loss_d_supervised"] == pytest.approx(float(-(weights[:5] * of_true_class).mean()), rel=1e-6)
    changed = {name for name in plain if weighted[name] != plain[name]}
    assert changed == {"loss", "loss_d_supervised"}
    assert len(plain) == 6  # the contrastive loss among them
    change = weighted["loss_d_supervised"] - plain["loss_d_supervised"]
    assert weighted["loss"] - plain["loss"] == pytest.approx(change, abs=1e-5)


def test_joint_lets_every_loss_move_every_network() -> None:
    model = build(joint=True, real_term="all")
    everything = {"encoder": True, "discriminator": True, "generator": True}
    for part in ("loss_g_unsupervised", "loss_g_feature_matching", "loss_d_unsupervised"):
        moved = gradients(model, model(**batch())[part])
        assert moved == everything | ({"encoder": False} if part == "loss_g_unsupervised" else {}), part


def test_the_adversary_learns_from_the_parts_it_is_given() -> None:
    """A few hundred steps on G alone make its mean features those of the real rows; on D alone, fakes are found out."""
    model, inputs = build(dropout=0.0).eval(), batch()
    generator = torch.optim.Adam(model.generator.parameters(), 1e-2)
    before = float(model(**inputs).loss_g_feature_matching.detach())
    for _ in range(100):
        generator.zero_grad()
        model(**inputs).loss.backward()
        generator.step()
    assert float(model(**inputs).loss_g_feature_matching.detach()) < before / 5


@pytest.mark.parametrize(("noise", "low", "high"), [("normal", -0.1, 0.1), ("uniform", 0.4, 0.6)])
def test_noise_has_the_distribution_asked_for(noise: Any, low: float, high: float) -> None:
    model = build(noise=noise, noise_size=100)
    seen: list[Tensor] = []
    assert model.generator is not None
    model.generator.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model.generator.sample(500)
    z = seen[0]
    assert z.shape == (500, 100)
    assert low < float(z.mean()) < high
    assert (float(z.min()) < 0) == (noise == "normal")


def test_input_and_feature_dropout_do_what_they_say() -> None:
    h = torch.ones(4, 32)
    plain = build(dropout=0.5).discriminator.train()
    assert torch.equal(plain(h)[0], plain(h)[0])  # f(x) before dropout is the same each time, the logits are not
    assert not torch.equal(plain(h)[1], plain(h)[1])
    after = build(dropout=0.5, feature_dropout=True).discriminator.train()
    assert not torch.equal(after(h)[0], after(h)[0])
    dropped = build(dropout=0.0, input_dropout=0.5).discriminator.train()
    assert not torch.equal(dropped(h)[0], dropped(h)[0])


def test_without_labels_or_generator_it_is_a_plain_classifier() -> None:
    inputs = batch()
    labels = inputs.pop("labels")
    output = build()(**inputs)
    assert output.loss is None
    assert output.loss_d_unsupervised is None
    plain = build(adversarial=False).eval()
    output = plain(**inputs, labels=labels)
    known = labels != -100
    assert output.fake_logits is None
    assert plain.discriminator.output.out_features == 3
    expected = torch.nn.functional.cross_entropy(output.logits[known], labels[known])
    assert float(output.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert output.loss_g_feature_matching is None


def test_a_generator_without_a_fake_class_is_refused() -> None:
    with pytest.raises(ValueError, match="needs adversarial=True"):
        GanBertConfig(encoder=FAMILIES["bert"], num_labels=2, adversarial=False, has_generator=True)


@pytest.mark.parametrize("field", ["pooling", "noise", "real_term", "feature_matching"])
def test_an_unknown_choice_names_field_and_choices(field: str) -> None:
    choice: dict[str, Any] = {field: "nonsense"}
    with pytest.raises(ValueError, match=rf"{field}='nonsense': choose one of "):
        GanBertConfig(encoder=FAMILIES["bert"], num_labels=2, **choice)


def test_a_saved_model_holds_no_generator_and_the_model_in_hand_keeps_it(tmp_path: Path) -> None:
    from safetensors import safe_open

    model = build()
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert not [name for name in file.keys() if "generator" in name]  # noqa: SIM118 - no mapping
    assert json.loads((tmp_path / "config.json").read_text())["has_generator"] is False
    assert model.generator is not None
    assert model.config.has_generator
    loaded = GanBertForSequenceClassification.from_pretrained(tmp_path)
    assert loaded.generator is None
    assert isinstance(AutoConfig.from_pretrained(tmp_path), GanBertConfig)


def test_label_names_keep_their_order_with_more_than_ten_classes(tmp_path: Path) -> None:
    names = {i: f"class-{i}" for i in range(12)}
    model = build(num_labels=12, id2label=names, label2id={name: i for i, name in names.items()})
    model.save_pretrained(tmp_path)
    assert GanBertConfig.from_pretrained(tmp_path).label_names == tuple(names.values())


def test_config_takes_an_encoder_config_or_its_dict_and_survives_json(tmp_path: Path) -> None:
    for encoder in (FAMILIES["roberta"], FAMILIES["roberta"].to_dict()):
        config = GanBertConfig(encoder=encoder, num_labels=4, noise="uniform")
        config.save_pretrained(tmp_path)
        loaded = GanBertConfig.from_pretrained(tmp_path)
        assert isinstance(loaded.encoder, RobertaConfig)
        assert (loaded.num_labels, loaded.noise, loaded.hidden_size) == (4, "uniform", 32)


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
def test_inference_costs_one_column_of_logits_more_than_bert_for_sequence_classification(pooling: Any) -> None:
    """Multiply-adds of all matrix products. BERT has a d x d pooler where D has its d x d hidden layer; the
    fake class is one column of d multiply-adds a row, and the pooler costs nothing where it is not read."""
    rows, tokens, classes, width = 8, 32, 6, 32
    encoder = BertConfig(**SIZE, id2label={i: str(i) for i in range(classes)})
    inputs = {"input_ids": torch.randint(5, 100, (rows, tokens)), "attention_mask": torch.ones(rows, tokens).long()}

    def multiply_adds(model: torch.nn.Module) -> int:
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            model.eval()(**inputs)
        return int(counter.get_total_flops()) // 2

    reference = multiply_adds(BertForSequenceClassification(encoder))
    plain = multiply_adds(build(encoder, num_labels=classes, adversarial=False, pooling=pooling))
    ours = multiply_adds(build(encoder, num_labels=classes, pooling=pooling))
    pooler = rows * width * width if pooling == "pooler" else 0
    assert plain == reference + pooler
    assert ours == plain + rows * width


def test_gradient_checkpointing_changes_no_gradient() -> None:
    inputs, found = batch(), []
    for checkpointing in (False, True):
        model = build(adversarial=False).eval()
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        if checkpointing:
            model.activation_checkpointing_enable()
        model(**inputs).loss.backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert all(torch.allclose(found[0][name], found[1][name], atol=1e-6) for name in found[0])


def test_the_trainer_takes_nothing_but_logits_for_a_prediction() -> None:
    outputs = {field.name for field in fields(GanBertOutput)} - {"loss", "logits"}

    assert set(GanBertConfig.keys_to_ignore_at_inference) == outputs
