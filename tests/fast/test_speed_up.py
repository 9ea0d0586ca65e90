"""`speed_up`: the losses and gradients of the model as it is, for every family of encoders, and nothing of it saved."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganbert import GanBertForSequenceClassification
from ganbert.fast import speed_up
from ganbert.fast.micro_batches import micro_batch_size
from ganbert.fast.packing import attention_of
from ganbert.fast.vocabulary import OccurringEmbedding
from tests.fast.test_packing import batch_of, without_dropout
from tests.model.test_encoder_families import CONFIGS
from tests.model.test_modeling import build

LABELS = torch.tensor([0, 1, 2, -100, -100, 1])


def batch(side: str = "right") -> dict[str, Tensor]:
    return batch_of([40, 3, 17, 1, 25, 9], side) | {"labels": LABELS}


def step(model: GanBertForSequenceClassification, side: str = "right") -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The logits and losses of a training step, and the gradient of every parameter."""
    torch.manual_seed(0)
    model.zero_grad()
    output = model(**batch(side))
    output.loss.backward()
    figures = {name: value.detach() for name, value in output.items()}
    return figures, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", CONFIGS)
def test_losses_and_gradients_are_those_of_the_model_as_it_is(family: str, side: str) -> None:
    model = without_dropout(build(CONFIGS[family], pooling="mean", dropout=0.0))
    figures, gradients = step(model, side)
    ids = batch(side)["input_ids"].unique()
    speed_up(model, token_ids=ids, micro_batch_size=4)

    fast_figures, fast_gradients = step(without_dropout(model), side)

    embedding = model.encoder.get_input_embeddings()
    if isinstance(embedding, OccurringEmbedding):
        whole, rows = (
            next(name for name, module in model.named_modules() if module is embedding) + end
            for end in (".weight", ".rows")
        )
        table = gradients.pop(whole)
        others = torch.ones(len(table), dtype=torch.bool).index_fill(0, ids, False)
        assert not table[others].any()
        gradients[rows] = table[ids]
    assert_same(fast_figures, figures)
    assert_same(fast_gradients, gradients)


@pytest.mark.parametrize("pooling", ["cls", "pooler", "mean", "last"])
def test_every_pooling_gives_the_same(pooling: Any) -> None:
    model = without_dropout(build(pooling=pooling, dropout=0.0))
    figures, gradients = step(model)
    speed_up(model)
    fast_figures, fast_gradients = step(without_dropout(model))
    assert_same(fast_figures, figures)
    assert_same(fast_gradients, gradients)


def sped_up() -> GanBertForSequenceClassification:
    model = build(dropout=0.0)
    speed_up(model, token_ids=batch()["input_ids"].unique(), micro_batch_size=2)
    return without_dropout(model)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_is_as_fast_and_stands_alone(duplicate: Any) -> None:
    model = sped_up()
    expected, _ = step(model)
    again = duplicate(model)
    assert micro_batch_size(again) == 2
    assert attention_of(again.encoder) == attention_of(model.encoder)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    assert_same(step(again)[0], expected)


def test_a_saved_model_is_as_if_it_had_never_been_sped_up(tmp_path: Path) -> None:
    model, plain = sped_up(), build()
    model.save_pretrained(tmp_path)
    again = GanBertForSequenceClassification.from_pretrained(tmp_path)
    assert again.state_dict().keys() == {name for name in plain.state_dict() if not name.startswith("generator.")}
    assert attention_of(again.encoder) == "sdpa"
    assert micro_batch_size(again) is None
    assert {type(module) for module in again.modules()} <= {type(module) for module in plain.modules()}
    inputs = {name: x for name, x in batch().items() if name != "labels"}
    torch.testing.assert_close(again.eval()(**inputs).logits, model.eval()(**inputs).logits)


def test_what_torch_compile_makes_itself_is_left_to_it() -> None:
    model = build()
    before = {type(module) for module in model.modules()}
    speed_up(model, micro_batch_size=2, compiled=True)
    assert attention_of(model.encoder) == "sdpa"
    assert {type(module) for module in model.modules()} == before
    assert micro_batch_size(model) == 2
