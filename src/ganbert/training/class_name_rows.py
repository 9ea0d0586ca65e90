"""Class names as training rows: what a class is called is an example of it, worth less the more labelled rows it has.

A class without a labelled row is known by its name alone. These rows are training rows only: no report counts them, and
neither the number of steps nor that of unlabelled rows depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from ganbert.data.class_names import ClassNames
from ganbert.data.corpus import Corpus
from ganbert.training.recipe import Recipe

FADING = 4.0
"""Labelled rows of a class with which its name weighs half as much as one of them."""


def name_weight(n_labelled: int) -> float:
    """Return what the name of a class with n labelled rows weighs in the cross-entropy, where each of them weighs 1."""
    return 1 / (1 + n_labelled / FADING)


@dataclass(frozen=True)
class ClassNameRows:
    """The rows that class names add to a corpus.

    Attributes:
        rows: m rows with the columns `text` and `label`, one for each text of each class name.
        weights: [n + m], of the corpus's rows and then of these, in the cross-entropy. Their mean over all labelled
            ones, names among them, is 1: so the loss of a batch stays a weighted mean, however many names there are.
    """

    rows: Dataset
    weights: NDArray[np.float64]


def class_name_rows(corpus: Corpus, recipe: Recipe) -> ClassNameRows | None:
    """Return the rows to train on beside those of the corpus; None without names, or where they are left out."""
    texts_of = names_learned_from(corpus, recipe)
    named = [(label, text) for label, name in enumerate(corpus.label_names) for text in texts_of.get(name, ())]
    if not named:
        return None
    classes, texts = zip(*named, strict=True)
    labelled, n = corpus.labelled, len(corpus.train)
    counts = np.bincount(corpus.labels[labelled], minlength=len(corpus.label_names))
    own = np.asarray(corpus.train["weight"][:]) if "weight" in corpus.train.column_names else np.ones(n)
    usual = own[labelled].mean() if len(labelled) else 1.0
    names = [recipe.name_rows_weight * usual * name_weight(int(counts[label])) for label in classes]
    weights = np.concatenate([own, names])
    weights /= weights[[*labelled, *range(n, n + len(names))]].mean()
    return ClassNameRows(Dataset.from_dict({"text": texts, "label": classes}), weights)


def names_learned_from(corpus: Corpus, recipe: Recipe) -> ClassNames:
    """Return what the classes are called, as far as the run may know it: in rows and in the teacher's clusters."""
    return {} if why_left_out(corpus, recipe) is not None else corpus.class_names


def why_left_out(corpus: Corpus, recipe: Recipe) -> str | None:
    """Return in words why class names of the corpus are not among the rows; None if they are, or there are none."""
    if not corpus.class_names:
        return None
    if corpus.has_pairs:
        return "Class names are not learned from: a name is one text, and these rows are pairs."
    if not recipe.name_rows_weight:
        return "Class names are not learned from: this recipe leaves them out (name_rows_weight=0)."
    return None
