"""Methods to compare: each one function from a split to predictions, all with the same encoder, rows and seed."""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbert.compute import Compute
from ganbert.errors import InputError
from ganbert.evaluation.splits import Split
from ganbert.recipe import BERT, CODE, DEFAULT, PAPER, Recipe


@dataclass(frozen=True)
class Setting:
    """What all methods of a comparison share.

    Attributes:
        encoder: a Hub name, a folder, or `minilm`.
        seed: of everything random in training; the split has been made with it as well.
        compute: device, precision and threads.
        max_length: tokens kept of a text.
        epochs, learning_rate: of the paper's recipe on this task; with the split they set everyone's number of steps.
        max_steps: of everyone, in place of that.
    """

    encoder: str
    seed: int
    compute: Compute
    max_length: int = PAPER.max_length
    epochs: float = PAPER.epochs
    learning_rate: float = PAPER.encoder_lr
    max_steps: int | None = None

    def paper(self, recipe: Recipe) -> Recipe:
        """Return a recipe with the paper's epochs and learning rate for this task."""
        rate = self.learning_rate
        return dataclasses.replace(
            recipe, epochs=self.epochs, encoder_lr=rate, discriminator_lr=rate, generator_lr=rate
        )

    def n_steps(self, split: Split) -> int:
        """Return the steps of the paper's GAN-BERT on this split, which all methods take."""
        if self.max_steps is not None:
            return self.max_steps
        return self.paper(PAPER).n_steps(len(split.corpus.labelled), len(split.corpus.unlabelled))


@dataclass(frozen=True)
class Outcome:
    """What a method makes of a split.

    Attributes:
        probabilities: [n_test, k].
        seconds: of training, without predictions.
        steps: optimiser steps; 0 for methods that take none.
        labelled_shown: how often a labelled row was shown, in the mean.
        tokens: that training read, without padding.
        recipe: the choices in which it differs from the paper's recipe, or all it has of its own.
        health: last figures of the game.
        warnings: what the health watch had to say.
    """

    probabilities: NDArray[np.floating[Any]]
    seconds: float
    steps: int = 0
    labelled_shown: float = 1.0
    tokens: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """A method of the registry.

    Attributes:
        run: the method itself; the last argument holds settings of a recipe, as in `--set`.
        says: what it is, in a line.
        baseline: the method that it is measured against: the fine-tune of equally many steps with its settings.
        extra: what to install for it.
    """

    run: Callable[[Split, Setting, Mapping[str, str]], Outcome]
    says: str
    baseline: str | None = None
    extra: str | None = None


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
    from ganbert.inference.predictor import Predictor
    from ganbert.training.train import train

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
        predictor.predict(*_texts(rows)).probabilities,
        result.seconds,
        result.steps,
        result.labelled_shown,
        result.tokens,
        result.recipe.changes_from(PAPER),
        result.health,
        result.warnings,
    )


def tfidf(split: Split, setting: Setting, settings: Mapping[str, str]) -> Outcome:
    """Logistic regression on TF-IDF of words; inverse document frequencies are those of all training rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    _refuse(settings)
    began = time.perf_counter()
    vectorizer = TfidfVectorizer(sublinear_tf=True).fit(_joined(split.corpus.train))
    vectors = vectorizer.transform(_joined(split.corpus.train.select(split.corpus.labelled)))
    classifier = _logistic_regression().fit(vectors, split.corpus.labels[split.corpus.labelled])
    seconds = time.perf_counter() - began
    return Outcome(classifier.predict_proba(vectorizer.transform(_joined(split.test))), seconds)


def embed(split: Split, setting: Setting, settings: Mapping[str, str]) -> Outcome:
    """Logistic regression on the text vectors of the encoder as it comes."""
    return _on_embeddings(split, setting, settings, split.corpus.labelled, _logistic_regression())


def self_training(split: Split, setting: Setting, settings: Mapping[str, str]) -> Outcome:
    """The same with scikit-learn's self-training: confident predictions of unlabelled rows become labels."""
    from sklearn.semi_supervised import SelfTrainingClassifier

    everything = np.arange(len(split.corpus.train))
    return _on_embeddings(split, setting, settings, everything, SelfTrainingClassifier(_logistic_regression()))


def _on_embeddings(
    split: Split, setting: Setting, settings: Mapping[str, str], rows: NDArray[np.int64], classifier: Any
) -> Outcome:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from ganbert.inference.vectors import Encoder

    _refuse(settings)
    began = time.perf_counter()
    encoder = Encoder(setting.encoder, setting.max_length, setting.compute)
    labels = np.where(split.corpus.labels < 0, -1, split.corpus.labels)  # scikit-learn's mark of an unlabelled row
    model = make_pipeline(StandardScaler(), classifier)
    model.fit(encoder(*_texts(split.corpus.train.select(rows))), labels[rows])
    seconds = time.perf_counter() - began
    return Outcome(model.predict_proba(encoder(*_texts(split.test))), seconds)


def setfit(split: Split, setting: Setting, settings: Mapping[str, str]) -> Outcome:
    """SetFit (Tunstall et al. 2022) as its library has it, at most 500 steps of contrastive training."""
    from ganbert.evaluation.setfit import train_setfit

    _refuse(settings)
    return train_setfit(split, setting)


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
    "setfit": Method(setfit, "SetFit, at most 500 steps", "bert", "compare"),
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


def _refuse(settings: Mapping[str, str]) -> None:
    if settings:
        raise InputError(f"{', '.join(settings)}: settings of a recipe, which this method does not have")


def _logistic_regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def _texts(rows: Any) -> tuple[list[str], list[str] | None]:
    return rows["text"][:], rows["text_pair"][:] if "text_pair" in rows.column_names else None


def _joined(rows: Any) -> list[str]:
    texts, pairs = _texts(rows)
    return texts if pairs is None else [f"{text} {pair}" for text, pair in zip(texts, pairs, strict=True)]
