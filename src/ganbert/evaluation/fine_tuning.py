"""Methods that train with ganbert."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ganbert.evaluation.setting import Outcome, Setting, texts_of
from ganbert.evaluation.splits import Split
from ganbert.inference.predictor import Predictor
from ganbert.recipe import PAPER, Recipe
from ganbert.training.train import train


def fine_tuned(recipe: Recipe, *, of_paper: bool = True, equal_epochs: bool = False) -> Callable[..., Outcome]:
    """Return a method that trains with `ganbert`.

    Args:
        recipe: what to train with.
        of_paper: take the learning rate that the paper has for the task, not the recipe's.
        equal_epochs: as many epochs as GAN-BERT, in place of as many steps: few, as there are few labelled rows.
    """

    def run(split: Split, setting: Setting, settings: Mapping[str, str]) -> Outcome:
        chosen = setting.paper(recipe) if of_paper else recipe
        steps = setting.n_steps(split)
        if equal_epochs:
            steps = math.ceil(setting.epochs * len(split.corpus.labelled) / recipe.batch_size)
        chosen = dataclasses.replace(chosen, max_length=setting.max_length, max_steps=steps)
        return fine_tune(split, setting, chosen.with_settings(dict(settings)))

    return run


def fine_tune(split: Split, setting: Setting, recipe: Recipe) -> Outcome:
    """Train with a recipe, and predict the rows to measure on."""
    with tempfile.TemporaryDirectory(prefix="ganbert-", ignore_cleanup_errors=True) as folder:
        result = train(
            recipe,
            dataclasses.replace(split.corpus, test=None),
            Path(folder) / "model",
            encoder=setting.encoder,
            seed=setting.seed,
            compute=setting.compute,
            progress=False,
            say=lambda message: None,
        )
    predictor = Predictor(result.model, result.tokenizer, compute=setting.compute)
    rows = split.test
    return Outcome(
        predictor.predict(*texts_of(rows)).probabilities,
        result.seconds,
        result.steps,
        result.labelled_shown,
        result.tokens,
        result.recipe.changes_from(PAPER),
        result.health,
        result.warnings,
    )
