"""The default method on one page: a teacher learns from the labels, a student from labels, teacher and adversary.

1. Is unlabelled text affordable? With few steps a model learns more from labelled rows alone (`affordable`).
2. The first half of the steps trains a teacher: a plain classifier of the labelled rows (`_teach`).
3. The other half trains the student, a new model, on batches of which half is labelled. It minimises

       L = L_D_sup                 labelled rows: their class
         + L_D_unsup               all rows and G's vectors: real or invented
         + w_f L_G_unsup           G's vectors: are taken for real (moves G alone)
         + w_m L_G_fm              G's vectors: have the mean features of real rows (moves G alone)
         + L_T                     unlabelled rows: what the teacher says of them
         + w_c L_C                 labelled rows: lie near others of their class

   `ganbert.model.losses` holds the formulas and `TERMS`, the list. The weights are fields of the recipe, as is the
   teacher's share of the steps. G is thrown away at the end.

The paper's own method is the same without teacher and contrast, on all steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbert.data.corpus import Corpus
from ganbert.fast import speed_up
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.runtime import SEEDS, is_main_process
from ganbert.storage.folders import TEACHER, is_finished, is_unfinished
from ganbert.training import run_folder
from ganbert.training.callbacks import last_step
from ganbert.training.fit import Fit, TokenRows
from ganbert.training.recipe import Recipe

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


@dataclass(frozen=True)
class Lesson:
    """A model that was trained, and what it took.

    Attributes:
        model: the trained one, as its folder holds it.
        steps: optimiser steps.
        seconds: of those steps that this call took.
        shown: [n], how often each training row stood in a batch.
    """

    model: GanBertForSequenceClassification
    steps: int
    seconds: float
    shown: NDArray[np.int64]


def learn(student: Fit, rows: TokenRows, lesson: int, facts: dict[str, Any]) -> Lesson:
    """Train the teacher, then the student, and return the student with what both took.

    Args:
        student: its folder is ready; the teacher's stands in it until the end.
        rows: the corpus of both as token ids.
        lesson: steps of the teacher, 0 for no teacher.
        facts: of the student's run.

    Raises:
        RunError, InterruptedRunError: as `train` does.
    """
    steps, tell = lesson + student.steps, student.settings.on_step
    taught = None
    if lesson:
        student.settings.say(
            f"The first {lesson} of {steps} steps train a teacher on the labelled rows alone; "
            "the model then learns from what it says of the unlabelled rows as well."
        )
        taught = _teach(student, rows, lesson, facts, tell and (lambda step: tell(step, steps)))
    student.run(rows, None if taught is None else taught.model, tell and (lambda step: tell(lesson + step, steps)))
    taken, seconds = student.steps_taken, student.seconds
    shown = student.times_shown(rows, taken)
    if taught is not None:
        taken, seconds, shown = taken + taught.steps, seconds + taught.seconds, shown + taught.shown
    return Lesson(student.save(), taken, seconds, shown)


def _teach(
    student: Fit, rows: TokenRows, steps: int, facts: dict[str, Any], on_step: Callable[[int], None] | None
) -> Lesson:
    """Train a teacher in a folder within the student's, or open the one that an interrupted run left there."""
    folder = student.folder / TEACHER
    recipe = dataclasses.replace(student.recipe.plain(), max_steps=steps)
    seed = (student.seed + TEACHER_SEED) % SEEDS
    teacher = Fit(recipe, student.corpus, folder, steps, seed, student.settings)
    if not is_finished(folder):
        own_facts = facts | {"recipe": dataclasses.asdict(recipe), "seed": seed}
        teacher.begin(own_facts, resume=is_unfinished(folder))
        teacher.run(rows, on_step=on_step)
        teacher.save()
        if is_main_process():
            run_folder.finish(folder, teacher.tokenizer.vocab_files_names.values())
    model = GanBertForSequenceClassification.from_pretrained(folder)
    speed_up(model)
    taken = last_step(folder)  # early stopping may have ended it before its lesson
    return Lesson(model, taken, teacher.seconds, teacher.times_shown(rows, taken))
