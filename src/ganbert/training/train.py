"""train(): a recipe and a corpus in, a model folder out."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedTokenizerBase

from ganbert.data.corpus import Corpus, n_shared_texts
from ganbert.data.review import describe, slips
from ganbert.errors import InputError, RunError
from ganbert.fast import speed_up
from ganbert.metrics import Metrics
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.model.tokenizers import TextCounts
from ganbert.predict.predictor import Predictor
from ganbert.runtime import Compute, choose_compute, is_main_process
from ganbert.training import run_folder
from ganbert.training.arguments import training_arguments
from ganbert.training.callbacks import EarlyStopping, LogFile, QuietProgress, StepCount, StopOnSignal, last_step
from ganbert.training.health import HealthCallback, last_health
from ganbert.training.model_card import write_model_card
from ganbert.training.parts import build_model, build_trainer, plan_batches
from ganbert.training.plots import plot_training
from ganbert.training.recipe import Recipe
from ganbert.training.result import TrainingResult
from ganbert.training.trainer import GanBertTrainer
from ganbert.wording import printable

TEACHER_SEED = 1_000_003
"""Added to a run's seed for its teacher, whose weights and batches are not to be the student's."""

SEEDS = 2**32
"""Seeds are 0 to one less than this: NumPy takes no larger one."""


def check_seed(seed: int) -> None:
    """Raise `InputError` for a seed that the libraries do not take."""
    if not 0 <= seed < SEEDS:
        raise InputError(f"--seed {seed}: choose a whole number from 0 to {SEEDS - 1}")


def say_on_stderr(message: str) -> None:
    """Tell a person something; standard output belongs to results."""
    if is_main_process():
        print(printable(message), file=sys.stderr, flush=True)


class InterruptedRunError(RunError):
    """The run was asked to stop, saved a checkpoint and can be resumed."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


