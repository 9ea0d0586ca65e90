"""GanBertTrainer: learning rates, decay and clipping of each network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertConfig, TrainerCallback, TrainerControl, TrainingArguments

from ganbert import GanBertConfig, GanBertForSequenceClassification, GanBertTrainer, Recipe
from ganbert.fast import packing
from ganbert.fast.packing import use_packing
from ganbert.model.modeling import GanBertOutput
from ganbert.training.fit import _OneDevice
from tests.helpers.hub import fake_hub


def make_trainer(tmp_path: Path, n_layers: int = 1, **recipe: Any) -> GanBertTrainer:
    torch.manual_seed(0)
    encoder = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=n_layers, num_attention_heads=2, intermediate_size=32
    )
    model = GanBertForSequenceClassification(GanBertConfig(encoder=encoder, num_labels=3))
    arguments = TrainingArguments(
        output_dir=str(tmp_path), use_cpu=True, report_to="none", weight_decay=0.01, max_grad_norm=1.0, max_steps=3,
        optim="adamw_torch_fused", disable_tqdm=True, logging_steps=1, save_strategy="no",
    )  # fmt: skip
    rows = [
        {"input_ids": torch.randint(5, 50, (6,)), "attention_mask": torch.ones(6).long(), "labels": torch.tensor(i % 3)}
        for i in range(24)
    ]
    return GanBertTrainer(recipe=Recipe(**recipe), model=model, args=arguments, train_dataset=rows)


def test_each_network_has_its_learning_rate_and_norms_and_biases_no_decay(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, encoder_lr=1e-5, discriminator_lr=1e-3, generator_lr=1e-4)
    model, optimizer = trainer.model, trainer.create_optimizer()
    assert model is not None
    names = {p: name for name, p in model.named_parameters()}
    rates = {"encoder": 1e-5, "discriminator": 1e-3, "generator": 1e-4}
    seen = set()
    for group in optimizer.param_groups:
        for p in group["params"]:
            name = names[p]
            seen.add(name)
            assert group["lr"] == rates[name.split(".")[0]]
            undecayed = name.endswith("bias") or "LayerNorm" in name
            assert group["weight_decay"] == (0.0 if undecayed else 0.01), name
    assert seen == set(names.values())
    assert optimizer.defaults["fused"]


def test_each_network_is_clipped_by_its_own_norm(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.health.observe(GanBertOutput(logits=torch.zeros(1, 3)), torch.ones(1))
    assert trainer.model is not None
    scales = {"encoder": 1e-3, "discriminator": 1.0, "generator": 1e6}
    for name, p in trainer.model.named_parameters():
        p.grad = torch.full_like(p, scales[name.split(".")[0]])
    trainer._clip_grad_norm(trainer.model)
    for network in scales:
        parameters = list(getattr(trainer.model, network).parameters())
        norm = torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in parameters]))
        before = scales[network] * sum(p.numel() for p in parameters) ** 0.5
        assert float(norm) == pytest.approx(min(1.0, before), rel=1e-3), network


def test_training_clips_each_network_before_its_step(tmp_path: Path) -> None:
    """transformers calls a private method of its Trainer for this, `_clip_grad_norm`, which ours overrides."""
    trainer = make_trainer(tmp_path)
    trainer.args.max_grad_norm = 1e-3
    seen: list[dict[str, float]] = []

    class Look(TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            assert isinstance(trainer.model, GanBertForSequenceClassification)
            norms = {}
            for name, network in trainer.model.named_children():
                grads = [p.grad for p in network.parameters() if p.grad is not None]
                norms[name] = float(torch.linalg.vector_norm(torch.stack([grad.norm() for grad in grads])))
            seen.append(norms)

    trainer.add_callback(Look())
    trainer.train()
    assert seen == [pytest.approx(dict.fromkeys(("encoder", "discriminator", "generator"), 1e-3), rel=1e-2)] * 3


def test_it_is_used_as_any_trainer_with_callbacks_arguments_and_rows_of_ones_own(tmp_path: Path) -> None:
    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: TrainerControl, **kwargs: Any) -> None:
            control.should_training_stop = state.global_step == 2

    made = make_trainer(tmp_path)
    arguments = dataclasses.replace(made.args, eval_strategy="steps", eval_steps=1)
    rows = made.train_dataset
    trainer = GanBertTrainer(
        model=made.model, args=arguments, train_dataset=rows, eval_dataset=rows, callbacks=[Stop()],
        compute_metrics=lambda prediction: {"width": prediction.predictions.shape[1]},
    )  # fmt: skip
    trainer.train()
    assert trainer.state.global_step == 2
    validated = [record for record in trainer.state.log_history if "eval_loss" in record]
    assert [record["eval_width"] for record in validated] == [3, 3]  # the class logits, and no other output


def test_a_process_uses_one_of_several_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda self: 4))
    arguments = _OneDevice(str(tmp_path), use_cpu=True, report_to="none", per_device_train_batch_size=16)
    assert arguments.n_gpu == 1
    assert arguments.train_batch_size == 16


def test_a_saved_model_has_no_generator_and_a_checkpoint_has(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.save_model(str(tmp_path / "model"))
    trainer.save_model(str(tmp_path / "checkpoint"), _internal_call=True)
    load = GanBertForSequenceClassification.from_pretrained
    assert load(tmp_path / "model").generator is None
    assert load(tmp_path / "checkpoint").generator is not None


def test_what_goes_to_the_hub_is_a_finished_model_with_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path)
    with fake_hub(monkeypatch) as hub:
        trainer.push_to_hub(private=True)

    ((repo, files),) = hub.files.items()
    assert hub.private == {repo: True}
    assert {"config.json", "model.safetensors", "README.md"} <= files.keys()
    weights = safetensors.torch.load(files["model.safetensors"])
    assert not [name for name in weights if name.startswith("generator.")]
    assert "generated_from_trainer" in files["README.md"].decode()


def test_it_trains_as_any_trainer_does_and_logs_health(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.train()
    record = next(record for record in trainer.state.log_history if "loss" in record)
    for figure in (
        "loss_d_supervised", "loss_d_unsupervised", "loss_g_unsupervised", "loss_g_feature_matching", "p_fake_real",
        "p_fake_generated", "feature_distance", "prediction_entropy", "largest_class_share", "grad_norm_encoder",
        "grad_norm_discriminator", "grad_norm_generator",
    ):  # fmt: skip
        assert figure in record


def test_validation_loss_is_the_supervised_one_and_draws_no_noise_into_it(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    first = trainer.evaluate(trainer.train_dataset)["eval_loss"]
    assert trainer.evaluate(trainer.train_dataset)["eval_loss"] == first


class WaitsForTheDevice(TorchDispatchMode):
    """Notes the operations whose result the host must see: on a GPU each of them stops the queue."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "unique")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(name in str(function) for name in self.WAITING):
            self.seen.append(str(function))
        indices = args[1] if "index.Tensor" in str(function) or "index_put" in str(function) else ()
        if any(i is not None and i.dtype == torch.bool for i in indices):
            self.seen.append(f"{function} by a mask")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("real_term", ["all", "unlabelled", "taken_for_fake"])
@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
def test_a_step_does_not_wait_for_the_device(
    tmp_path: Path, pooling: Any, real_term: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(tmp_path, pooling=pooling, real_term=real_term)
    model = trainer.model
    assert isinstance(model, GanBertForSequenceClassification)
    model.config.pooling, model.config.real_term = pooling, real_term
    optimizer = trainer.create_optimizer()
    batch = next(iter(trainer.get_train_dataloader()))
    batch["attention_mask"][0, 3:] = 0
    batch["labels"][4:] = -100
    trainer.current_gradient_accumulation_steps = 1  # train() sets it
    assert use_packing(model.encoder)
    monkeypatch.setattr(packing, "saves_time", lambda mask: False)  # as on a GPU
    model.train()
    with WaitsForTheDevice() as waits:
        trainer.training_step(model, batch)
        trainer._clip_grad_norm(model)
        optimizer.step()
    assert not waits.seen
    with waits:
        torch.ones(1).item()
    assert waits.seen  # the watch itself works
