"""The registry of methods to compare, all with the same encoder, rows and seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ganbert.errors import InputError
from ganbert.evaluation.classical import embed, self_training, tfidf
from ganbert.evaluation.fine_tuning import fine_tuned
from ganbert.evaluation.setfit import setfit
from ganbert.evaluation.setting import Outcome, Setting
from ganbert.evaluation.splits import Split
from ganbert.recipe import BERT, CODE, DEFAULT, PAPER


@dataclass(frozen=True)
class Method:
    """A method of the registry.

    Attributes:
        run: the method itself; the last argument holds settings of a recipe, as in `--set`.
        says: what it is, in a line.
        baseline: the method that it is measured against: the fine-tune of equally many steps with its settings.
    """

    run: Callable[[Split, Setting, Mapping[str, str]], Outcome]
    says: str
    baseline: str | None = None


METHODS = {
    "bert-epochs": Method(
        fine_tuned(BERT, equal_epochs=True),
        "the paper's baseline: plain fine-tuning for as many epochs as GAN-BERT, so a few steps",
        "bert",
    ),
    "bert": Method(fine_tuned(BERT), "plain fine-tuning with the paper's settings for as many steps as GAN-BERT"),
    "gan-bert": Method(fine_tuned(PAPER), "GAN-BERT with the paper's recipe", "bert"),
    "gan-bert-code": Method(fine_tuned(CODE), "GAN-BERT with the recipe of the authors' code", "bert"),
    "joint": Method(
        fine_tuned(dataclasses.replace(CODE, joint=True)),
        "what the PyTorch port computes: all networks descend the sum of both losses",
        "bert",
    ),
    "default": Method(fine_tuned(DEFAULT, of_paper=False), "the default recipe of ganbert", "default-plain"),
    "default-plain": Method(
        fine_tuned(DEFAULT.plain(), of_paper=False), "the default recipe without its adversary, equally many steps"
    ),
    "tfidf": Method(tfidf, "logistic regression on TF-IDF", "bert"),
    "embed": Method(embed, "logistic regression on text vectors of the frozen encoder", "bert"),
    "self-training": Method(self_training, "scikit-learn's self-training on the same vectors", "bert"),
    "setfit": Method(setfit, "SetFit, at most 500 steps", "bert"),
}
"""By name. `NAME:FIELD=VALUE+FIELD=VALUE` is a method with other choices of its recipe, as `gan-bert:noise=uniform`."""


def method_named(name: str) -> tuple[Method, dict[str, str]]:
    """Return a method of the registry and the settings that follow its name.

    Raises:
        InputError: there is no such method or no such setting; says what there is.
    """
    base, _, text = name.partition(":")
    if base not in METHODS:
        raise InputError(f"no method {base!r}: choose among {', '.join(METHODS)}")
    settings = {}
    for part in text.split("+") if text else []:
        field_name, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"method {name!r}: write its settings as {base}:noise=uniform+pooling=mean")
        settings[field_name.strip()] = value.strip()
    try:
        DEFAULT.with_settings(settings)
    except ValueError as error:
        raise InputError(f"method {name!r}: {error}") from error
    return METHODS[base], settings
