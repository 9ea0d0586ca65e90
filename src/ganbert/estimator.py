"""GanBertClassifier: train and predict as scikit-learn does."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ganbert.compute import Precision, choose_compute
from ganbert.data.corpus import corpus_of_texts
from ganbert.inference.predictor import Predictions, Predictor
from ganbert.labels import UNLABELLED
from ganbert.recipe import RECIPES, Recipe
from ganbert.training.train import InterruptedRunError, train


class GanBertClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A text classifier for `Pipeline`, `cross_val_score` and `GridSearchCV`.

    classifier = GanBertClassifier(max_steps=200).fit(texts, labels)      # labels: None, -1 or nan where there is none
    classifier.predict(["where is my parcel?"])

    A text is a string, or a pair of strings (two columns). Parameters are named as the options of `ganbert train`;
    those that are None leave the recipe's value alone, and `settings` sets any other field of the recipe.

    Attributes:
        classes_: [k], the classes, sorted.
        recipe_: the recipe as it was trained.
        n_steps_: optimiser steps taken.
    """

    def __init__(
        self,
        encoder: str = "minilm",
        recipe: str | Recipe = "default",
        max_steps: int | None = None,
        seed: int = 0,
        epochs: float | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        learning_rate: float | None = None,
        pooling: str | None = None,
        settings: dict[str, Any] | None = None,
        validation_fraction: float | None = None,
        early_stopping: int | None = None,
        precision: Precision = "auto",
        output: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.encoder = encoder
        self.recipe = recipe
        self.max_steps = max_steps
        self.seed = seed
        self.epochs = epochs
        self.batch_size = batch_size
        self.max_length = max_length
        self.learning_rate = learning_rate
        self.pooling = pooling
        self.settings = settings
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.precision = precision
        self.output = output
        self.progress = progress

    def fit(self, X: Sequence[Any] | NDArray[Any], y: Sequence[Any] | NDArray[Any]) -> Self:  # noqa: N803
        """Train on texts, of which some have a label.

        Args:
            X: n texts, or n pairs of texts.
            y: n labels; None, nan or -1 (the number) for a text without one.

        Raises:
            ValueError: lengths differ, fewer than two classes are labelled, or a parameter cannot be used.
        """
        texts, pairs = _texts(X)
        if self.early_stopping is not None and self.validation_fraction is None:
            raise ValueError("early_stopping needs validation_fraction")
        labelled, known = _known_labels(y, len(texts))
        self.classes_ = np.unique(known)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds {len(self.classes_)} class(es): a classifier needs labelled texts of at least two"
            )
        ids = np.full(len(texts), UNLABELLED)
        ids[labelled] = np.searchsorted(self.classes_, known)
        corpus = corpus_of_texts(texts, ids.tolist(), [str(name) for name in self.classes_], pairs)
        if self.validation_fraction is not None:
            corpus = corpus.hold_out(self.validation_fraction, self.seed)
        compute = choose_compute(precision=self.precision)
        with tempfile.TemporaryDirectory(prefix="ganbert-", ignore_cleanup_errors=True) as scratch:
            try:
                result = train(
                    self._recipe(),
                    corpus,
                    Path(self.output or Path(scratch) / "model"),
                    encoder=self.encoder,
                    seed=int(self.seed),
                    compute=compute,
                    early_stopping=self.early_stopping,
                    progress=self.progress,
                    say=lambda message: None,
                )
            except InterruptedRunError as error:  # no failed fit, after which a search would begin the next
                raise KeyboardInterrupt(error.signal_number) from error
        self.recipe_, self.n_steps_, self.warnings_ = result.recipe, result.steps, result.warnings
        self.predictor_ = Predictor(result.model, result.tokenizer, compute=compute)
        return self

    def predict(self, X: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """Return the [n] most probable classes."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:  # noqa: N803
        """Return the [n, k] probabilities of the classes, in the order of `classes_`."""
        return self._predictions(X).probabilities

    def novelty(self, X: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32] | None:  # noqa: N803
        """Return the [n] fake-class probabilities; None if the model was trained without unlabelled texts."""
        return self._predictions(X).novelty

    def score(self, X: Sequence[Any], y: Sequence[Any], sample_weight: Any = None) -> float:  # noqa: N803
        """Return the accuracy on the rows that have a label: cross-validation may put others into a test fold."""
        texts, pairs = _texts(X)
        rows, known = _known_labels(y, len(texts))
        if len(rows) == 0:
            raise ValueError("y holds no label: there is nothing to score")
        weights = None if sample_weight is None else np.asarray(sample_weight)[rows]
        chosen = [texts[i] if pairs is None else (texts[i], pairs[i]) for i in rows]
        return float(super().score(chosen, known, weights))

    def _predictions(self, X: Sequence[Any] | NDArray[Any]) -> Predictions:  # noqa: N803
        check_is_fitted(self, "predictor_")
        return self.predictor_.predict(*_texts(X))

    def _recipe(self) -> Recipe:
        if isinstance(self.recipe, str) and self.recipe not in RECIPES:
            raise ValueError(f"recipe={self.recipe!r}: choose one of {', '.join(RECIPES)}, or give a Recipe")
        recipe = RECIPES[self.recipe] if isinstance(self.recipe, str) else self.recipe
        given: dict[str, Any] = {
            "max_steps": self.max_steps,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "max_length": self.max_length,
            "encoder_lr": self.learning_rate,
            "pooling": self.pooling,
        }
        changes = {name: value for name, value in given.items() if value is not None} | (self.settings or {})
        # A search over np.arange gives numbers that JSON does not know.
        changes = {name: value.item() if isinstance(value, np.generic) else value for name, value in changes.items()}
        if unknown := sorted(changes.keys() - {field.name for field in dataclasses.fields(Recipe)}):
            raise ValueError(f"settings: {', '.join(unknown)}: no field of a recipe")
        return dataclasses.replace(recipe, **changes)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that X holds strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def _is_missing(label: Any) -> bool:
    """Whether a label says "no label": None, nan (pandas: NA), or the number -1."""
    if label is None or label is pd.NA:
        return True
    is_number = isinstance(label, (int, float, np.number)) and not isinstance(label, (bool, np.bool_))
    return is_number and (label == -1 or label != label)


def _known_labels(y: Any, n: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the positions of the rows that have a label, and their labels in the dtype of `y` if it has one."""
    labels = np.asarray(y, dtype=object)
    if len(labels) != n:
        raise ValueError(f"X has {n} texts and y has {len(labels)} labels")
    rows = np.array([i for i, label in enumerate(labels) if not _is_missing(label)], dtype=np.int64)
    dtype = getattr(y, "dtype", None)
    # Lists, object arrays and the dtypes of pandas: whatever NumPy makes of the labels themselves.
    keeps_dtype = isinstance(dtype, np.dtype) and dtype.kind != "O"
    return rows, np.array(list(labels[rows]), dtype=dtype if keeps_dtype else None)


def _texts(X: Sequence[Any] | NDArray[Any]) -> tuple[list[str], list[str] | None]:  # noqa: N803
    """Return texts, and second texts if `X` holds pairs."""
    if isinstance(X, str):
        raise ValueError("X is one string: give a list of texts")
    rows = list(X.to_numpy()) if hasattr(X, "to_numpy") else list(X)
    if rows and isinstance(rows[0], (list, tuple, np.ndarray)):
        width = len(rows[0])
        if width > 2 or any(len(row) != width for row in rows):
            raise ValueError("X holds rows of texts: each must have one or two")
        columns = [list(column) for column in zip(*rows, strict=True)]
    else:
        columns = [rows]
    for column in columns:
        for i, text in enumerate(column):
            if not isinstance(text, str):
                raise ValueError(f"X, row {i}: {type(text).__name__} is not a text")
    return [str(t) for t in columns[0]] if columns else [], [str(t) for t in columns[1]] if len(columns) == 2 else None
