"""Texts, labels and weights as Python programs hold them: lists, arrays, series and frames of any library."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from ganbert.data.class_names import GivenClassNames, class_names_given, names_of
from ganbert.data.corpus import Corpus, corpus_of_texts
from ganbert.labels import NUMBER, UNLABELLED, Classes, label_text

_KEPT_KINDS = "biufU"
"""Kinds of NumPy dtypes that `classes_` takes over from `y`: truth values, numbers and text."""


def corpus_of_arrays(
    X: Any,  # noqa: N803
    y: Any,
    sample_weight: Any = None,
    class_names: GivenClassNames | None = None,
) -> tuple[NDArray[Any], Corpus]:
    """Return the classes, sorted, and the rows to train on; rows of weight 0 are not among them.

    Args:
        X: n texts, or n rows of one or two texts.
        y: n labels.
        sample_weight: n weights.
        class_names: a class to what it is called, or "auto"; classes that it names need no row.

    Raises:
        ValueError: as `texts_of`, `labels_of`, `weights_of`, `names_of_classes`, or there are fewer than two classes.
        InputError: as `class_names_given`.
    """
    texts, pairs = texts_of(X, empty=False)
    rows, known = labels_of(y, len(texts))
    weights = np.ones(len(texts)) if sample_weight is None else weights_of(sample_weight, len(texts))
    known, rows = known[weights[rows] > 0], rows[weights[rows] > 0]
    stated = class_names_given(class_names)
    classes = _with_named(np.unique(known), class_names if isinstance(class_names, Mapping) else stated or {})
    if len(classes) < 2:
        raise ValueError(f"y holds {len(classes)} class(es): a classifier needs labelled texts of at least two")
    if pairs is not None and len(rows) == 0:
        raise ValueError("y holds no label: class names help single texts only, and X holds pairs")
    ids = np.full(len(texts), UNLABELLED)
    if len(rows):
        ids[rows] = np.searchsorted(classes, known)
    kept = np.flatnonzero(weights > 0)
    names = names_of_classes(classes.tolist())
    corpus = corpus_of_texts(
        [texts[i] for i in kept],
        ids[kept].tolist(),
        names,
        None if pairs is None else [pairs[i] for i in kept],
        None if len(set(weights[rows])) < 2 else (weights / weights[rows].mean())[kept].tolist(),  # equal ones are none
    )
    called, notes = names_of(Classes(names), stated, pairs=pairs is not None)
    values = {"dtype": classes.dtype.str, "values": classes.tolist()}
    return classes, dataclasses.replace(corpus, class_names=called, notes=tuple(notes), class_values=values)


def _with_named(classes: NDArray[Any], class_names: Mapping[Any, Any]) -> NDArray[Any]:
    """Return the classes, sorted, with those that only `class_names` has; equal in text is equal."""
    known = {label_text(label) for label in classes.tolist()}
    new = [label for label in class_names if label_text(label) not in known]
    if not new:
        return classes
    if classes.dtype.kind in "iuf":  # a file, and a saved classifier, hold labels as text
        new = [_as_number(label) for label in new]
    try:
        _, labels = labels_of([*classes.tolist(), *new])
    except ValueError as error:
        raise ValueError(f"class_names and y have labels of different types: {error}") from None
    if len(labels) < len(classes) + len(new):
        raise ValueError("class_names: -1 means no label, and has no name")
    return np.unique(labels)


def _as_number(label: Any) -> Any:
    if not isinstance(label, str) or not NUMBER.fullmatch(label):
        return label
    return int(label) if label.lstrip("+-").isdecimal() else float(label)


def texts_of(X: Any, *, empty: bool) -> tuple[list[str], list[str] | None]:  # noqa: N803
    """Return the texts of `X`, and the second texts if it holds pairs.

    Args:
        X: n texts, or n rows of one or two texts.
        empty: whether a text may be empty or blank.

    Raises:
        ValueError: a cell holds something else; names its row, counted from 0.
    """
    rows = _cells(X, "X")
    columns = _columns(rows) if rows and isinstance(rows[0], (list, tuple, np.ndarray)) else [rows]
    for column in columns:
        for i, text in enumerate(column):
            if not isinstance(text, str):
                raise ValueError(f"X, row {i}: {type(text).__name__} is not a text")
            if not empty and not text.strip():
                raise ValueError(f"X, row {i}: empty text: leave such rows out of training")
            if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
                raise ValueError(f"X, row {i}: holds half of a character (a lone surrogate): decode the text anew")
    texts = [[str(text) for text in column] for column in columns]  # `str` makes plain text of `numpy.str_`
    return texts[0], texts[1] if len(texts) == 2 else None


def labels_of(y: Any, n: int | None = None) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the positions of the rows that have a label, and their labels, in the dtype of `y` if it has a usual one.

    No label are None, nan, NA and NaT, the number -1, and text without a visible character; and the text "nan" in an
    array of strings, because NumPy writes nan like that. In a list "nan" is a text that somebody wrote.

    Args:
        y: labels, or one column of them.
        n: how many there must be.

    Raises:
        ValueError: `y` has another length or shape, or labels of several types, or of none that a class can have.
    """
    if y is None:
        raise ValueError("y is None: a classifier needs labels (None, -1 or nan where a text has none)")
    dtype, labels = getattr(y, "dtype", None), _cells(y, "y")
    is_text_array = isinstance(dtype, np.dtype) and dtype.kind == "U"
    if any(isinstance(label, (list, tuple, np.ndarray)) for label in labels):
        labels = list(column_or_1d(np.array(labels, dtype=object), dtype=object, warn=True))
    if n is not None and len(labels) != n:
        raise ValueError(f"X has {n} texts and y has {len(labels)} labels")
    rows, known = [], []
    kinds: dict[str, str] = {}
    for row, label in enumerate(labels):
        kind = _kind(label, row)
        if kind is None or (is_text_array and label == "nan"):
            continue
        kinds.setdefault(kind, f"{label!r} in row {row}")
        rows.append(row)
        known.append(label)
    if len(kinds) > 1:
        found = " and ".join(f"{kind} ({example})" for kind, example in kinds.items())
        raise ValueError(f"y mixes {found}: give all labels one type")
    keeps_dtype = isinstance(dtype, np.dtype) and dtype.kind in _KEPT_KINDS
    array = np.array(known, dtype=dtype if keeps_dtype else None)
    if len(np.unique(array)) < len(set(known)):  # large integers beside fractions
        raise ValueError("y mixes integers and fractions that are the same number in float64: give all labels one type")
    return np.array(rows, dtype=np.int64), array


