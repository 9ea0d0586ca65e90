"""A fitted classifier as a model folder, without pickle: like that of `ganbert train`, plus parameters and attributes.

The additions stand in config.json: parameters and attributes of the estimator, and the classes in their own type.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganbert.data.arrays import names_of_classes
from ganbert.errors import InputError
from ganbert.storage.folders import is_finished, is_unfinished, scratch
from ganbert.training import run_folder
from ganbert.training.callbacks import LOG_FILE
from ganbert.training.recipe import Recipe
from ganbert.training.report import TrainingResult, plot_training, write_model_card

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ganbert.model.modeling import GanBertForSequenceClassification

FACTS_KEY, CLASSES_KEY = "estimator", "class_values"
"""Entries of config.json, which an export keeps."""


def read_classes(folder: Path, config: Mapping[str, Any], label_names: Sequence[str]) -> NDArray[Any]:
    """Return the classes of a model in the order of their ids: [k], in the type of `y`, or as text.

    Raises:
        InputError: config.json names other classes than the model has.
    """
    stored = config.get(CLASSES_KEY)
    if stored is None:
        return np.array(label_names)
    try:
        dtype = np.dtype(stored["dtype"])
        classes = np.array(stored["values"], dtype=dtype if dtype.kind in "biufUO" else None)
        fits = classes.ndim == 1 and names_of_classes(classes.tolist()) == list(label_names)
    except (LookupError, TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise InputError(f"config.json: {CLASSES_KEY} are not the classes of id2label", path=folder)
    return classes


def read_facts(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that `write_folder` was given; only empty `params` if no estimator wrote the folder.

    Raises:
        InputError: they are not what `write_folder` writes.
    """
    try:
        facts = {name: _restored(value) for name, value in config.get(FACTS_KEY, {}).items()}
        return facts | {"params": dict(facts.get("params", {}))}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"config.json: {FACTS_KEY} cannot be read ({error})", path=folder) from error


def write_folder(
    folder: Path,
    model: GanBertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    facts: Mapping[str, Any],
    result: TrainingResult | None,
    log: Sequence[dict[str, float]],
) -> None:
    """Write a model folder, whole or not at all.

    Args:
        folder: a folder that does not exist or is empty.
        model, tokenizer: what to write.
        facts: parameters and attributes of the estimator, for config.json.
        result, log: of the training, for model card and plots; None and empty if they are not known.

    Raises:
        InputError: the folder is not empty.
        OSError: it cannot be written.
    """
    if is_finished(folder) or is_unfinished(folder):
        raise InputError("holds a model or a run: give a new or empty folder", path=folder)
    run_folder.check_output(folder, resume=False, overwrite=False)
    model.config.update({FACTS_KEY: {name: _plain(value) for name, value in facts.items()}})
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch(folder.parent) as beside:
        part = beside / folder.resolve().name
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        if result is not None:
            (part / LOG_FILE).write_text("".join(json.dumps(record) + "\n" for record in log), encoding="utf-8")
            plot_training(list(log), part)
            write_model_card(dataclasses.replace(result, output=part))
        run_folder.finish(part, tokenizer.vocab_files_names.values())
        if folder.exists():
            folder.rmdir()
        os.replace(part, folder)


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; a recipe by its fields."""
    if isinstance(value, Recipe):
        return {"recipe": dataclasses.asdict(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return value


def _restored(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"recipe"} and isinstance(value["recipe"], dict):
        return Recipe(**value["recipe"])
    return {name: _restored(item) for name, item in value.items()}
