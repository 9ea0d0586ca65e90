"""GanBertClassifier: training and prediction as a scikit-learn estimator.

How it is stored in a model folder is in `folder`; how X and y are read, in `ganbert.data.arrays`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ganbert.data.arrays import corpus_of_arrays, labels_of, minus_one_slip, texts_of, weights_of
from ganbert.errors import InputError, InterruptedRunError
from ganbert.model.problem import ONE_OF_K
from ganbert.model.tokenizers import TextCounts
from ganbert.predict.backends import TRAINED, read_folder
from ganbert.predict.predictor import Predictions, Predictor
from ganbert.predict.torch_backend import load_model
from ganbert.runtime import Precision, choose_compute, drawn_seed, global_random_numbers_kept, quiet_libraries
from ganbert.sklearn import folder as estimator_folder
from ganbert.storage.folders import is_finished, is_unfinished, scratch
from ganbert.storage.hub import check_repo_id, push_folder
from ganbert.training.callbacks import LOG_FILE
from ganbert.training.recipe import RECIPES, Recipe
from ganbert.training.report import TrainingResult
from ganbert.training.train import say_on_stderr, train

_NOT_SAVED = ("output", "overwrite", "seed")
"""Parameters that are not saved; instead of `seed`, the seed that was used is."""


class GanBertClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A text classifier for scikit-learn: `Pipeline`, `cross_val_score`, `GridSearchCV`.

        classifier = GanBertClassifier(max_steps=200).fit(texts, labels)  # labels: None, -1 or nan where there is none
        classifier.predict(["where is my parcel?"])
        classifier.save("model"); GanBertClassifier.from_folder("model")  # no pickle; `ganbert predict` opens it, too

    A text is a string, or a pair of strings (two columns). Parameters have the names and meanings of the options of
    `ganbert train`. To cross-validate with unlabelled rows, use `LabelledFolds`.

    Args:
        encoder: a Hub name, a folder, or "minilm".
        recipe: the method: "default", "paper", "code", "bert" or "bert-tuned", or a `Recipe`.
        max_steps: optimiser steps; like the next five, None keeps the recipe's value.
        epochs: passes over the rows, if `max_steps` is None.
        batch_size: rows a batch.
        max_length: tokens kept of a text.
        learning_rate: peak learning rate of the encoder.
        pooling: text vector: "auto", "cls", "pooler", "mean" or "last".
        seed: a number, or what scikit-learn calls a `random_state`; None draws another seed in each fit.
        settings: further fields of the recipe, by name.
        validation_fraction: share of the labelled rows, above 0 and below 1, that choose the best of several
            checkpoints and are not learned from; None keeps the last one.
        early_stopping: stop after this many validations without a better result; needs `validation_fraction`.
        device: "auto" (an accelerator if there is one), "cpu", "cuda" or "mps".
        precision: "auto" (bfloat16 where the processor has it), "float32" or "bfloat16".
        threads: of the processor; None takes as many as are useful.
        output: folder for the trained model, with log, plots and model card; None keeps no files.
        overwrite: replace the model that `output` holds, which is refused otherwise.
        progress: show progress bars and notes on standard error.
        class_names: what classes are called in words: a mapping from a class, as it stands in `y`, to its text or
            texts, or "auto", which takes the labels that are words. Classes that are named here need no labelled text.
        teacher_encoder: what the teacher stands on, if it is to be another encoder, which may be larger.

    Attributes:
        classes_: [k], the classes, sorted; those that only `class_names` has among them.
        recipe_: the recipe that was used.
        n_steps_: the number of optimiser steps.
        seed_: the seed that was used.
        fallback_: why the recipe learned from labelled rows alone although it asks for more; None if it did not.
        n_cut_: how many training texts were longer than the maximum length, and cut.
        warnings_: the warnings of the health checks.
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
        class_names: Mapping[Any, str | Sequence[str]] | str | None = None,
        teacher_encoder: str | Path | None = None,
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
        self.class_names = class_names
        self.teacher_encoder = teacher_encoder

    def fit(
        self,
        X: Sequence[Any] | NDArray[Any],  # noqa: N803
        y: Sequence[Any] | NDArray[Any],
        sample_weight: Sequence[float] | NDArray[Any] | None = None,
    ) -> Self:
        """Train on texts, of which some have a label.

        Args:
            X: n texts, or n pairs of texts. No text may be empty.
            y: n labels of one type. A text has no label if its label is None, nan, NA, the number -1 or blank text; in
                an array of strings also if it is "nan", because NumPy writes nan like that.
            sample_weight: n weights of the labelled rows in the cross-entropy (the teacher's, too), relative to their
                mean. The other losses ignore them. A row of weight 0, labelled or not, is left out.

        Warns:
            UserWarning: the recipe learned from labelled rows alone, texts were cut, or labels look like mistakes.

        Raises:
            ValueError: lengths differ, fewer than two classes have a label or a name, or a parameter is not valid.
                `InputError` is a ValueError.
            RunError: training failed, for example because a loss is no longer finite.
        """
        with contextlib.ExitStack() as stack:
            if not self.progress:
                stack.enter_context(quiet_libraries())
            stack.enter_context(_in_words_of_python())
            self._check_parameters()
            recipe, seed = self._recipe(), drawn_seed(self.seed)
            classes, corpus = corpus_of_arrays(X, y, sample_weight, self.class_names)
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
                    teacher_encoder=None if self.teacher_encoder is None else str(self.teacher_encoder),
                    seed=seed,
                    compute=compute,
                    early_stopping=self.early_stopping,
                    overwrite=self.overwrite,
                    progress=self.progress,
                    say=_say if self.progress else lambda message: None,
                )
            except InterruptedRunError as error:  # not a failed fit, after which a grid search would go on
                raise KeyboardInterrupt(error.signal_number) from error
            log = (output / LOG_FILE).read_text(encoding="utf-8").splitlines()
            predictor = Predictor(result.model, result.tokenizer, compute=compute)
        # All at once: a fit that fails leaves the classifier as an earlier fit left it.
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
        """Return the most probable class of each text: [n], in the type of `classes_`."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[ONE_OF_K.decide(probabilities)])

    def predict_proba(self, X: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:  # noqa: N803
        """Return the probabilities of the classes: [n, k] float32, columns in the order of `classes_`."""
        return self._predictions(X).probabilities[:, self.columns_]

    def novelty(self, X: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32] | None:  # noqa: N803
        """Return how much each text looks like none of the training texts.

        Returns:
            [n] float32, the fake-class probabilities, from 0 to 1; None if the model was trained without an adversary.
        """
        return self._predictions(X).novelty

    def score(self, X: Sequence[Any], y: Sequence[Any], sample_weight: Any = None) -> float:  # noqa: N803
        """Return the accuracy on the rows that have a label; unlabelled rows of a test fold are ignored.

        scikit-learn's scorers (`scoring="accuracy"`) count unlabelled rows as errors; use `LabelledFolds` with them.

        Raises:
            ValueError: no row has a label.
        """
        texts, pairs = texts_of(X, empty=True)
        rows, known = labels_of(y, len(texts))
        if len(rows) == 0:
            raise ValueError("y holds no label: there is nothing to score")
        weights = None if sample_weight is None else weights_of(sample_weight, len(texts))[rows]
        chosen = [texts[i] if pairs is None else (texts[i], pairs[i]) for i in rows]
        return float(super().score(chosen, known, weights))

    def save(self, folder: str | Path) -> None:
        """Write a model folder like that of `ganbert train`, with the parameters and the attributes of `fit`.

        Args:
            folder: a folder that does not exist or is empty.

        Raises:
            InputError: the folder is not empty, or this classifier was opened from an exported model.
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

    def push_to_hub(
        self,
        repo_id: str,
        *,
        token: str | None = None,
        private: bool = True,
        message: str = "Upload a model trained with ganbert",
    ) -> str:
        """Upload what `save` writes to the Hugging Face Hub, model card included, and return the address of its page.

        Args:
            repo_id: `user/name`, or a name alone for a repository of your own. It is made if it does not exist.
            token: an access token that may write there; None takes the one of `hf auth login`, or of `HF_TOKEN`.
            private: whether only its owner sees a new repository. The model card quotes a few training texts: look at
                it before you make the repository public.
            message: of the commit.

        Raises:
            InputError: this classifier came from an exported model, the name is not valid, or the Hub does not let this
                user write.
            RunError: the Hub cannot be reached, or something fails there.
        """
        check_repo_id(repo_id)
        with scratch() as place:
            folder = place / repo_id.rpartition("/")[2]  # the model card names it
            self.save(folder)
            with contextlib.nullcontext() if self.progress else quiet_libraries():
                return push_folder(folder, repo_id, token=token, private=private, message=message)

    @classmethod
    def from_folder(
        cls, folder: str | Path, *, device: str = "auto", precision: Precision = "auto", threads: int | None = None
    ) -> Self:
        """Open a folder that `save`, `ganbert train` or `ganbert export` wrote; the result predicts, and can be fitted.

        `classes_` have the type they had in `fit`; those of `ganbert train` are text. What the folder does not say is
        None: after `ganbert train`, for example, `recipe_` and `n_steps_`.

        Args:
            folder: the model folder.
            device: as for the class.
            precision: as for the class.
            threads: as for the class.

        Raises:
            InputError: the folder holds no model of ganbert, or the device or precision is not available.
        """
        folder = Path(folder)
        with quiet_libraries(), _in_words_of_python():
            (backend, config), model, tokenizer = read_folder(folder), None, None
            if backend != TRAINED:
                predictor = Predictor.load(folder, device=device, precision=precision, threads=threads)
            else:
                model, tokenizer = load_model(folder)
                predictor = Predictor(model, tokenizer, compute=choose_compute(device, precision, threads))
            classes = estimator_folder.read_classes(folder, config, predictor.label_names)
            facts = estimator_folder.read_facts(folder, config)
        known = cls().get_params(deep=False)
        given = {name: value for name, value in facts["params"].items() if name in known}
        seed = facts.get("seed")
        loaded: Any = cls(
            **given
            | {"seed": 0 if seed is None else seed, "device": device, "precision": precision, "threads": threads}
        )
        # scikit-learn expects sorted classes; the ids of a model of `ganbert train` may be in another order.
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
    """Make an `InputError` name parameters instead of options of the command."""
    try:
        yield
    except InputError as error:
        raise InputError(_words_of_python(str(error))) from error


def _words_of_python(message: str) -> str:
    """Return a message with parameters instead of options: `max_steps` for `--max-steps`."""
    message = re.sub(r" \([^()]*--(normalize-labels|[a-z-]*-column)[^()]*\)", "", message)  # hints on tables
    names = {"set": "settings", "overwrite": "overwrite=True", "none-label": "None in place of"}
    return re.sub(
        r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)", lambda option: names.get(option[1], option[1].replace("-", "_")), message
    )


def _say(message: str) -> None:
    say_on_stderr(_words_of_python(message))
