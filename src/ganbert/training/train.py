"""train(): a recipe and a corpus in, a model folder out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganbert.data.corpus import Corpus, n_shared_texts
from ganbert.data.review import describe, slips
from ganbert.errors import InputError
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.predict.predictor import Predictor
from ganbert.runtime import SEEDS, Compute, choose_compute, is_main_process
from ganbert.training import run_folder
from ganbert.training.class_name_rows import class_name_rows, why_left_out
from ganbert.training.fit import Fit, Settings, TokenRows
from ganbert.training.health import last_health
from ganbert.training.method import Lesson, affordable, learn, teacher_of
from ganbert.training.recipe import Recipe
from ganbert.training.report import TrainingResult, plot_training, write_model_card
from ganbert.wording import printable

EXAMPLES = 3
"""Training texts that the model card shows."""


def say_on_stderr(message: str) -> None:
    """Tell a person something; standard output belongs to results."""
    if is_main_process():
        print(printable(message), file=sys.stderr, flush=True)


@run_folder.in_claimed_folder
def train(
    recipe: Recipe,
    corpus: Corpus,
    output: Path,
    *,
    encoder: str = "minilm",
    teacher_encoder: str | None = None,
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

        train(DEFAULT, read_corpus("messages.csv"), Path("model"))

    Args:
        recipe: every choice of the method.
        corpus: training rows, and validation and test rows if there are any.
        output: folder for the model; meanwhile it holds checkpoints.
        encoder: a Hub name, a folder, or `minilm`.
        teacher_encoder: what the teacher stands on, which may be larger; None is the same.
        seed: fixes initial weights, order, noise and dropout.
        compute: device, precision and threads; None is `choose_compute()`.
        micro_batch_size: rows whose activations are in memory at once; None is as many as there is memory for. Slower,
            with the results of the whole batch.
        gradient_checkpointing: keep only each layer's input in memory and compute the rest again: slower, too.
        compiled: let torch.compile make kernels for this model: minutes at the start, faster steps on a GPU.
        early_stopping: stop after this many validations without a better figure; needs validation rows.
        resume: go on from the last checkpoint in `output`, to the very weights of a run never stopped.
        overwrite: replace the model or run that `output` holds.
        report_to: a tracker that transformers knows, such as "tensorboard".
        review: say what was read, and what in it is almost surely a slip.
        progress: show progress bars.
        on_step: told of each step, the teacher's among them, and of how many there are.
        say: told, a line at a time, what a person should know.

    Raises:
        InputError: an argument, the encoder or the output folder cannot be used, or no row has a label and the recipe
            learns from no class name; nothing has been written.
        RunError: losses are no longer finite.
        InterruptedRunError: SIGTERM or Ctrl-C came; a checkpoint has been saved.
    """
    if not 0 <= seed < SEEDS:
        raise InputError(f"--seed {seed}: choose a whole number from 0 to {SEEDS - 1}")
    if early_stopping is not None and corpus.validation is None:
        raise InputError("early stopping needs validation rows")
    if teacher_encoder is not None and not recipe.has_teacher:
        raise InputError(f"--teacher-encoder {teacher_encoder!r}: this recipe has no teacher (teacher_share)")
    recipe, fallback = affordable(recipe, corpus)
    if len(corpus.labelled) == 0 and class_name_rows(corpus, recipe) is None:
        reason = why_left_out(corpus, recipe) or "Nothing says what the classes are called."
        raise InputError(f"no labelled row to learn from. {reason}")
    if not recipe.has_teacher:
        teacher_encoder = None
    settings = Settings(
        encoder=encoder,
        compute=compute or choose_compute(),
        micro_batch_size=micro_batch_size,
        gradient_checkpointing=gradient_checkpointing,
        compiled=compiled,
        early_stopping=early_stopping,
        report_to=report_to,
        progress=progress,
        on_step=on_step,
        say=say,
    )
    n_labelled = len(corpus.labelled)
    lesson, steps = recipe.shared_out(recipe.n_steps(n_labelled, len(corpus.unlabelled)), n_labelled)
    student = Fit(recipe, corpus, output, steps, seed, settings)
    teacher = teacher_of(student, lesson, teacher_encoder) if lesson else None
    facts = run_folder.facts(recipe, corpus, encoder, teacher_encoder, seed, settings.compute.precision)
    student.begin(facts, resume=resume)
    found = slips(corpus) if review else []
    for line in (
        *(_introduction(corpus, found) if review else ()),
        *filter(None, [fallback, why_left_out(corpus, recipe)]),
    ):
        say(line)
    rows = student.tokenize()
    model, lessons = learn(student, teacher, rows, facts)
    known = {"slips": tuple(found), "fallback": fallback, "teacher_encoder": teacher_encoder}
    result = _measured(student, rows, model, lessons, **known)
    if is_main_process():
        _draw(student, say)
        write_model_card(result)
        run_folder.finish(output, result.tokenizer.vocab_files_names.values())
    return result


def _introduction(corpus: Corpus, found: Sequence[str]) -> list[str]:
    """Return what a person should know of the data before training begins."""
    return [*describe(corpus), *corpus.notes, *(f"Warning: {slip}" for slip in found)]


def _measured(
    student: Fit, rows: TokenRows, model: GanBertForSequenceClassification, lesson: Lesson, **known: Any
) -> TrainingResult:
    """Measure the finished model on the test rows, which nothing has looked at before, and return all of the run."""
    corpus, settings, tokenizer = student.corpus, student.settings, student.tokenizer
    test, n_shared = None, 0
    if corpus.test is not None:
        predictor = Predictor(model, tokenizer, compute=settings.compute)
        predictions = predictor.predict_rows(corpus.test, progress=settings.progress)
        test = predictions.metrics(corpus.test.with_format("numpy")["label"][:])
        n_shared = n_shared_texts(corpus.train, corpus.test)
        for note in predictions.counts.notes(tokenizer.model_max_length, "test texts"):
            settings.say(note)
    if n_shared:
        settings.say(
            f"{n_shared} of {len(corpus.test or ())} test rows have a text that also stands in the training rows."
        )
    return TrainingResult(
        output=student.folder,
        model=model,
        tokenizer=tokenizer,
        recipe=student.recipe,
        encoder=settings.encoder,
        seed=student.seed,
        precision=settings.compute.precision,
        counts=corpus.counts(),
        steps=lesson.steps,
        seconds=lesson.seconds,
        n_cut=rows.counts.n_cut,
        n_unknown=rows.counts.n_unknown,
        tokens=lesson.tokens,
        labelled_shown=float(lesson.shown[corpus.labelled].mean()) if len(corpus.labelled) else 0.0,
        health=last_health(student.trainer.state.log_history),
        n_test_in_train=n_shared,
        test=test,
        warnings=tuple(student.warnings),
        examples=_examples(corpus),
        class_names=corpus.class_names,
        **known,
    )


def _examples(corpus: Corpus) -> tuple[str, ...]:
    """Return the first labelled text of each of the first classes; none of pairs, which a widget does not take."""
    if corpus.has_pairs:
        return ()
    _, first = np.unique(corpus.labels[corpus.labelled], return_index=True)
    return tuple(corpus.train["text"][int(row)] for row in corpus.labelled[first[:EXAMPLES]])


def _draw(student: Fit, say: Callable[[str], None]) -> None:
    """Draw the run; a model without pictures is finished, too."""
    try:
        plot_training(student.trainer.state.log_history, student.folder)
    except Exception as error:
        say(f"The plots could not be drawn: {printable(error)}.")