@run_folder.in_claimed_folder
def train(
    recipe: Recipe,
    corpus: Corpus,
    output: Path,
    *,
    encoder: str = "minilm",
    seed: int = 0,
    compute: Compute | None = None,
    micro_batch_size: int | None = None,
    gradient_checkpointing: bool = False,
    compiled: bool = False,
    early_stopping: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    report_to: str = "none",
    review: bool = True,
    progress: bool = True,
    on_step: Callable[[int, int], None] | None = None,
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
        compute: device, precision and threads; None is `choose_compute()`.
        micro_batch_size: rows whose activations are in memory at once; None is as many as there is memory for. Slower,
            with the results of the whole batch.
        gradient_checkpointing: keep only each layer's input in memory and compute the rest again: slower, too.
        compiled: let torch.compile make kernels for this model: minutes at the start, faster steps on a GPU.
        early_stopping: stop after this many validations without a better figure.
        resume: go on from the last checkpoint in `output`, to the very weights of a run never stopped.
        overwrite: replace the model or run that `output` holds.
        report_to: a tracker that transformers knows, such as "tensorboard".
        review: say what was read, and what in it is almost surely a slip.
        progress: show progress bars.
        on_step: told of each step, the teacher's among them, and of how many there are.
        say: told, a line at a time, what a person should know.

    Raises:
        InputError: encoder or output folder cannot be used; nothing has been written.
        RunError: losses are no longer finite.
        InterruptedRunError: SIGTERM or Ctrl-C came; a checkpoint has been saved.
    """
    check_seed(seed)
    recipe, note = _affordable(recipe, corpus)
    transformers.set_seed(seed)
    compute = compute or choose_compute()
    model, tokenizer = build_model(encoder, corpus, recipe)
    if gradient_checkpointing:
        model.activation_checkpointing_enable()
    steps = recipe.n_steps(len(corpus.labelled), len(corpus.unlabelled))
    lesson, teacher_seed = recipe.teacher_steps(steps), (seed + TEACHER_SEED) % SEEDS
    arguments = training_arguments(
        recipe,
        output,
        steps - lesson,
        seed=seed,
        compute=compute,
        compiled=compiled,
        validate=corpus.validation is not None,
        report_to=report_to,
        progress=progress,
    )
    facts = {
        "recipe": dataclasses.asdict(recipe),
        "encoder": encoder,
        "seed": seed,
        "precision": compute.precision,
        "data": run_folder.fingerprint(corpus),
    }
    with arguments.main_process_first():
        checkpoint = run_folder.begin(output, facts, resume=resume)
    warnings = slips(corpus) if review else []
    if review:
        for line in (*describe(corpus), *corpus.notes, *(f"Warning: {warning}" for warning in warnings)):
            say(line)
    if note is not None:
        say(note)
    teacher, taught, began = None, 0, time.perf_counter()
    if lesson:
        say(
            f"The first {lesson} of {steps} steps train a teacher on the labelled rows alone; "
            "the model then learns from what it says of the unlabelled rows as well."
        )
        teacher = _teacher(
            dataclasses.replace(recipe.plain(), max_steps=lesson),
            dataclasses.replace(corpus, test=None),
            output / run_folder.TEACHER,
            encoder=encoder,
            seed=teacher_seed,
            compute=compute,
            micro_batch_size=micro_batch_size,
            gradient_checkpointing=gradient_checkpointing,
            compiled=compiled,
            early_stopping=early_stopping,
            report_to=report_to,
            review=False,
            progress=progress,
            on_step=on_step and (lambda step, _: on_step(step, steps)),
            say=say,
        )
        taught = last_step(output / run_folder.TEACHER)  # early stopping may have ended it before its lesson
    seconds = time.perf_counter() - began
    trainer, plan, texts = build_trainer(model, tokenizer, arguments, recipe, corpus, say, teacher, micro_batch_size)
    for text_note in texts.notes(tokenizer.model_max_length, "training texts"):
        say(text_note)
    say(f"Training on {compute}: {arguments.max_steps} steps of up to {recipe.batch_size} rows.")
    if resume:
        say(f"Resuming from {checkpoint}." if checkpoint else "No checkpoint had been saved yet: beginning anew.")
    stop, health = StopOnSignal(say), HealthCallback(trainer.health, output, say)
    trainer.add_callback(stop)  # before `health`, which looks at what is about to be saved
    trainer.add_callback(health)
    trainer.add_callback(LogFile(output))
    if on_step is not None:
        trainer.add_callback(StepCount(lambda step: on_step(lesson + step, steps)))
    bar = QuietProgress()
    if progress:
        trainer.add_callback(bar)
    if early_stopping is not None:
        trainer.add_callback(EarlyStopping(early_stopping))
    seconds += _run(trainer, checkpoint, arguments.max_steps, stop, bar)

    model = _saved(trainer, tokenizer, output)
    test, n_shared, tested = _test(corpus, Predictor(model, tokenizer, compute=compute), progress)
    for text_note in tested.notes(tokenizer.model_max_length, "test texts"):
        say(text_note)
    if n_shared:
        say(f"{n_shared} of {len(corpus.test or ())} test rows have a text that also stands in the training rows.")
    shown = plan.times_shown(trainer.state.global_step)
    if lesson:
        shown = shown + plan_batches(recipe.plain(), corpus, plan.lengths, lesson, teacher_seed).times_shown(taught)
    result = TrainingResult(
        output=output,
        model=model,
        tokenizer=tokenizer,
        recipe=recipe,
        encoder=encoder,
        seed=seed,
        precision=compute.precision,
        counts=corpus.counts(),
        steps=trainer.state.global_step + taught,
        seconds=seconds,
        n_cut=texts.n_cut,
        n_unknown=texts.n_unknown,
        tokens=int(shown @ plan.lengths),
        labelled_shown=float(shown[corpus.labelled].mean()),
        health=last_health(trainer.state.log_history),
        n_test_in_train=n_shared,
        test=test,
        slips=tuple(warnings),
        warnings=tuple(health.warnings),
        fallback=note,
    )
    if is_main_process():
        _plot(trainer, output, say)
        write_model_card(result)
        run_folder.finish(output, tokenizer.vocab_files_names.values())
    return result


def _affordable(recipe: Recipe, corpus: Corpus) -> tuple[Recipe, str | None]:
    """Return the recipe, or its `plain()` where unlabelled text is missing or out of reach, and why in words."""
    if not recipe.uses_unlabelled:
        return recipe, None
    if len(corpus.unlabelled) == 0:
        return recipe.plain(), (
            "All rows are labelled, so there is no unlabelled text to learn from: this is plain fine-tuning."
        )
    only_labelled = recipe.labelled_share is not None and recipe.labelled_rows_per_batch() == recipe.batch_size
    if only_labelled or not recipe.n_unlabelled_used(len(corpus.labelled), len(corpus.unlabelled)):
        return recipe.plain(), (
            "This recipe (unlabelled_per_labelled, labelled_share) lets no unlabelled row into a batch, "
            "so this is plain fine-tuning."
        )
    looks = recipe.looks(len(corpus.labelled), len(corpus.unlabelled))
    if looks < recipe.looks_needed:
        return recipe.plain(), (
            f"The unlabelled rows are not used: the steps show each of {len(corpus.labelled)} labelled rows "
            f"{looks:.0f} times, and unlabelled text helps from {recipe.looks_needed:.0f} times on. "
            "This is plain fine-tuning. "
            "More steps (--max-steps) or --set looks_needed=0 use them."
        )
    return recipe, None


def _teacher(
    recipe: Recipe, corpus: Corpus, folder: Path, *, encoder: str, seed: int, **settings: Any
) -> GanBertForSequenceClassification:
    """Return the teacher that the folder holds, or train it there: from its last checkpoint if it was interrupted."""
    if not run_folder.is_finished(folder):
        resume = run_folder.is_unfinished(folder)
        train(recipe, corpus, folder, encoder=encoder, seed=seed, resume=resume, **settings)
    teacher = GanBertForSequenceClassification.from_pretrained(folder)
    speed_up(teacher)
    return teacher


def _run(trainer: GanBertTrainer, checkpoint: Path | None, steps: int, stop: StopOnSignal, bar: QuietProgress) -> float:
    """Take the steps that are left and return the seconds they took; `InterruptedRunError` if asked to stop before."""
    began = time.perf_counter()
    with stop, closing(bar):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if stop.received is not None and trainer.state.global_step < steps:
        raise InterruptedRunError(
            f"stopped at step {trainer.state.global_step} of {steps}; a checkpoint is saved. "
            "The same command with --resume goes on from there.",
            stop.received,
        )
    return time.perf_counter() - began


def _saved(
    trainer: GanBertTrainer, tokenizer: PreTrainedTokenizerBase, output: Path
) -> GanBertForSequenceClassification:
    """Save the finished model without G, and return what a reader of the folder will get."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)  # by all processes: each may hold a part
    state = {name.removeprefix("_orig_mod."): weight for name, weight in state.items()}  # of a compiled model
    if bad := [name for name, weight in state.items() if not torch.isfinite(weight).all()]:
        raise RunError(f"the last step left weights that are no finite numbers ({bad[0]}): try a lower --learning-rate")
    if is_main_process():
        model.save_generator = False  # checkpoints kept it
        model.save_pretrained(output, state_dict=state)
        tokenizer.save_pretrained(output)
    trainer.accelerator.wait_for_everyone()
    return GanBertForSequenceClassification.from_pretrained(output)


def _plot(trainer: GanBertTrainer, output: Path, say: Callable[[str], None]) -> None:
    """Draw the run; a model without pictures is finished, too."""
    try:
        plot_training(trainer.state.log_history, output)
    except Exception as error:
        say(f"The plots could not be drawn: {printable(error)}.")


def _test(corpus: Corpus, predictor: Predictor, progress: bool) -> tuple[Metrics | None, int, TextCounts]:
    """Measure the finished model on the test rows, which nothing has looked at before."""
    if corpus.test is None:
        return None, 0, TextCounts()
    predictions = predictor.predict_rows(corpus.test, progress=progress)
    metrics = predictions.metrics(corpus.test.with_format("numpy")["label"][:])
    return metrics, n_shared_texts(corpus.train, corpus.test), predictions.counts
