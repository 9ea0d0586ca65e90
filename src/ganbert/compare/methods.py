"""The methods to compare, by name: recipes of ganbert for equally many steps, and baselines of other libraries.

To add a recipe, add an entry to `METHODS`; for a method of another library, add one to `BASELINES` in `baselines`.
Another package offers methods by entry points of the group `ganbert.methods`, and any other is named as
`package.module:name`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from dataclasses import dataclass
from typing import Any, Self

from ganbert.compare.baselines import BASELINES
from ganbert.compare.conditions import FINE_TUNES, Conditions, Method, Outcome
from ganbert.compare.splits import Split
from ganbert.data.corpus import texts_of
from ganbert.errors import InputError
from ganbert.plugins import Registry, imported
from ganbert.predict.predictor import Predictor
from ganbert.storage.folders import scratch
from ganbert.training.recipe import BERT, BERT_TUNED, CODE, DEFAULT, OF_UNLABELLED_ROWS, PAPER, Recipe
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

    def __call__(self, split: Split, conditions: Conditions) -> Outcome:
        """Train, and predict the test rows."""
        changes = dict(self.changes)
        recipe = conditions.paper(self.recipe) if self.of_paper else self.recipe
        recipe = dataclasses.replace(recipe, max_length=conditions.max_length).with_settings(changes)
        if recipe.max_steps is None:
            if "epochs" in changes:
                conditions = dataclasses.replace(conditions, epochs=recipe.epochs, max_steps=None)
            recipe = dataclasses.replace(recipe, max_steps=self._n_steps(split, conditions, recipe))
        return fine_tune(split, conditions, recipe)

    def _n_steps(self, split: Split, conditions: Conditions, recipe: Recipe) -> int:
        if not self.equal_epochs:
            return conditions.n_steps(split)
        n_labelled = len(split.corpus.labelled)
        return max(1, math.ceil(conditions.epochs * n_labelled / min(recipe.batch_size, max(1, n_labelled))))


def fine_tune(split: Split, conditions: Conditions, recipe: Recipe) -> Outcome:
    """Train with a recipe, and predict the test rows."""
    with scratch() as folder:
        result = train(
            recipe,
            dataclasses.replace(split.corpus, test=None),
            folder / "model",
            encoder=conditions.encoder,
            teacher_encoder=conditions.teacher_encoder if recipe.has_teacher else None,
            seed=conditions.seed,
            compute=conditions.compute,
            progress=False,
            review=False,
            on_step=conditions.on_step,
            say=lambda message: None,
        )
    predictor = Predictor(result.model, result.tokenizer, compute=conditions.compute)
    began = time.perf_counter()
    probabilities = predictor.predict(*texts_of(split.test)).probabilities
    prediction_seconds = time.perf_counter() - began
    return Outcome(
        probabilities,
        result.seconds,
        result.steps,
        result.labelled_shown,
        result.tokens,
        result.recipe.changes_from(PAPER),
        result.health,
        result.warnings,
        result.fallback and result.fallback.replace("--set looks_needed=0", ":looks_needed=0 after the method's name"),
        prediction_seconds,
    )


def as_method(name: str, value: Any) -> Method:
    """Return a method, or one made of a function; `TypeError` for anything else."""
    if isinstance(value, Method):
        return value
    if not callable(value):
        raise TypeError(f"{value!r} is neither a Method nor a function")
    says = (getattr(value, "__doc__", None) or name).strip().splitlines()[0].rstrip(".")
    return Method(value, says, FINE_TUNES)


METHODS = Registry(
    "ganbert.methods",
    {
        "bert-epochs": Method(
            FineTuning(BERT, equal_epochs=True),
            "the paper's baseline: plain fine-tuning for as many epochs as GAN-BERT, so a few steps",
            ("bert",),
        ),
        "bert": Method(FineTuning(BERT), "plain fine-tuning with the paper's settings for as many steps as GAN-BERT"),
        "gan-bert": Method(FineTuning(PAPER), "GAN-BERT with the paper's recipe", ("bert",)),
        "bert-code": Method(
            FineTuning(CODE.plain()), "plain fine-tuning with the settings of the authors' code, equally many steps"
        ),
        "gan-bert-code": Method(FineTuning(CODE), "GAN-BERT with the recipe of the authors' code", ("bert-code",)),
        "joint": Method(
            FineTuning(dataclasses.replace(CODE, joint=True)),
            "what the PyTorch port computes: all networks descend the sum of both losses",
            ("bert-code",),
        ),
        "bert-tuned": Method(
            FineTuning(BERT_TUNED, of_paper=False),
            "plain fine-tuning with learning rates and pooling chosen on development rows, equally many steps",
        ),
        "default": Method(
            FineTuning(DEFAULT, of_paper=False), "the default recipe of ganbert", ("bert-tuned", "default-plain")
        ),
        "default-plain": Method(
            FineTuning(DEFAULT.plain(), of_paper=False),
            "the default recipe on labelled rows alone: contrast, no teacher, no adversary; equally many steps",
            ("bert-tuned",),
        ),
        **BASELINES,
    },
    as_method,
)
"""By name. `NAME:FIELD=VALUE+FIELD=VALUE` is a method with other choices of its recipe, as `gan-bert:noise=uniform`."""


def base_and_settings(name: str) -> tuple[str, str]:
    """Return the name of a method in the registry, or `package.module:name`, and the settings that follow it.

    Raises:
        InputError: the name is neither.
    """
    base, _, settings = name.partition(":")
    if base in METHODS:
        return base, settings
    attribute, _, further = settings.partition(":")
    if all(part.isidentifier() for part in [*base.split("."), *attribute.split(".")]):
        return f"{base}:{attribute}", further
    raise InputError(f"no method {base!r}: choose among {', '.join(METHODS)}, or name one as package.module:name")


def method_named(name: str) -> Method:
    """Return a method with the settings that follow its name.

    Its baseline has the same settings, except those that only unlabelled rows need and those it differs in by nature.

    Raises:
        InputError: there is no such method or no such setting; says what there is.
    """
    base, text = base_and_settings(name)
    method = METHODS[base] if base in METHODS else _imported(base)
    if not text:
        return method
    if not isinstance(method.run, FineTuning):
        raise InputError(f"method {name!r}: {base} has no recipe to change")
    settings = {}
    for part in text.split("+"):
        field_name, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"method {name!r}: write its settings as {base}:noise=uniform+pooling=mean")
        settings[field_name.strip()] = value.strip()
    try:
        run = method.run.changed(settings)
    except ValueError as error:
        raise InputError(f"method {name!r}: {error}") from error
    baselines = tuple(_with_shared(settings, baseline, method.run.recipe) for baseline in method.baselines)
    return dataclasses.replace(method, run=run, baselines=baselines)


@functools.cache
def _imported(reference: str) -> Method:
    try:
        return as_method(reference, imported(reference, "method"))
    except TypeError as error:
        raise InputError(f"method {reference}: {error}") from error


def _with_shared(settings: dict[str, str], baseline: str, recipe: Recipe) -> str:
    """Return the name of a baseline with those of a method's settings that it is to have as well."""
    fine_tuning = method_named(baseline).run
    if not isinstance(fine_tuning, FineTuning):
        return baseline
    own = OF_UNLABELLED_ROWS | fine_tuning.recipe.changes_from(recipe).keys()
    shared = [f"{key}={value}" for key, value in settings.items() if key not in own]
    return f"{baseline}:{'+'.join(shared)}" if shared else baseline
