"""A recipe in the words of `transformers.TrainingArguments`."""

from __future__ import annotations

import math
from pathlib import Path

from transformers import TrainingArguments

from ganbert.runtime import Compute
from ganbert.training.recipe import Recipe

CHECKPOINTS_PER_RUN = 10
STEPS_PER_CHECKPOINT = 25
"""At least, unless each is measured on validation rows: writing one takes as long as a step or two."""
RECORDS_PER_RUN = 50
COMPILE_BACKEND = "inductor"
SELECTION_METRIC = "accuracy"
"""What the best checkpoint is chosen by, on validation rows."""


def training_arguments(
    recipe: Recipe,
    output: Path,
    steps: int,
    *,
    seed: int,
    compute: Compute,
    compiled: bool,
    validate: bool,
    report_to: str,
    progress: bool,
) -> TrainingArguments:
    """Return a recipe in the Trainer's words; one pass over the batch plan is the run, so its epoch is all of it."""
    interval = max(math.ceil(steps / CHECKPOINTS_PER_RUN), 1 if validate else STEPS_PER_CHECKPOINT)
    arguments = TrainingArguments(
        output_dir=str(output),
        max_steps=steps,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=recipe.batch_size,
        learning_rate=recipe.encoder_lr,
        weight_decay=recipe.weight_decay,
        adam_epsilon=recipe.adam_epsilon,
        max_grad_norm=recipe.max_grad_norm,
        warmup_steps=math.ceil(recipe.warmup * steps),
        lr_scheduler_type="linear",
        optim="adamw_torch_fused",
        bf16=compute.bfloat16,
        use_cpu=compute.device == "cpu",
        torch_compile_backend=COMPILE_BACKEND if compiled else None,
        seed=seed,
        data_seed=seed,
        logging_steps=min(50, max(1, steps // RECORDS_PER_RUN)),
        logging_nan_inf_filter=False,  # it waits for the device at every step; HealthCallback looks instead
        save_strategy="steps",
        save_steps=interval,
        save_total_limit=None,  # GanBertTrainer drops the old ones, once the new one is on the disk
        eval_strategy="steps" if validate else "no",
        eval_steps=interval if validate else None,
        load_best_model_at_end=validate,
        metric_for_best_model=SELECTION_METRIC if validate else None,
        greater_is_better=True if validate else None,
        report_to=report_to,
        disable_tqdm=not progress,
        label_names=["labels"],
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
    )
    # On a machine with several cards one process uses one of them; more need one process each (torchrun).
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