def weights_of(sample_weight: Any, n: int) -> NDArray[np.float64]:
    """Return the weights of n rows.

    Raises:
        ValueError: they are not n finite numbers, all 0 or above.
    """
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n, weights)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}, and X has {n} texts")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise ValueError(f"sample_weight, row {wrong[0]}: {weights[wrong[0]]} is no finite number of 0 or above")
    return weights


def names_of_classes(classes: Iterable[Any]) -> list[str]:
    """Return what a model calls the classes: by the one rule of `label_text`, as tables do.

    Raises:
        ValueError: two of them would have one name.
    """
    names: dict[str, Any] = {}
    for label in classes:
        name = label_text(label) or ""
        if name in names:
            raise ValueError(
                f"labels {str(names[name])!r} and {str(label)!r} mean one class, {name!r}: write them alike"
            )
        names[name] = label
    return list(names)


def minus_one_slip(classes: Iterable[Any]) -> str | None:
    """Return a warning if a class is the text "-1" among words: NumPy writes the number so in an array of words."""
    names = {label for label in classes if isinstance(label, str)}
    if "-1" not in names or all(re.fullmatch(r"[-+.0-9]+", name) for name in names):
        return None
    return "y: '-1' is a text, so a class like any other: write None where a text has no label"


def _cells(values: Any, name: str) -> list[Any]:
    """Return the cells, or rows of cells, as Python objects."""
    dtype = getattr(values, "dtype", None)
    if isinstance(values, (str, bytes, Mapping, Set)) or (isinstance(dtype, np.dtype) and dtype.kind not in "biufUOT"):
        what = "one string" if isinstance(values, str) else str(dtype or type(values).__name__)
        raise ValueError(f"{name} is {what}: give a list of {'texts' if name == 'X' else 'labels'}")
    # PyArrow; NumPy, PyTorch and pandas; polars; frames.
    for method in ("to_pylist", "tolist", "to_list", "to_numpy"):
        if hasattr(values, method):
            values = getattr(values, method)()
            break
    try:
        return list(values)
    except TypeError:
        raise ValueError(f"{name} is {type(values).__name__}: give a list") from None


def _columns(rows: list[Any]) -> list[list[Any]]:
    for i, row in enumerate(rows):
        if not isinstance(row, (list, tuple, np.ndarray)) or len(row) not in (1, 2) or len(row) != len(rows[0]):
            raise ValueError(f"X, row {i}: holds rows of texts, and each must have one or two, as many as the first")
    return [list(column) for column in zip(*rows, strict=True)]


def _kind(label: Any, row: int) -> str | None:
    """Return what type of label this is, None for no label."""
    if isinstance(label, str):
        return "text" if label_text(label) is not None else None
    if isinstance(label, (bool, np.bool_)):
        return "truth values"
    if isinstance(label, (int, float, np.integer, np.floating)):
        if isinstance(label, (float, np.floating)) and math.isinf(label):
            raise ValueError(f"y, row {row}: {label} is no label")
        return None if label == -1 or label != label else "numbers"
    try:
        if not isinstance(label, bytes) and label_text(label) is None:
            return None
    except (TypeError, ValueError):
        pass
    raise ValueError(f"y, row {row}: a label is text, a number or a truth value, not {type(label).__name__}")
