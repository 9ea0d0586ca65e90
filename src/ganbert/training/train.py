"""train(): a recipe and a corpus in, a model folder out."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import (
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    TrainingArguments,
)

from ganbert.data.batches import BatchPlan, batch_streams
from ganbert.data.corpus import Corpus, n_shared_texts
from ganbert.data.encode import encode, usable_length
from ganbert.encoders import load_tokenizer
from ganbert.errors import RunError
from ganbert.inference.predictor import Predictor
from ganbert.metrics import Metrics, classification_metrics
from ganbert.model import GanBertForSequenceClassification
from ganbert.recipe import Recipe
from ganbert.training import run_folder
from ganbert.training.callbacks import LogFile, QuietProgress, StopOnSignal
from ganbert.training.card import write_model_card
from ganbert.training.device import Precision, use_bfloat16
from ganbert.training.health import HealthCallback
from ganbert.training.plots import plot_training
from ganbert.training.trainer import GanBertTrainer

CHECKPOINTS_PER_RUN = 10
RECORDS_PER_RUN = 50
SELECTION_METRIC = "accuracy"


def say_on_stderr(message: str) -> None:
    """Tell a person something; standard output belongs to results."""
    print(message, file=sys.stderr, flush=True)


class Interrupted(RunError):
    """The run was asked to stop, saved a checkpoint and can be resumed."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


@dataclass(frozen=True)
class TrainingResult:
    """A finished run.

    Attributes:
        output: the model folder.
        model, tokenizer: what it holds.
        recipe: what was trained, as it was trained.
        steps: optimiser steps.
        seconds: of the steps of this call, without reading, loading and testing.
        n_cut: training rows longer than the maximum length.
        n_test_in_train: test rows whose text also stands in the training rows.
        test: figures on the test rows, read once, after training.
        warnings: what the health watch had to say.
    """

    output: Path
    model: GanBertForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    recipe: Recipe
    steps: int
    seconds: float
    n_cut: int
    n_test_in_train: int
    test: Metrics | None
    warnings: tuple[str, ...]


