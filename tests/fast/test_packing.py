"""Packing: the same vectors and gradients as padded batches, for every family of encoders that can be packed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import ElectraConfig, PreTrainedConfig, PreTrainedModel

from ganbert import GanBertForSequenceClassification
from ganbert.fast.mpnet import use_mpnet_packing
from ganbert.fast.packing import ROUND_TO, Packing, attention_of, use_packing
from tests.model.test_modeling import FAMILIES, SIZE, build

CANNOT = ("deberta-v3", "gpt2")  # an attention of their own; a mask that it reshapes
CAN: dict[str, PreTrainedConfig] = {name: config for name, config in FAMILIES.items() if name not in CANNOT} | {
    "electra": ElectraConfig(**SIZE, embedding_size=32)
}


def pack(encoder: PreTrainedModel) -> bool:
    return use_packing(encoder) or use_mpnet_packing(encoder)


def batch_of(lengths: list[int], side: str) -> dict[str, Tensor]:
    """Random tokens in rows of these lengths, padded on one side."""
    t = max(lengths)
    mask = torch.stack([torch.arange(t) < n for n in lengths]).long()
    if side == "left":
        mask = mask.flip(1)
    ids = torch.randint(4, 100, mask.shape, generator=torch.Generator().manual_seed(1))
    return {"input_ids": ids * mask, "attention_mask": mask}


def without_dropout(model: GanBertForSequenceClassification) -> GanBertForSequenceClassification:
    """In training mode, but with nothing left to chance."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for name in ("dropout", "attention_dropout", "attn_dropout", "attn_pdrop", "embedding_dropout", "mlp_dropout"):
        for module in model.modules():
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    model.train()
    return model


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
@pytest.mark.parametrize("family", CAN)
def test_the_same_losses_and_gradients_as_padded_batches(family: str, pooling: str, side: str) -> None:
    model = without_dropout(build(CAN[family], pooling=pooling, adversarial=False))
    batch = batch_of([40, 3, 17, 1, 25, 9], side) | {"labels": torch.tensor([0, 1, 2, 0, -100, 1])}
    computed: list[int] = []

    def note(module: torch.nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        computed.append(output.shape[:2].numel())

    last = [module for module in model.encoder.modules() if isinstance(module, torch.nn.Linear)][-1]
    last.register_forward_hook(note)

    padded = model(**batch).loss
    padded.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    assert pack(model.encoder)
    computed.clear()
    packed = model(**batch).loss
    packed.backward()

    assert computed == [2 * ROUND_TO]  # 95 real tokens of 240 places
    torch.testing.assert_close(packed, padded)
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, grad in found.items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-3, atol=1e-6, msg=f"gradient of {name}")


@pytest.mark.parametrize("family", CANNOT)
def test_an_encoder_that_cannot_be_packed_stays_as_it_was(family: str) -> None:
    model = build(FAMILIES[family], adversarial=False)
    before = attention_of(model.encoder)
    batch = batch_of([5, 9], "right")
    expected = model.train(False)(**batch).logits

    assert not pack(model.encoder)

    assert attention_of(model.encoder) == before
    torch.testing.assert_close(model(**batch).logits, expected)


def test_packing_is_off_outside_training_and_not_saved(tmp_path: Any) -> None:
    model = build()
    assert use_packing(model.encoder)
    model.train(False)
    batch = batch_of([5, 9], "right")
    model.save_pretrained(tmp_path)
    again = GanBertForSequenceClassification.from_pretrained(tmp_path)
    assert attention_of(again.encoder) == "sdpa"
    torch.testing.assert_close(again(**batch).logits, model(**batch).logits)


def test_an_mpnet_whose_layers_compute_otherwise_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(FAMILIES["mpnet"], adversarial=False).train(False)
    batch = batch_of([5, 9], "right")
    expected = model(**batch).logits
    bias = type(model.encoder.encoder).compute_position_bias
    halves = iter([1.0, 0.0] * 9)  # each time another one: as if there were one that packing does not know of
    monkeypatch.setattr(
        type(model.encoder.encoder), "compute_position_bias", lambda self, x: 50 * next(halves) * bias(self, x)
    )
    assert not use_mpnet_packing(model.encoder)
    assert not [module for module in model.modules() if "forward" in vars(module)]
    monkeypatch.undo()
    torch.testing.assert_close(model(**batch).logits, expected)


def test_hidden_states_of_a_packed_mpnet_are_those_of_the_padded_one() -> None:
    encoder = build(FAMILIES["mpnet"]).encoder.train(False)
    batch = batch_of([5, 9], "right")
    expected = encoder(**batch, output_hidden_states=True, output_attentions=True)
    assert use_mpnet_packing(encoder)
    found = encoder(**batch, output_hidden_states=True, output_attentions=True)
    for name in ("hidden_states", "attentions"):
        for layer, same in zip(found[name], expected[name], strict=True):
            torch.testing.assert_close(layer, same)


def test_transformers_says_which_attention_an_encoder_has_only_in_a_private_attribute() -> None:
    assert attention_of(build().encoder) == "sdpa", "config._attn_implementation is gone: mend attention_of"


def test_pack_and_unpack_are_inverse() -> None:
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0]])
    packing = Packing.of(mask)
    x = torch.randn(2, 4, 5)
    packed = packing.pack(x)
    assert packed.shape == (1, 8, 5)  # fewer than ROUND_TO: all of it
    torch.testing.assert_close(packing.unpack(packed), x)


@pytest.mark.parametrize("family", ["bert", "mpnet"])
@pytest.mark.parametrize("lengths", [[12, 4, 7], [9, 9, 9]], ids=["packed", "full"])
def test_dropout_in_attention_keeps_the_mean(lengths: list[int], family: str) -> None:
    model = build(FAMILIES[family], adversarial=False, dropout=0.0)
    batch = batch_of(lengths, "right")
    expected = model.train(False)(**batch).logits
    model.train()
    assert pack(model.encoder)
    torch.manual_seed(0)
    runs = torch.stack([model(**batch).logits for _ in range(400)]).detach()
    assert runs.std(dim=0).min() > 0
    torch.testing.assert_close(runs.mean(dim=0), expected, rtol=0.2, atol=0.05)
