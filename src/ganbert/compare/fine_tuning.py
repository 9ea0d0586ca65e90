"""Methods that train with ganbert."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

from ganbert.compare.setting import Outcome, Setting, texts_of
from ganbert.compare.splits import Split
from ganbert.predict.predictor import Predictor
from ganbert.storage.folders import scratch
from ganbert.training.recipe import PAPER, Recipe
from ganbert.training.train import train


@dataclass(frozen=True)
class FineTuning:
    """A method that trains with `ganbert`.

    Attributes:
        recipe: what to train with.
        of_paper: take the learning rates and epochs that the paper has for the task, not the recipe's.
        equal_epochs: as many epochs as GAN-BERT, in place of as many steps: few, as there are few labelled rows.
        changes: settings on top, as in `--set`.
    """

    recipe: Recipe
    of_paper: bool = True
    equal_epochs: bool = False
    changes: tuple[tuple[str, str], ...] = ()

    def changed(self, settings: dict[str, str]) -> Self:
        """Return the method with settings on top; `ValueError` if they cannot be."""
        self.recipe.with_settings(settings)
        return dataclasses.replace(self, changes=tuple(settings.items()))

    def __call__(self, split: Split, setting: Setting) -> Outcome:
        """Train, and predict the rows to measure on."""
        changes = dict(self.changes)
        recipe = setting.paper(self.recipe) if self.of_paper else self.recipe
        recipe = dataclasses.replace(recipe, max_length=setting.max_length).with_settings(changes)
        if recipe.max_steps is None:
            if "epochs" in changes:
                setting = dataclasses.replace(setting, epochs=recipe.epochs, max_steps=None)
            recipe = dataclasses.replace(recipe, max_steps=self._n_steps(split, setting, recipe))
        return fine_tune(split, setting, recipe)

    def _n_steps(self, split: Split, setting: Setting, recipe: Recipe) -> int:
        if not self.equal_epochs:
            return setting.n_steps(split)
        n_labelled = len(split.corpus.labelled)
        return math.ceil(setting.epochs * n_labelled / min(recipe.batch_size, n_labelled))


def fine_tune(split: Split, setting: Setting, recipe: Recipe) -> Outcome:
    """Train with a recipe, and predict the rows to measure on."""
    with scratch() as folder:
        result = train(
            recipe,
            dataclasses.replace(split.corpus, test=None),
            folder / "model",
            encoder=setting.encoder,
            seed=setting.seed,
            compute=setting.compute,
            progress=False,
            review=False,
            on_step=setting.on_step,
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
        result.fallback and result.fallback.replace("--set looks_needed=0", ":looks_needed=0 after the method's name"),
    )