def train(
    recipe: Recipe,
    corpus: Corpus,
    output: Path,
    *,
    encoder: str = "minilm",
    seed: int = 0,
    precision: Precision = "auto",
    early_stopping: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    report_to: str = "none",
    progress: bool = True,
    say: Callable[[str], None] = say_on_stderr,
) -> TrainingResult:
    """Train a classifier and leave it in a folder.

    train(DEFAULT, read_corpus([Path("messages.csv")], TableOptions(), workspace), Path("model"))

    Args:
        recipe: every choice of the method.
        corpus: training rows, and validation and test rows if there are any.
        output: folder for the model; meanwhile it holds checkpoints.
        encoder: a Hub name, a folder, or `minilm`.
        seed: fixes initial weights, order, noise and dropout.
        precision: bfloat16 where the machine computes it natively, or as told.
        early_stopping: stop after this many validations without a better figure.
        resume: go on from the last checkpoint in `output`, to the very weights of a run never stopped.
        overwrite: replace the model or run that `output` holds.
        report_to: a tracker that transformers knows, such as "tensorboard".
        progress: show progress bars.
        say: told, a line at a time, what a person should know.

    Raises:
        InputError: encoder or output folder cannot be used; nothing has been written.
        RunError: losses are no longer finite.
        Interrupted: SIGTERM or Ctrl-C came; a checkpoint has been saved.
    """
    run_folder.check_output(output, resume=resume, overwrite=overwrite)
    if recipe.adversarial and len(corpus.unlabelled) == 0:
        say("All rows are labelled: there is nothing to learn from unlabelled text, so this is plain fine-tuning.")
        recipe = recipe.plain()
    transformers.set_seed(seed)
    tokenizer = load_tokenizer(encoder)
    names = dict(enumerate(corpus.label_names))
    model = GanBertForSequenceClassification.from_encoder(
        encoder, id2label=names, label2id={name: i for i, name in names.items()}, **recipe.config_fields()
    )
    model.config.pad_token_id = tokenizer.pad_token_id
    max_length = usable_length(tokenizer, model.config.encoder, recipe.max_length)
    tokenizer.model_max_length = max_length  # saved with the model, so that every reader cuts where training did
    rows, n_cut = encode(corpus.train, tokenizer, max_length, progress=progress)
    if n_cut:
        say(f"{n_cut} of {len(rows)} training texts are longer than {max_length} tokens and were cut (--max-length).")

    steps = recipe.n_steps(len(corpus.labelled), len(corpus.unlabelled))
    facts = {
        "recipe": dataclasses.asdict(recipe),
        "encoder": encoder,
        "seed": seed,
        "precision": "bfloat16" if use_bfloat16(precision) else "float32",
        "data": run_folder.fingerprint(corpus),
    }
    checkpoint = run_folder.begin(output, facts, resume=resume)
    if resume:
        say(f"Resuming from {checkpoint}." if checkpoint else "No checkpoint had been saved yet: beginning anew.")

    arguments = training_arguments(
        recipe,
        output,
        steps,
        seed=seed,
        bfloat16=use_bfloat16(precision),
        validate=corpus.validation is not None,
        report_to=report_to,
        progress=progress,
    )
    plan = BatchPlan(
        batch_streams(recipe, corpus.labelled, corpus.unlabelled, seed),
        np.asarray(rows["length"]),
        steps * arguments.gradient_accumulation_steps * arguments.world_size,
        seed,
    )
    tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
    trainer = GanBertTrainer(
        recipe=recipe,
        batch_sampler=plan,
        model=model,
        args=arguments,
        train_dataset=rows.remove_columns("length"),
        eval_dataset=None
        if corpus.validation is None
        else encode(corpus.validation, tokenizer, max_length)[0].remove_columns("length"),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_metrics=_selection_metrics(corpus.label_names),
    )
    for unwanted in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(unwanted)
    health = HealthCallback(trainer.health, output, say)
    trainer.add_callback(health)
    trainer.add_callback(LogFile(output))
    if progress:
        trainer.add_callback(QuietProgress())
    if early_stopping is not None:
        trainer.add_callback(EarlyStoppingCallback(early_stopping))

    began = time.perf_counter()
    with StopOnSignal(say) as stop:
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.perf_counter() - began
    if stop.received is not None and trainer.state.global_step < steps:
        raise Interrupted(
            f"Stopped at step {trainer.state.global_step} of {steps}; a checkpoint is saved. "
            "The same command with --resume goes on from there.",
            stop.received,
        )

    model.discard_generator()
    model.eval()
    test, n_shared = _test(corpus, Predictor(model, tokenizer), progress)
    if n_shared:
        say(f"{n_shared} of {len(corpus.test or ())} test rows have a text that also stands in the training rows.")
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    plot_training(trainer.state.log_history, output)
    result = TrainingResult(
        output,
        model,
        tokenizer,
        recipe,
        trainer.state.global_step,
        seconds,
        n_cut,
        n_shared,
        test,
        tuple(health.warnings),
    )
    write_model_card(
        output,
        label_names=corpus.label_names,
        encoder=encoder,
        recipe=recipe,
        counts=corpus.counts(),
        seed=seed,
        precision=facts["precision"],
        steps=result.steps,
        seconds=seconds,
        test=test,
        warnings=result.warnings,
    )
    run_folder.finish(output)
    return result


def training_arguments(
    recipe: Recipe,
    output: Path,
    steps: int,
    *,
    seed: int,
    bfloat16: bool,
    validate: bool,
    report_to: str,
    progress: bool,
) -> TrainingArguments:
    """Return a recipe in the Trainer's words. One pass over the batch plan is the run, so its epoch is the whole of it."""
    interval = math.ceil(steps / CHECKPOINTS_PER_RUN)
    return TrainingArguments(
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
        bf16=bfloat16,
        use_cpu=not torch.accelerator.is_available(),
        seed=seed,
        data_seed=seed,
        logging_steps=min(50, max(1, steps // RECORDS_PER_RUN)),
        logging_nan_inf_filter=False,  # it waits for the device at every step; HealthCallback looks instead
        save_strategy="steps",
        save_steps=interval,
        # The best checkpoint and the last one, which a resumed run goes on from.
        save_total_limit=2 if validate else 1,
        eval_strategy="steps" if validate else "no",
        eval_steps=interval if validate else None,
        load_best_model_at_end=validate,
        metric_for_best_model=SELECTION_METRIC if validate else None,
        greater_is_better=True if validate else None,
        report_to=report_to,
        disable_tqdm=not progress,
        label_names=["labels"],
        remove_unused_columns=False,
    )


def _selection_metrics(label_names: tuple[str, ...]) -> Callable[[EvalPrediction], dict[str, float]]:
    def measure(prediction: EvalPrediction) -> dict[str, float]:
        logits, labels = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        metrics = classification_metrics(labels, probabilities / probabilities.sum(axis=1, keepdims=True), label_names)
        return {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1, "ece": metrics.ece}

    return measure


def _test(corpus: Corpus, predictor: Predictor, progress: bool) -> tuple[Metrics | None, int]:
    """Measure the finished model on the test rows, which nothing has looked at before."""
    if corpus.test is None:
        return None, 0
    return predictor.measure(corpus.test, progress=progress), n_shared_texts(corpus.train, corpus.test)
