"""GanBertClassifier: train and predict as scikit-learn does."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ganbert.data.arrays import corpus_of_arrays, labels_of, minus_one_slip, texts_of, weights_of
from ganbert.errors import InputError, InterruptedRunError
from ganbert.model.tokenizers import TextCounts
from ganbert.predict.onnx_backend import read_export
from ganbert.predict.predictor import Predictions, Predictor
from ganbert.predict.torch_backend import load_model, load_model_tokenizer
from ganbert.runtime import Precision, choose_compute, drawn_seed, global_random_numbers_kept, quiet_libraries
from ganbert.sklearn import folder as estimator_folder
from ganbert.storage.fields import read_config
from ganbert.storage.folders import is_finished, is_unfinished, scratch
from ganbert.training.callbacks import LOG_FILE
from ganbert.training.recipe import RECIPES, Recipe
from ganbert.training.report import TrainingResult
from ganbert.training.train import say_on_stderr, train

_NOT_SAVED = ("output", "overwrite", "seed")
"""Parameters that a saved classifier does not take along; as its seed it keeps the one that was drawn."""


class GanBertClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A text classifier for `Pipeline`, `cross_val_score` and `GridSearchCV`.

    classifier = GanBertClassifier(max_steps=200).fit(texts, labels)      # labels: None, -1 or nan where there is none
    classifier.predict(["where is my parcel?"])
    classifier.save("model"); GanBertClassifier.from_folder("model")      # no pickle; `ganbert predict` opens it, too

    A text is a string, or a pair of strings (two columns). Parameters are named as the options of `ganbert train`;
    those that are None leave the recipe's value alone, and `settings` sets any other field of the recipe. `seed` is a
    number, or what scikit-learn calls a `random_state`: None draws another one in each fit. `overwrite=True` replaces a
    model that `output` holds; otherwise that is refused. Cross-validation with unlabelled rows: `LabelledFolds`.

    Attributes:
        classes_: [k], the classes, sorted.
        recipe_: the recipe as it was trained.
        n_steps_: optimiser steps taken.
        seed_: the seed that was used.
        fallback_: why the recipe learned from labelled rows alone although it asks for more; None if it ran as asked.
        n_cut_: training texts longer than the maximum length, which were cut.
        warnings_: what the health watch had to say.
    """

    def __init__(
        self,
        encoder: str | Path = "minilm",
        recipe: str | Recipe = "default",
        max_steps: int | None = None,
        seed: int | np.random.RandomState | np.random.Generator | None = 0,
        epochs: float | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        learning_rate: float | None = None,
        pooling: str | None = None,
        settings: dict[str, Any] | None = None,
        validation_fraction: float | None = None,
        early_stopping: int | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        threads: int | None = None,
        output: str | Path | None = None,
        overwrite: bool = False,
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
        self.device = device
        self.precision = precision
        self.threads = threads
        self.output = output
        self.overwrite = overwrite
        self.progress = progress

    def fit(
        self,
        X: Sequence[Any] | NDArray[Any],  # noqa: N803
        y: Sequence[Any] | NDArray[Any],
        sample_weight: Sequence[float] | NDArray[Any] | None = None,
    ) -> Self:
        """Train on texts, of which some have a label.

        Args:
            X: n texts, or n pairs of texts. An empty text is refused here, and taken by `predict`.
            y: n labels of one type; None, nan, NA, -1 (the number) or blank text for a text without one. "nan" in an
                array of strings is none either, because NumPy writes nan like that.
            sample_weight: n weights of the labelled rows in the cross-entropy (the teacher's, too), relative to their
                mean. The other losses do not know them. A row of weight 0, labelled or not, is left out.

        Warns:
            UserWarning: the recipe learned from labelled rows alone, texts were cut, or labels look like slips.

        Raises:
            ValueError: lengths differ, fewer than two classes are labelled, or a parameter cannot be used.
        """
        with contextlib.ExitStack() as stack:
            if not self.progress:
                stack.enter_context(quiet_libraries())
            stack.enter_context(_in_words_of_python())
            self._check_parameters()
            recipe, seed = self._recipe(), drawn_seed(self.seed)
            classes, corpus = corpus_of_arrays(X, y, sample_weight)
            if self.validation_fraction is not None:
                corpus = corpus.hold_out(self.validation_fraction, seed)
            compute = choose_compute(self.device, self.precision, self.threads)
            stack.enter_context(global_random_numbers_kept())
            output = Path(self.output or stack.enter_context(scratch()) / "model")
            try:
                result = train(
                    recipe,
                    corpus,
                    output,
                    encoder=str(self.encoder),
                    seed=seed,
                    compute=compute,
                    early_stopping=self.early_stopping,
                    overwrite=self.overwrite,
                    progress=self.progress,
                    say=_say if self.progress else _say_nothing,
                )
            except InterruptedRunError as error:  # no failed fit, after which a search would begin the next
                raise KeyboardInterrupt(error.signal_number) from error
            log = (output / LOG_FILE).read_text(encoding="utf-8").splitlines()
            predictor = Predictor(result.model, result.tokenizer, compute=compute)
        # All at once: a fit that fails leaves the classifier of an earlier one as it was.
        self.classes_, self.columns_, self.seed_ = classes, np.arange(len(classes)), seed
        self.recipe_, self.n_steps_, self.warnings_ = result.recipe, result.steps, result.warnings
        self.fallback_ = None if result.fallback is None else _words_of_python(result.fallback)
        self.n_cut_ = result.n_cut
        self.model_, self.tokenizer_, self.result_ = result.model, result.tokenizer, result
        self.log_ = [json.loads(record) for record in log]
        self.predictor_ = predictor
        self._warn_of_fit(result, len(corpus.train))
        return self

    def predict(self, X: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """Return the [n] most probable classes."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:  # noqa: N803
        """Return the [n, k] probabilities of the classes, in the order of `classes_`."""
        return self._predictions(X).probabilities[:, self.columns_]

    def novelty(self, X: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32] | None:  # noqa: N803
        """Return the [n] fake-class probabilities; None if the model was trained without unlabelled texts."""
        return self._predictions(X).novelty

    def score(self, X: Sequence[Any], y: Sequence[Any], sample_weight: Any = None) -> float:  # noqa: N803
        """Return the accuracy on the rows that have a label: cross-validation may put others into a test fold.

        scikit-learn's other scorers (`scoring="accuracy"`) count unlabelled rows as errors: use `LabelledFolds` there.
        """
        texts, pairs = texts_of(X, empty=True)
        rows, known = labels_of(y, len(texts))
        if len(rows) == 0:
            raise ValueError("y holds no label: there is nothing to score")
        weights = None if sample_weight is None else weights_of(sample_weight, len(texts))[rows]
        chosen = [texts[i] if pairs is None else (texts[i], pairs[i]) for i in rows]
        return float(super().score(chosen, known, weights))

    def save(self, folder: str | Path) -> None:
        """Write a model folder as `ganbert train` leaves it, with the parameters and what `fit` found; no pickle.

        Args:
            folder: does not exist yet, or is empty.

        Raises:
            InputError: there is something in the folder, or this classifier came from an exported model.
            OSError: it cannot be written.
        """
        check_is_fitted(self, "predictor_")
        if self.model_ is None:
            raise InputError("this classifier came from an exported model: copy that folder")
        given = {name: value for name, value in self.get_params(deep=False).items() if name not in _NOT_SAVED}
        facts = {name: getattr(self, f"{name}_", None) for name in ("recipe", "n_steps", "fallback", "n_cut", "seed")}
        with quiet_libraries(), _in_words_of_python():
            estimator_folder.write_folder(
                Path(folder), self.model_, self.tokenizer_, {"params": given, **facts}, self.result_, self.log_
            )

    @classmethod
    def from_folder(
        cls, folder: str | Path, *, device: str = "auto", precision: Precision = "auto", threads: int | None = None
    ) -> Self:
        """Open what `save`, `ganbert train` or `ganbert export` left; it predicts, and can be fitted anew.

        `classes_` are as they were in `fit`; a model of `ganbert train` knows them as text. What the folder does not
        say, such as `recipe_` and `n_steps_`, is None.

        Args:
            folder: the model folder.
            device, precision, threads: as for the class.

        Raises:
            InputError: the folder holds no model of ganbert, or it cannot be computed like that.
        """
        folder = Path(folder)
        with quiet_libraries(), _in_words_of_python():
            config, model, tokenizer = read_config(folder), None, None
            if read_export(folder) is not None:
                predictor = Predictor.load(folder, device=device, precision=precision, threads=threads)
            else:
                model = load_model(folder)
                tokenizer = load_model_tokenizer(folder, model)
                predictor = Predictor(model, tokenizer, compute=choose_compute(device, precision, threads))
            classes = estimator_folder.read_classes(folder, config, predictor.label_names)
            facts = estimator_folder.read_facts(folder, config)
        known = cls._get_param_names()
        given = {name: value for name, value in facts["params"].items() if name in known}
        seed = facts.get("seed")
        loaded: Any = cls(
            **given
            | {"seed": 0 if seed is None else seed, "device": device, "precision": precision, "threads": threads}
        )
        # scikit-learn takes the columns for sorted; the ids of a model of `ganbert train` may be in another order.
        loaded.columns_ = np.argsort(classes, kind="stable")
        loaded.classes_ = classes[loaded.columns_]
        loaded.seed_, loaded.recipe_, loaded.n_steps_ = seed, facts.get("recipe"), facts.get("n_steps")
        loaded.fallback_, loaded.n_cut_, loaded.warnings_ = facts.get("fallback"), facts.get("n_cut"), ()
        loaded.model_, loaded.tokenizer_, loaded.predictor_ = model, tokenizer, predictor
        loaded.result_, loaded.log_ = None, []
        return cast(Self, loaded)

    def _predictions(self, X: Sequence[Any] | NDArray[Any]) -> Predictions:  # noqa: N803
        check_is_fitted(self, "predictor_")
        texts, pairs = texts_of(X, empty=True)
        wants_pairs = self.predictor_.backend.text_pairs
        if texts and wants_pairs != (pairs is not None):
            trained, given = ("pairs of texts", "single ones") if wants_pairs else ("single texts", "pairs")
            raise ValueError(f"X holds {given}, and this classifier was trained on {trained}")
        found = self.predictor_.predict(texts, (pairs or []) if wants_pairs else None)
        for note in found.counts.notes(self.predictor_.tokens.format.max_length):
            warnings.warn(note, stacklevel=3)
        return found

    def _warn_of_fit(self, result: TrainingResult, n: int) -> None:
        minus_one = minus_one_slip(self.classes_.tolist())
        texts = TextCounts(n, result.n_cut, result.n_unknown).notes(self.tokenizer_.model_max_length, "training texts")
        for slip in (minus_one, *map(_words_of_python, result.slips), self.fallback_, *texts):
            if slip is not None:
                warnings.warn(slip, stacklevel=3)

    def _check_parameters(self) -> None:
        fraction, patience = self.validation_fraction, self.early_stopping
        if fraction is not None and not 0 < fraction < 1:
            raise ValueError(f"validation_fraction={fraction!r}: must be above 0 and below 1")
        if patience is not None and fraction is None:
            raise ValueError("early_stopping needs validation_fraction")
        if patience is not None and patience < 1:
            raise ValueError(f"early_stopping={patience!r}: must be 1 or above")
        if self.output is not None and not self.overwrite:
            output = Path(self.output)
            if is_finished(output) or is_unfinished(output):
                raise InputError("holds a model or a run: give another output, or overwrite=True", path=output)

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


@contextlib.contextmanager
def _in_words_of_python() -> Iterator[None]:
    """Let an `InputError` name parameters where it names options of the command."""
    try:
        yield
    except InputError as error:
        raise InputError(_words_of_python(str(error))) from error


def _words_of_python(message: str) -> str:
    """Return a message with parameters in place of options: `max_steps` for `--max-steps`."""
    message = re.sub(r" \([^()]*--(normalize-labels|[a-z-]*-column)[^()]*\)", "", message)  # hints on tables
    names = {"set": "settings", "overwrite": "overwrite=True", "none-label": "None in place of"}
    return re.sub(
        r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)", lambda option: names.get(option[1], option[1].replace("-", "_")), message
    )


def _say(message: str) -> None:
    say_on_stderr(_words_of_python(message))


def _say_nothing(message: str) -> None:
    """Keep to oneself what the command says."""
