"""Micro-batches and gradient checkpointing: less memory, and the losses and gradients of the whole batch."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Trainer, TrainingArguments

from ganbert import BERT, PAPER, GanBertForSequenceClassification, GanBertTrainer, train
from ganbert.data.encode import encode
from ganbert.data.tokens import Collator, Tokens
from ganbert.fast.dropout import use_fast_dropout
from ganbert.fast.micro_batches import MicroBatches, micro_batch_size, use_micro_batches
from ganbert.fast.packing import use_packing
from ganbert.model.encoders import load_tokenizer
from ganbert.runtime import choose_compute
from tests.conftest import toy_corpus
from tests.fast.test_packing import batch_of, without_dropout
from tests.model.test_modeling import build

LABELS = torch.tensor([0, 1, 2, -100, -100, -100, -100, 1])


def batch() -> dict[str, Tensor]:
    return batch_of([12, 3, 17, 1, 25, 9, 4, 30], "right") | {"labels": LABELS}


def gradients(model: GanBertForSequenceClassification) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parts of the loss, and the gradient of every parameter."""
    torch.manual_seed(0)
    model.zero_grad()
    output = model(**batch())
    output.loss.backward()
    losses = {name: value.detach() for name, value in output.items() if name.startswith("loss")}
    return losses, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("real_term", ["all", "unlabelled", "taken_for_fake"])
@pytest.mark.parametrize("size", [1, 3, 4, 7])
@pytest.mark.parametrize("packed", [False, True])
def test_micro_batches_give_the_losses_and_gradients_of_the_whole_batch(
    packed: bool, size: int, real_term: str
) -> None:
    model = without_dropout(build(real_term=real_term, dropout=0.0))
    assert not packed or use_packing(model.encoder)
    expected = gradients(model)
    rows: list[int] = []
    model.encoder.get_input_embeddings().register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    use_micro_batches(model, size)
    found = gradients(model)
    assert len(rows) == 2 * -(-8 // size)  # forward, and again for the backward pass
    for values, others in zip(found, expected, strict=True):
        assert values.keys() == others.keys()
        for name, value in values.items():
            torch.testing.assert_close(value, others[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("memory", ["micro-batches", "gradient checkpointing"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_computed_again_has_the_same_dropout(packed: bool, memory: str) -> None:
    """A gradient is that of the forward pass only if both drop the same: checked against finite differences."""
    model = build(adversarial=False).double().train()
    use_fast_dropout(model)
    assert not packed or use_packing(model.encoder)
    if memory == "micro-batches":
        use_micro_batches(model, 3)
    else:
        model.activation_checkpointing_enable()
    _, found = gradients(model)
    weight = model.encoder.encoder.layer[0].intermediate.dense.weight
    gradient = found["encoder.encoder.layer.0.intermediate.dense.weight"]
    step = 0.01 * gradient / gradient.norm()
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * step
        torch.manual_seed(0)
        losses.append(model(**batch()).loss.item())
        with torch.no_grad():
            weight -= sign * step
    assert (losses[0] - losses[1]) / 0.02 == pytest.approx(gradient.norm().item(), rel=0.01)


def test_a_batch_that_does_not_fit_is_taken_in_parts(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = load_tokenizer(tiny_encoder)
    tokenizer.model_max_length = 32
    corpus = toy_corpus()
    model = GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=3)
    forward = model.encoder.forward
    tried: list[int] = []

    def with_little_memory(*args: Any, **kwargs: Any) -> Any:
        tried.append(len(kwargs["input_ids"]))
        if tried[-1] > 5:
            raise torch.OutOfMemoryError("no memory")
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.encoder, "forward", with_little_memory)
    said: list[str] = []
    trainer = GanBertTrainer(
        recipe=replace(PAPER, max_steps=2, batch_size=16),
        model=model,
        args=TrainingArguments(
            str(tmp_path), max_steps=2, per_device_train_batch_size=16, report_to="none", use_cpu=True,
            disable_tqdm=True, remove_unused_columns=False,
        ),
        train_dataset=encode(corpus.train, tokenizer)[0].remove_columns("length"),
        data_collator=Collator(Tokens.of(tokenizer)),
        say=said.append,
    )  # fmt: skip
    trainer.train()
    assert trainer.state.global_step == 2
    assert micro_batch_size(model) == 4
    assert tried[:3] == [16, 8, 4]
    assert max(tried[3:]) == 4
    assert len(said) == 2
    assert "4" in said[-1]


def test_a_batch_that_does_not_fit_is_taken_in_parts_by_a_compiled_model_too(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganbert.training.fit.COMPILE_BACKEND", "eager")  # traced, but not compiled
    step, began, sizes = Trainer.training_step, itertools.count(1), []

    def with_little_memory_in_step_2(*args: Any) -> Tensor:
        if next(began) == 2:
            raise torch.OutOfMemoryError("no memory")
        return step(*args)

    class Noted(MicroBatches):
        def __call__(self, *inputs: Any, **named: Any) -> Tensor:
            sizes.append(self.size)
            return super().__call__(*inputs, **named)

    monkeypatch.setattr(Trainer, "training_step", with_little_memory_in_step_2)
    monkeypatch.setattr("ganbert.fast.micro_batches.MicroBatches", Noted)
    result = train(
        replace(BERT, max_steps=3, batch_size=16), toy_corpus(), tmp_path / "model", encoder=tiny_encoder,
        compute=choose_compute(precision="float32"), compiled=True, progress=False, say=lambda message: None,
    )  # fmt: skip
    assert result.steps == 3
    assert sizes == [8, 8]
