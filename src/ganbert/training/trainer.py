"""GanBertTrainer: a `transformers.Trainer` in which encoder, D and G have their own learning rates and norms.

It needs nothing of the rest of this room: give it a model, rows, arguments and callbacks as you would any Trainer. Rows
may have a column `soft_targets` [k], a teacher's probabilities of unlabelled rows (Hinton et al. 2015, section 2).
`train` uses it with batches planned for the whole run, and the callbacks of `callbacks` and `health`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from accelerate.data_loader import prepare_data_loader
from torch import nn
from torch.utils.data import DataLoader, Sampler
from transformers import Trainer

from ganbert.fast.micro_batches import micro_batch_size, use_micro_batches
from ganbert.model.modeling import GanBertForSequenceClassification, GanBertOutput
from ganbert.runtime import n_processes, rows_of_all
from ganbert.training.health import HealthMonitor
from ganbert.training.recipe import DEFAULT, Recipe

RATES = {
    "encoder": "encoder_lr",
    "discriminator": "discriminator_lr",
    "fake_class": "discriminator_lr",
    "generator": "generator_lr",
}
"""What has a gradient norm and a learning rate of its own, and the field of the recipe that holds the rate."""


class GanBertTrainer(Trainer):
    """Trains all three networks with one optimiser on one loss; everything else is the Trainer's.

    Args:
        recipe: learning rates of the three networks, and weight of the teacher.
        batch_sampler: yields the row numbers of each batch, over the whole run; None leaves batches to the Trainer.
        say: told, a line at a time, what a person should know.
        kwargs: of `transformers.Trainer`.
    """

    def __init__(
        self,
        *,
        recipe: Recipe = DEFAULT,
        batch_sampler: Sampler[list[int]] | None = None,
        say: Callable[[str], None] = lambda message: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.say = say
        self.recipe = recipe
        self.batch_sampler = batch_sampler
        assert isinstance(self.model, GanBertForSequenceClassification)
        self.health = HealthMonitor(self.model.problem)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batch the training rows as the batch sampler says."""
        if self.batch_sampler is None:
            return super().get_train_dataloader()
        loader: DataLoader[Any] = DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_sampler=self.batch_sampler,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory and self.args.device.type == "cuda",
        )
        # Not the accelerator's own way, which gives each process whole batches: here each has its rows of every batch.
        return prepare_data_loader(  # type: ignore[no-any-return]
            loader, self.args.device, num_processes=1, put_on_device=True, non_blocking=True
        )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Give each network its learning rate, and biases and norms no weight decay."""
        if self.optimizer is None:
            assert self.model is not None
            decayed = set(self.get_decay_parameter_names(self.model))
            groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
            for network, parameters in self._parameters_by_network.items():
                for name, p in parameters:
                    groups.setdefault((network, name in decayed), []).append(p)
            optimizer_class, kwargs = self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer = optimizer_class(
                [
                    {
                        "params": group,
                        "lr": getattr(self.recipe, RATES[network]),
                        "weight_decay": self.args.weight_decay if decays else 0.0,
                    }
                    for (network, decays), group in groups.items()
                ],
                **kwargs,
            )
        optimizer: torch.optim.Optimizer = self.optimizer
        return optimizer

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Take one step; where the device's memory does not hold it, again in micro-batches of half as many rows."""
        while True:
            try:
                loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
            except torch.OutOfMemoryError:
                network = self.accelerator.unwrap_model(model, keep_torch_compile=False)
                rows = min(micro_batch_size(network) or len(inputs["labels"]), len(inputs["labels"]))
                if rows == 1 or n_processes() > 1:  # the others would wait for this one's share of the batch
                    raise
                half = -(-rows // 2)
                use_micro_batches(network, half)
                self.say(f"Out of memory with {rows} rows at once: going on with {half}.")
                model.zero_grad()
            else:
                return loss

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return L_D + L_G while training; on validation rows, where no fakes are wanted, L_D_sup."""
        if model.training and "soft_targets" in inputs:
            inputs = {**inputs, "soft_targets": self.recipe.teacher_weight * inputs["soft_targets"]}
        assert isinstance(self.model, GanBertForSequenceClassification)
        if self.model.generator is not None:
            self.model.generator.turn = self.state.global_step  # a resumed run meets the same random numbers
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch)
        assert isinstance(outputs, GanBertOutput)
        if model.training:
            self.health.observe(outputs, rows_of_all(inputs["labels"]))
        else:
            loss = outputs.loss_d_supervised
        return (loss, outputs) if return_outputs else loss

    def _clip_grad_norm(self, model: nn.Module) -> torch.Tensor:
        """Clip each network's gradient by its own norm: a wild G must not slow the encoder down."""
        norms = {
            network: self.accelerator.clip_grad_norm_([p for _, p in parameters], self.args.max_grad_norm)
            for network, parameters in self._parameters_by_network.items()
            if parameters
        }
        self.health.observe_gradients(norms)
        total: torch.Tensor = torch.linalg.vector_norm(torch.stack([norm.detach() for norm in norms.values()]))
        return total

    @cached_property
    def _parameters_by_network(self) -> dict[str, list[tuple[str, nn.Parameter]]]:
        """Return the named trainable parameters of each network; the fake class of a detached game counts as one."""
        assert self.model is not None
        found: dict[str, list[tuple[str, nn.Parameter]]] = {}
        for name, p in self.model.named_parameters():
            network = "fake_class" if name.startswith("discriminator.fake_class.") else name.partition(".")[0]
            if p.requires_grad:
                found.setdefault(network, []).append((name, p))
        return found

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the health of the steps since the last log."""
        if "loss" in logs:
            logs |= self.health.summarise()
        super().log(logs, start_time)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the model; a checkpoint, which training continues from, keeps G, a finished model does not."""
        model = self.accelerator.unwrap_model(self.model)
        assert isinstance(model, GanBertForSequenceClassification)
        model.save_generator = _internal_call and output_dir is not None  # without a folder it is for `push_to_hub`
        super().save_model(output_dir, _internal_call=_internal_call)
