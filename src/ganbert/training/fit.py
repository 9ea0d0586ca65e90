"""One model is fitted: put on its encoder, given its batches, trained and saved. Teacher and student both go this way.

What is trained when, and why, is `method`; the steps themselves are the trainer's.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
import transformers
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray
from transformers import (
    EvalPrediction,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    TrainingArguments,
)

from ganbert.data.corpus import Corpus
from ganbert.data.encode import encode
from ganbert.data.tokens import Collator, Tokens
from ganbert.errors import RunError
from ganbert.fast import speed_up
from ganbert.metrics import SHOWN, classification_metrics
from ganbert.model.encoders import load_tokenizer
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.model.problem import Problem
from ganbert.model.tokenizers import TextCounts, usable_length
from ganbert.runtime import Compute, is_main_process, n_processes
from ganbert.training import run_folder
from ganbert.training.batches import BatchPlan, batch_streams
from ganbert.training.callbacks import EarlyStopping, LogFile, QuietProgress, StepCount, StopOnSignal, WholeCheckpoints
from ganbert.training.class_name_rows import class_name_rows
from ganbert.training.health import HealthCallback
from ganbert.training.recipe import Recipe
from ganbert.training.trainer import GanBertTrainer

CHECKPOINTS_PER_RUN = 10
STEPS_PER_CHECKPOINT = 25
"""At least, unless each is measured on validation rows: writing one takes as long as a step or two."""
RECORDS_PER_RUN = 50
COMPILE_BACKEND = "inductor"
SELECTION_METRIC = "accuracy"
"""What the best checkpoint is chosen by, on validation rows."""


@dataclass(frozen=True)
class Settings:
    """What teacher and student share, with the meanings that the arguments of `train` have."""

    encoder: str
    compute: Compute
    micro_batch_size: int | None
    gradient_checkpointing: bool
    compiled: bool
    early_stopping: int | None
    report_to: str
    progress: bool
    on_step: Callable[[int, int], None] | None
    say: Callable[[str], None]


@dataclass(frozen=True)
class TokenRows:
    """A corpus as token ids.

    Attributes:
        train, validation: what the collator takes; behind the training rows of the corpus stand those of class names;
            validation rows of a class without a training row have no label.
        lengths: [n] tokens of each training row, names included.
        counts: what became of the training texts.
    """

    train: Dataset
    validation: Dataset | None
    lengths: NDArray[np.int64]
    counts: TextCounts

    def beside(self, column: Dataset) -> TokenRows:
        """Return them with one more column of the training rows."""
        return replace(self, train=concatenate_datasets([self.train, column], axis=1))


class Fit:
    """A model that is trained in a folder: first `begin`, then `run`, then `save`.

    Args:
        recipe: how to train.
        corpus: training rows, and validation rows if there are any.
        folder: of the run; nothing is written before `begin`.
        steps: optimiser steps of the run.
        seed: of weights, batches, noise and dropout.
        settings: what teacher and student share.

    Attributes:
        model, tokenizer: the new model, and a tokenizer that cuts where training does.
        trainer: once it runs.
        seconds: of the steps that `run` took.
        warnings: of the health watch.
    """

    trainer: GanBertTrainer
    seconds = 0.0
    warnings: Sequence[str] = ()

    def __init__(self, recipe: Recipe, corpus: Corpus, folder: Path, steps: int, seed: int, settings: Settings) -> None:
        self.recipe, self.corpus, self.folder, self.settings = recipe, corpus, folder, settings
        self.steps, self.seed = steps, seed
        transformers.set_seed(seed)
        self.model, self.tokenizer = build_model(settings.encoder, corpus, recipe)
        if settings.gradient_checkpointing:
            self.model.activation_checkpointing_enable()
        self.arguments = _arguments(recipe, folder, steps, seed, settings, validate=corpus.validation is not None)

    def start_from(self, folder: Path) -> None:
        """Begin with the weights of a finished model of the same encoder and classes; a fake class stays new."""
        trained = GanBertForSequenceClassification.from_pretrained(folder).state_dict()
        own = self.model.state_dict()
        for name, weight in trained.items():  # D's output has one row more where the game is part of D
            own[name][: len(weight)] = weight
        self.model.load_state_dict(own)

    def begin(self, facts: dict[str, Any], *, resume: bool) -> None:
        """Make the folder ready, and with `resume` find the checkpoint to go on from; errors of `run_folder.begin`."""
        with self.arguments.main_process_first():
            self.checkpoint = run_folder.begin(self.folder, facts, resume=resume)
        self.resumes = resume

    def tokenize(self, of: str = "") -> TokenRows:
        """Return the corpus as token ids, and say what was cut or is unknown; `of` whom, if not of the model."""
        corpus, limit, say = self.corpus, self.tokenizer.model_max_length, self.settings.say
        train, counts = encode(corpus.train, self.tokenizer, progress=self.settings.progress)
        notes, validation = counts.notes(limit, f"training texts{of}"), None
        if corpus.validation is not None:
            validation, seen = encode(corpus.validation, self.tokenizer)
            notes = [*seen.notes(limit, f"validation texts{of}"), *notes]
            learnable = self.model.problem.learnable(np.asarray(validation["labels"][:]), len(corpus.label_names))
            validation = validation.remove_columns(["length", "labels"]).add_column("labels", learnable)
        for note in notes:
            say(note)
        if (names := class_name_rows(corpus, self.recipe)) is not None:
            own = train.remove_columns([name for name in train.column_names if name == "sample_weights"])
            train = datasets.concatenate_datasets([own, encode(names.rows, self.tokenizer)[0]])
            train = train.add_column("sample_weights", names.weights)
        lengths = np.asarray(train.with_format("numpy")["length"][:])
        return TokenRows(train.remove_columns("length"), validation, lengths, counts)

    def run(
        self,
        rows: TokenRows,
        stop: StopOnSignal,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        """Take the steps that are left.

        Args:
            rows: of this corpus.
            stop: ends it at a signal.
            on_step: told of each step.

        Raises:
            RunError: a loss is no longer finite.
            InterruptedRunError: SIGTERM or Ctrl-C came; a checkpoint has been saved.
        """
        say, steps, bar = self.settings.say, self.steps, QuietProgress()
        self.trainer = self._trainer(rows, stop, bar, on_step)
        say(f"Training on {self.settings.compute}: {steps} steps of up to {self.recipe.batch_size} rows.")
        if self.resumes:
            found = self.checkpoint
            say(f"Resuming from {found}." if found else "No checkpoint had been saved yet: starting at step 1.")
        began = time.perf_counter()
        with closing(bar):
            self.trainer.train(resume_from_checkpoint=str(self.checkpoint) if self.checkpoint else None)
        self.seconds = time.perf_counter() - began
        if self.steps_taken < steps and stop.came(self.arguments.device):
            raise stop.interruption(f"at step {self.steps_taken} of {steps}; a checkpoint is saved")

    def _trainer(
        self,
        rows: TokenRows,
        stop: StopOnSignal,
        bar: QuietProgress,
        on_step: Callable[[int], None] | None,
    ) -> GanBertTrainer:
        plan = self._plan(rows)
        drawn = rows.train.select(np.unique(np.concatenate([stream.rows for stream in plan.streams])))
        speed_up(
            self.model,
            token_ids=_occurring_ids(self.tokenizer, drawn, rows.validation),
            micro_batch_size=self.settings.micro_batch_size,
            compiled=self.settings.compiled,
        )
        trainer = GanBertTrainer(
            recipe=self.recipe,
            batch_sampler=plan,
            say=self.settings.say,
            model=self.model,
            args=self.arguments,
            train_dataset=rows.train,
            eval_dataset=rows.validation,
            data_collator=Collator(Tokens.of(self.tokenizer)),
            processing_class=self.tokenizer,
            compute_metrics=_selection_metrics(self.model.problem, self.corpus.label_names),
        )
        for unwanted in (PrinterCallback, ProgressCallback):  # standard output belongs to results
            trainer.remove_callback(unwanted)
        health = HealthCallback(trainer.health, self.folder, self.settings.say)
        self.warnings = health.warnings
        trainer.add_callback(stop)  # before `health`, which looks at what is about to be saved
        for callback in (health, LogFile(self.folder), WholeCheckpoints()):
            trainer.add_callback(callback)
        if on_step is not None:
            trainer.add_callback(StepCount(on_step))
        if self.settings.progress:
            trainer.add_callback(bar)
        if self.settings.early_stopping is not None:
            trainer.add_callback(EarlyStopping(self.settings.early_stopping))
        return trainer

    def _plan(self, rows: TokenRows) -> BatchPlan:
        """Return all batches of the run."""
        corpus, seed = self.corpus, self.seed
        names = np.arange(len(corpus.train), len(rows.train))
        streams = batch_streams(self.recipe, corpus.labelled, corpus.unlabelled, seed, n_processes(), names)
        return BatchPlan(streams, rows.lengths, self.steps, seed)

    def times_shown(self, rows: TokenRows, steps: int) -> NDArray[np.int64]:
        """Return how often each training row, names included, stands in the first batches of the run, [n]."""
        return self._plan(rows).times_shown(steps)

    @property
    def steps_taken(self) -> int:
        """Optimiser steps from the beginning of the run, those before a resume among them."""
        return self.trainer.state.global_step

    def save(self) -> None:
        """Save the trained model without G.

        Raises:
            RunError: a weight is no finite number.
        """
        trainer = self.trainer
        state = trainer.accelerator.get_state_dict(trainer.model_wrapped)  # by all processes: each may hold a part
        state = {name.removeprefix("_orig_mod."): weight for name, weight in state.items()}  # of a compiled model
        if bad := [name for name, weight in state.items() if not torch.isfinite(weight).all()]:
            raise RunError(
                f"the last step left weights that are no finite numbers ({bad[0]}): try a lower --learning-rate"
            )
        if is_main_process():
            model = trainer.accelerator.unwrap_model(trainer.model)
            model.save_generator = False  # checkpoints kept it
            model.save_pretrained(self.folder, state_dict=state)
            self.tokenizer.save_pretrained(self.folder)
        trainer.accelerator.wait_for_everyone()

    def release(self) -> None:
        """Free the memory of the model, which is saved, and of its optimiser."""
        if (trainer := vars(self).pop("trainer", None)) is not None:
            trainer.accelerator.free_memory()
        del trainer, self.model
        gc.collect()


def build_model(
    encoder: str, corpus: Corpus, recipe: Recipe
) -> tuple[GanBertForSequenceClassification, PreTrainedTokenizerBase]:
    """Return new heads on the encoder, and its tokenizer set to cut where training does."""
    names = dict(enumerate(corpus.label_names))
    model = GanBertForSequenceClassification.from_encoder(
        encoder, id2label=names, label2id={name: i for i, name in names.items()}, **recipe.config_fields()
    )
    model.config.text_pairs = corpus.has_pairs
    model.config.columns = dict(corpus.columns) or None
    if corpus.class_names:
        model.config.class_names = [list(corpus.class_names.get(name, ())) for name in corpus.label_names]
    if corpus.class_values is not None:
        model.config.class_values = dict(corpus.class_values)
    tokenizer = load_tokenizer(encoder, model.encoder)
    model.config.pad_token_id = tokenizer.pad_token_id
    # Saved with the model, so that texts are cut in use where training cut them.
    tokenizer.model_max_length = usable_length(
        tokenizer, model.encoder, recipe.max_length, pairs=model.config.text_pairs
    )
    return model, tokenizer


class _OneDevice(TrainingArguments):
    """On a machine with several cards one process uses one of them; more need one process each (torchrun)."""

    @property
    def n_gpu(self) -> int:
        return min(int(super().n_gpu), 1)


def _arguments(
    recipe: Recipe, output: Path, steps: int, seed: int, settings: Settings, *, validate: bool
) -> TrainingArguments:
    """Return a recipe in the Trainer's words; one pass over the batch plan is the run, so its epoch is all of it."""
    interval = max(math.ceil(steps / CHECKPOINTS_PER_RUN), 1 if validate else STEPS_PER_CHECKPOINT)
    return _OneDevice(
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
        bf16=settings.compute.bfloat16,
        use_cpu=settings.compute.device == "cpu",
        torch_compile_backend=COMPILE_BACKEND if settings.compiled else None,
        seed=seed,
        data_seed=seed,
        logging_steps=min(50, max(1, steps // RECORDS_PER_RUN)),
        logging_nan_inf_filter=False,  # it waits for the device at every step; HealthCallback looks instead
        save_strategy="steps",
        save_steps=interval,
        save_total_limit=None,  # WholeCheckpoints drops the old ones, once the new one is on the disk
        eval_strategy="steps" if validate else "no",
        eval_steps=interval if validate else None,
        load_best_model_at_end=validate,
        metric_for_best_model=SELECTION_METRIC if validate else None,
        greater_is_better=True if validate else None,
        report_to=settings.report_to,
        disable_tqdm=not settings.progress,
        label_names=["labels"],
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
    )


def _occurring_ids(tokenizer: PreTrainedTokenizerBase, *parts: Dataset | None) -> torch.Tensor:
    """Return the ids of all tokens of these rows, each once, and that of padding."""
    padding = tokenizer.pad_token_id
    ids = {padding} if padding is not None else set()
    for part in parts:
        for table in [] if part is None else part.select_columns("input_ids").with_format("arrow").iter(10_000):
            ids.update(table["input_ids"].combine_chunks().flatten().unique().to_pylist())
    return torch.tensor(sorted(ids))


def _selection_metrics(problem: Problem, label_names: tuple[str, ...]) -> Callable[[EvalPrediction], dict[str, float]]:
    """Return what measures validation rows; those whose class was never seen count as errors."""

    def measure(prediction: EvalPrediction) -> dict[str, float]:
        labels = np.asarray(prediction.label_ids)
        probabilities = problem.probabilities(torch.from_numpy(np.asarray(prediction.predictions))).numpy()
        labels = np.where(problem.is_labelled(labels), labels, len(label_names))
        metrics = classification_metrics(labels, probabilities, label_names)
        return {metric.name: metrics.figures[metric.name] for metric in SHOWN}

    return measure
