"""The registry of methods to compare, all with the same encoder, rows and seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from ganbert.compare.baselines import embed, self_training, tfidf
from ganbert.compare.fine_tuning import FineTuning
from ganbert.compare.setfit import setfit
from ganbert.compare.setting import Outcome, Setting
from ganbert.compare.splits import Split
from ganbert.errors import InputError
from ganbert.extras import require
from ganbert.training.recipe import BERT, BERT_TUNED, CODE, DEFAULT, OF_UNLABELLED_ROWS, PAPER, Recipe


@dataclass(frozen=True)
class Method:
    """A method of the registry.

    Attributes:
        run: the method itself.
        says: what it is, in a line.
        baselines: what it is measured against, the first that has been run: the plain fine-tune of equally many steps
            with its settings; for a method that is no fine-tune, the plain fine-tune beside it.
        library: that it needs, which the extra `compare` brings.
        deterministic: whether it does the same with the same rows whatever the seed.
    """

    run: Callable[[Split, Setting], Outcome]
    says: str
    baselines: tuple[str, ...] = ()
    library: str | None = None
    deterministic: bool = False

    def require_library(self) -> None:
        """Raise `InputError` where the library is not installed."""
        if self.library is not None:
            require("compare", self.library)


_FINE_TUNES = ("bert", "bert-tuned", "default-plain")

METHODS = {
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
    "tfidf": Method(tfidf, "logistic regression on TF-IDF", _FINE_TUNES, deterministic=True),
    "embed": Method(
        embed, "logistic regression on text vectors of the frozen encoder", _FINE_TUNES, deterministic=True
    ),
    "self-training": Method(
        self_training, "scikit-learn's self-training on the same vectors", _FINE_TUNES, deterministic=True
    ),
    "setfit": Method(setfit, "SetFit for an epoch of its pairs, at most 500 steps", _FINE_TUNES, library="setfit"),
}
"""By name. `NAME:FIELD=VALUE+FIELD=VALUE` is a method with other choices of its recipe, as `gan-bert:noise=uniform`."""


def method_named(name: str) -> Method:
    """Return a method of the registry, with the settings that follow its name.

    Its baseline has the same settings, but for those that only unlabelled rows need and those it differs in by nature.

    Raises:
        InputError: there is no such method or no such setting; says what there is.
    """
    base, _, text = name.partition(":")
    if base not in METHODS:
        raise InputError(f"no method {base!r}: choose among {', '.join(METHODS)}")
    method = METHODS[base]
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


def _with_shared(settings: dict[str, str], baseline: str, recipe: Recipe) -> str:
    """Return the name of a baseline with those of a method's settings that it is to have as well."""
    fine_tuning = METHODS[baseline].run
    assert isinstance(fine_tuning, FineTuning)
    own = OF_UNLABELLED_ROWS | fine_tuning.recipe.changes_from(recipe).keys()
    shared = [f"{key}={value}" for key, value in settings.items() if key not in own]
    return f"{baseline}:{'+'.join(shared)}" if shared else baseline
