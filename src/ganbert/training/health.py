"""Is the game being played? Measured at every step on the device, looked at when the Trainer logs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ganbert.errors import RunError
from ganbert.model.losses import TERMS, GanBertOutput, fake_score
from ganbert.model.problem import ONE_OF_K, Problem
from ganbert.training.run_folder import last_whole_checkpoint

COLLAPSED_SHARE = 0.98
"""From this share of predictions in one class on, D counts as seeing one class only."""
CERTAIN = 0.01
"""If both mean p_fake are nearer than this to 0 and 1, D counts as certain of everything."""
PATIENCE = 5
"""So many log records in a row must look bad before a warning: single batches are noisy."""

HEALTH_FIGURES = (
    "p_fake_real",
    "p_fake_generated",
    "feature_distance",
    "prediction_entropy",
    "largest_class_share",
    "grad_norm_encoder",
    "grad_norm_discriminator",
    "grad_norm_generator",
)
"""Figures that show how the game goes, beside its losses."""

SAME_CLASS_ADVICE = (
    "nearly all rows are predicted as one class. Try a lower --learning-rate, more labelled rows of the other classes, "
    "or --set labelled_share=0.5 so that every batch holds labelled rows"
)
CERTAIN_ADVICE = (
    "D tells real from invented without doubt, so G teaches it nothing. Try a higher generator_lr or a lower "
    "discriminator_lr (--set generator_lr=...), or --set input_dropout=0.1"
)


class HealthMonitor:
    """Collects figures of each step without waiting for the device, and averages them when asked."""

    def __init__(self, problem: Problem = ONE_OF_K) -> None:
        self.problem = problem
        self._steps: list[dict[str, Tensor]] = []

    def observe(self, outputs: GanBertOutput, labels: Tensor) -> None:
        """Note losses, p_fake and predictions of one forward pass, with the labels of all its rows."""
        figures: dict[str, Tensor] = {term.name: outputs[term.name] for term in TERMS if term.name in outputs}
        assert outputs.logits is not None
        probabilities = self.problem.probabilities(outputs.logits.detach())
        figures["prediction_entropy"] = torch.special.entr(probabilities).sum(dim=-1).mean() / math.log(
            probabilities.shape[-1]
        )
        predicted = self.problem.decide(probabilities)
        counts = torch.bincount(predicted, minlength=probabilities.shape[-1])
        figures["largest_class_share"] = counts.max() / len(predicted)
        figures["labelled_rows"] = self.problem.is_labelled(labels).sum().float()
        if outputs.generated_logits is not None and outputs.fake_logits is not None:
            real = torch.cat([outputs.logits, outputs.fake_logits.unsqueeze(-1)], dim=-1).detach()
            figures["p_fake_real"] = fake_score(real).sigmoid().mean()
            figures["p_fake_generated"] = fake_score(outputs.generated_logits.detach()).sigmoid().mean()
        self._steps.append({name: value.detach() for name, value in figures.items()})

    def observe_gradients(self, norms: Mapping[str, Tensor]) -> None:
        """Note each network's gradient norm before clipping."""
        self._steps[-1] |= {f"grad_norm_{network}": norm.detach() for network, norm in norms.items()}

    def first_bad(self) -> tuple[int, str] | None:
        """Return how many passes ago, and in which figure, something was first not a finite number."""
        for age, step in zip(range(len(self._steps), 0, -1), self._steps, strict=True):
            for name, value in step.items():
                if not math.isfinite(value):
                    return age, name
        return None

    def summarise(self) -> dict[str, float]:
        """Return the means since the last call, and start again."""
        names = {name for step in self._steps for name in step}
        summary = {
            name: float(torch.stack([step[name].float() for step in self._steps if name in step]).mean())
            for name in sorted(names)
        }
        if "loss_g_feature_matching" in summary:
            summary["feature_distance"] = math.sqrt(max(summary["loss_g_feature_matching"], 0.0))
        self._steps.clear()
        return summary


class HealthCallback(TrainerCallback):
    """Stops a run whose numbers are no longer finite, and warns when the game has collapsed."""

    def __init__(self, monitor: HealthMonitor, output: Path, say: Any) -> None:
        self.monitor, self.output, self.say = monitor, output, say
        self.warnings: list[str] = []
        self._bad_records = {SAME_CLASS_ADVICE: 0, CERTAIN_ADVICE: 0}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Look for non-finite values whenever something is about to be logged, measured or saved: never save them."""
        if not (control.should_log or control.should_save or control.should_evaluate):
            return
        bad = self.monitor.first_bad()
        if bad is not None:
            passes_ago, figure = bad
            step = state.global_step - (passes_ago - 1) // args.gradient_accumulation_steps
            raise RunError(
                f"step {step}: {figure} is no longer a finite number, so the run stops here. "
                f"{_last_checkpoint(self.output)} Try a lower --learning-rate, or --precision float32."
            )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Warn once of each kind of collapse."""
        if logs is None or "largest_class_share" not in logs:
            return
        signs = {SAME_CLASS_ADVICE: logs["largest_class_share"] >= COLLAPSED_SHARE}
        if "p_fake_real" in logs:
            signs[CERTAIN_ADVICE] = logs["p_fake_real"] < CERTAIN and logs["p_fake_generated"] > 1 - CERTAIN
        for advice, is_bad in signs.items():
            self._bad_records[advice] = self._bad_records[advice] + 1 if is_bad else 0
            if self._bad_records[advice] >= PATIENCE and not any(advice in text for text in self.warnings):
                self.warnings.append(f"step {state.global_step}: {advice}.")
                self.say(f"Warning: {self.warnings[-1]}")


def _last_checkpoint(output: Path) -> str:
    checkpoint = last_whole_checkpoint(output)
    return f"The last checkpoint is {checkpoint}." if checkpoint else "No checkpoint had been saved yet."


def last_health(log_history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the last record of the game's figures in a training log, empty if there is none."""
    for record in reversed(log_history):
        if "largest_class_share" in record:
            return {name: float(record[name]) for name in HEALTH_FIGURES if name in record}
    return {}
