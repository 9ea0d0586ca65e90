"""The default method on one page: a teacher learns from the labels and looks at the pile, a student learns from both.

1. Is unlabelled text affordable? With few steps a model learns more from labelled rows alone (`affordable`).
2. A teacher learns first: a plain classifier of labelled rows and class names, on the student's encoder or another one,
   perhaps larger. It takes half of the steps, or steps of its own (`teacher_of`, `_teach`).
3. It labels, once, the unlabelled rows that the student will meet, and is not needed any more. Its own probabilities
   are drawn towards those of clusters in its text vectors, around labelled rows and class names (`SoftTargets`).
4. The student goes on from the teacher's weights, on another encoder from those that it came with. It takes the other
   steps, on batches of which half is labelled, and minimises

       L = L_D_sup                 labelled rows and names: their class
         + L_D_unsup               all rows and G's vectors: real or invented
         + w_f L_G_unsup           G's vectors: are taken for real (moves G alone)
         + w_m L_G_fm              G's vectors: have the mean features of real rows (moves G alone)
         + L_T                     unlabelled rows: what the teacher said of them
         + w_c L_C                 labelled rows: lie near others of their class

   `ganbert.model.losses` holds the formulas and `TERMS`, the list. The weights are fields of the recipe, as is the
   teacher's share of the steps. The game is detached: L_D_unsup moves the fake class alone, so the classes are what
   they were without it. G is thrown away at the end.

The paper's own method is the same without teacher, names and contrast, on all steps, and with a game that moves all of
D and the encoder.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from ganbert.data.corpus import Corpus
from ganbert.errors import InputError, InterruptedRunError, RunError
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.runtime import SEEDS, is_main_process
from ganbert.storage.folders import TEACHER, is_finished, is_unfinished
from ganbert.training import run_folder
from ganbert.training.callbacks import StopOnSignal, last_step
from ganbert.training.class_name_rows import names_learned_from
from ganbert.training.fit import Fit, TokenRows
from ganbert.training.recipe import Recipe
from ganbert.training.soft_targets import SoftTargets
from ganbert.wording import counted

TEACHER_SEED = 1_000_003
"""Added to a run's seed for its teacher, whose weights and batches are not to be the student's."""


def affordable(recipe: Recipe, corpus: Corpus) -> tuple[Recipe, str | None]:
    """Return the recipe, or its `plain()` where unlabelled text is missing or out of reach, and why in words."""
    if not recipe.uses_unlabelled:
        return recipe, None
    n_labelled, n_unlabelled = len(corpus.labelled), len(corpus.unlabelled)
    if n_unlabelled == 0:
        return recipe.plain(), (
            "All rows are labelled, so there is no unlabelled text to learn from: this is plain fine-tuning."
        )
    only_labelled = recipe.labelled_share is not None and recipe.labelled_rows_per_batch() == recipe.batch_size
    if only_labelled or not recipe.n_unlabelled_used(n_labelled, n_unlabelled):
        return recipe.plain(), (
            "This recipe (unlabelled_per_labelled, labelled_share) lets no unlabelled row into a batch, "
            "so this is plain fine-tuning."
        )
    looks = recipe.looks(n_labelled, n_unlabelled)
    if looks < recipe.looks_needed:
        return recipe.plain(), (
            f"The unlabelled rows are not used: the steps show each of {n_labelled} labelled rows "
            f"{looks:.0f} times, and unlabelled text helps from {recipe.looks_needed:.0f} times on. "
            "This is plain fine-tuning. "
            "More steps (--max-steps) or --set looks_needed=0 use them."
        )
    return recipe, None


def teacher_of(student: Fit, steps: int, encoder: str | None) -> Fit:
    """Return the teacher of a student: a plain classifier of the same rows, in a folder within the student's.

    Args:
        student: whose recipe it learns by, without what is for unlabelled rows.
        steps: of the teacher.
        encoder: another one than the student's, whose text vector is what its own files say; None is the same.

    Raises:
        InputError: there is no such encoder.
    """
    settings, rows = student.settings, student.recipe.labelled_rows_per_batch()  # as many as the student meets at once
    recipe = dataclasses.replace(student.recipe.plain(), max_steps=steps, batch_size=rows, labelled_share=None)
    if encoder is not None:
        recipe, settings = dataclasses.replace(recipe, pooling="auto"), dataclasses.replace(settings, encoder=encoder)
    seed = (student.seed + TEACHER_SEED) % SEEDS
    try:
        return Fit(recipe, student.corpus, student.folder / TEACHER, steps, seed, settings)
    except InputError as error:
        raise InputError(f"the teacher's {error}") from error


@dataclass(frozen=True)
class Lesson:
    """What a model took to train.

    Attributes:
        steps: optimiser steps.
        seconds: of those steps that this call took.
        shown: [n], how often each training row stood in a batch.
        tokens: that the batches held, without padding.
    """

    steps: int
    seconds: float
    shown: NDArray[np.int64]
    tokens: int

    @classmethod
    def of(cls, fit: Fit, rows: TokenRows, steps: int) -> Lesson:
        """Return what these steps of a fit were."""
        shown = fit.times_shown(rows, steps)
        return cls(steps, fit.seconds, shown, int(shown @ rows.lengths))

    def after(self, other: Lesson, seconds: float) -> Lesson:
        """Return both together, with the seconds in between."""
        return Lesson(
            self.steps + other.steps,
            self.seconds + other.seconds + seconds,
            self.shown + other.shown,
            self.tokens + other.tokens,
        )


def learn(
    student: Fit, teacher: Fit | None, rows: TokenRows, facts: dict[str, Any]
) -> tuple[GanBertForSequenceClassification, Lesson]:
    """Train the teacher, let it label, train the student; return the student, as saved, and what all of it took.

    Args:
        student: its folder is ready; the teacher's stands in it until the end.
        teacher: of `teacher_of`, if there is to be one; its memory is free afterwards.
        rows: the corpus as the student's token ids.
        facts: of the student's run.

    Raises:
        RunError, InterruptedRunError: as `train` does.
    """
    before = 0 if teacher is None else teacher.steps
    steps, tell, taught, seconds = before + student.steps, student.settings.on_step, None, 0.0
    with StopOnSignal(student.settings.say) as stop:
        if teacher is not None:
            known = "labelled rows" if len(student.corpus.labelled) else "class names"
            student.settings.say(
                f"The first {before} of {steps} steps train a teacher on the {known} alone; "
                "the model then learns from what it says of the unlabelled rows as well."
            )
            taught = _teach(teacher, rows, facts, stop, tell and (lambda step: tell(step, steps)))
            began = time.perf_counter()
            rows = rows.beside(_soft_targets(teacher, student, rows, stop))
            seconds = time.perf_counter() - began
            if student.recipe.warm_start and teacher.settings.encoder == student.settings.encoder:
                student.start_from(teacher.folder)
        student.run(rows, stop, tell and (lambda step: tell(before + step, steps)))
    student.save()
    lesson = Lesson.of(student, rows, student.steps_taken)
    model = GanBertForSequenceClassification.from_pretrained(student.folder)
    return model, lesson if taught is None else lesson.after(taught, seconds)


def _teach(
    teacher: Fit, rows: TokenRows, facts: dict[str, Any], stop: StopOnSignal, on_step: Callable[[int], None] | None
) -> Lesson:
    """Train a teacher, or find the finished one that an interrupted run left."""
    folder, settings = teacher.folder, teacher.settings
    if settings.encoder != facts["encoder"]:  # token ids of its own
        rows = teacher.tokenize(" (for the teacher)")
    if not is_finished(folder):
        own = {"recipe": dataclasses.asdict(teacher.recipe), "encoder": settings.encoder, "seed": teacher.seed}
        teacher.begin(facts | own, resume=is_unfinished(folder))
        teacher.run(rows, stop, on_step)
        teacher.save()
        if is_main_process():
            run_folder.finish(folder, teacher.tokenizer.vocab_files_names.values())
    teacher.release()
    if stop.came(teacher.arguments.device):
        raise stop.interruption("before the teacher labelled rows; the teacher is saved")
    return Lesson.of(teacher, rows, last_step(folder))  # early stopping may have ended it before its lesson


def _soft_targets(teacher: Fit, student: Fit, rows: TokenRows, stop: StopOnSignal) -> Dataset:
    """Return what the teacher says of the unlabelled rows that the student will meet; the main process asks it."""
    shown = student.times_shown(rows, student.steps)
    with student.arguments.main_process_first(local=False):
        names = names_learned_from(student.corpus, student.recipe)
        corpus = dataclasses.replace(student.corpus, class_names=names)
        targets = SoftTargets(teacher.folder, corpus, shown, student.recipe.cluster_weight)
        if is_main_process() and targets.read() is None:
            student.settings.say(f"The teacher labels {counted(len(targets.asked), 'row')}.")
            with suppress(InterruptedRunError):  # all processes stop together, below
                targets.write(student.settings.compute, stop, progress=student.settings.progress)
    if stop.came(student.arguments.device):
        raise stop.interruption("while the teacher labelled rows; the teacher is saved")
    found = targets.read()
    if found is None:
        raise RunError(f"{targets.path}: what the teacher said cannot be read")
    return found
