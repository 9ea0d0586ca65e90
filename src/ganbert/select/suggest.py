"""`suggest`: a pile of texts in, the texts to label next out, each with a reason and a guess."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbert.data.class_names import ClassNames, GivenClassNames, class_names_given, names_of
from ganbert.data.rows import TableOptions
from ganbert.errors import InputError
from ganbert.labels import Classes
from ganbert.predict.predictor import Predictor
from ganbert.predict.torch_backend import Encoder
from ganbert.runtime import SEEDS, Compute, choose_compute
from ganbert.select.pile import Pile, Texts, read_pile
from ganbert.select.pool import Pool, Rows, pick
from ganbert.select.quick import QuickLearner
from ganbert.select.reasons import reasons
from ganbert.select.strategies import AUTO, STRATEGIES
from ganbert.select.vectors import vectors_of
from ganbert.storage.folders import scratch

MOST_ROWS = 2000
"""Suggested at once; some strategies make as many clusters."""


@dataclass(frozen=True)
class Suggestion:
    """A row to label.

    Attributes:
        position: of the row in the pool, counted from 0; if the pool is several tables, over all of them.
        text: what is to be labelled.
        text_pair: its second text, where rows are pairs.
        reason: why this row, in words.
        guess: its most probable class; None where nothing is known of the classes.
        confidence: the probability of that class; None likewise.
    """

    position: int
    text: str
    text_pair: str | None
    reason: str
    guess: str | None
    confidence: float | None


@dataclass(frozen=True)
class Suggestions:
    """What `suggest` returns.

    Attributes:
        rows: the rows to label next, the most telling first; fewer than wanted only where nothing else is left.
        strategy: how they were chosen.
        counts: rows of the pool, labelled texts, classes, and rows that were left out.
        notes: for a person, on how the tables were read.
    """

    rows: tuple[Suggestion, ...]
    strategy: str
    counts: Mapping[str, int]
    notes: tuple[str, ...]


def suggest(
    pool: Texts,
    labelled: Texts | None = None,
    n: int = 20,
    *,
    class_names: GivenClassNames | None = None,
    model: str | os.PathLike[str] | None = None,
    encoder: str = "minilm",
    strategy: str = "auto",
    seed: int = 0,
    max_length: int = 128,
    options: TableOptions | None = None,
    compute: Compute | None = None,
    progress: bool = False,
) -> Suggestions:
    """Say which texts to label next.

        for row in suggest("pool.csv", "labelled.csv", n=10).rows:
            print(row.text, "|", row.reason)

    It needs no label to begin with. No text is proposed that has a label, and no two that are near-duplicates. The
    vectors of the pool are kept on disk, so the next call is quick.

    Args:
        pool: texts to choose from: tables as for `read_corpus`, or a list of texts. Rows of a table that have a label
            are not chosen, but learned from.
        labelled: texts with a label: tables, or a mapping from texts to labels. The texts of a list without labels are
            not proposed.
        n: how many texts.
        class_names: what classes are called: a mapping from a label to its text or texts, a file, or
            "auto", which takes the labels that are words. Pairs of texts do without, and so does a model.
        model: a model folder, whose probabilities take the place of those of a quick learner.
        encoder: what makes the text vectors: a Hub name, a folder, or `minilm`.
        strategy: how to choose (`ganbert suggest --help` lists them), or "auto", the one that measured best.
        seed: fixes what is drawn at random.
        max_length: tokens of a text that the encoder reads.
        options: how tables are read.
        compute: device, precision and threads, from `choose_compute`.
        progress: show progress bars, if standard error is a terminal.

    Raises:
        InputError: a table, the model or the encoder cannot be used, or there is no such strategy.
    """
    check_choice(n, strategy, seed)
    stated, options = class_names_given(class_names), options or TableOptions()
    compute = compute or choose_compute()
    predictor = None if model is None else _open(Path(model), compute)
    with scratch() as folder:
        pile = read_pile(pool, labelled, options, folder)
        classes = pile.classes(options, predictor.label_names if predictor else (), () if predictor else stated or ())
        if predictor is not None or pile.rows.has_pairs:  # a model knows what it knows; a pair is called nothing
            stated = {}
        names, notes = names_of(classes, stated, pairs=pile.rows.has_pairs)
        opened = Encoder(encoder, max_length, compute)
        found = _pool(pile, classes, opened, progress)
        if predictor is None:
            learner = QuickLearner(len(classes.names), _name_vectors(names, classes, opened))
            learner.fit(found.vectors, found.labels)
            probabilities, knows = learner.predict_proba(found.vectors), learner.knows
        else:
            predicted = predictor.predict_rows(pile.rows.texts, progress=progress, doing="Predicting").probabilities
            probabilities = np.zeros((len(found.vectors), predicted.shape[1]), np.float32)
            probabilities[: len(predicted)], knows = predicted, True
        found = replace(found, probabilities=probabilities)
        strategy = AUTO if strategy == "auto" else strategy
        chosen = pick(STRATEGIES[strategy].choose, found, n, seed)
        rows = _in_words(pile, found, chosen, classes.names if knows else (), strategy, seed)
    counts = {"pool": len(pile.rows.texts), "labelled": len(pile.known), "classes": len(classes.names)}
    counts |= {"skipped_empty": pile.n_skipped, "skipped_blank": pile.n_blank}
    return Suggestions(rows, strategy, counts, (*pile.notes, *notes))


def check_choice(n: int, strategy: str, seed: int) -> None:
    """Raise `InputError` for a number of rows, a strategy or a seed that cannot be."""
    if not 1 <= n <= MOST_ROWS:
        raise InputError(f"n={n}: 1 to {MOST_ROWS:,} rows are suggested at once")
    if strategy != "auto" and strategy not in STRATEGIES:
        raise InputError(f"--strategy {strategy!r}: choose one of auto, {', '.join(STRATEGIES)}")
    if not 0 <= seed < SEEDS:
        raise InputError(f"seed={seed}: 0 or above, and below 2^32")


def _open(model: Path, compute: Compute) -> Predictor:
    return Predictor.load(model, device=compute.device, precision=compute.precision, threads=compute.threads)


def _pool(pile: Pile, classes: Classes, encoder: Encoder, progress: bool) -> Pool:
    """Return the rows of the pool, and behind them the known texts that are in none of them; no probabilities yet."""
    texts = pile.rows.texts
    pairs = texts["text_pair"] if pile.rows.has_pairs else None
    vectors = vectors_of(encoder, texts["text"], pairs, progress=progress)
    labels, anchors, is_first, elsewhere = pile.match(classes)
    if elsewhere:
        vectors = np.concatenate([vectors, vectors_of(encoder, *pile.known_texts(elsewhere))])
        labels = np.concatenate([labels, pile.ids(classes)[elsewhere]])
        anchors = np.concatenate([anchors, np.ones(len(elsewhere), bool)])
        is_first = np.concatenate([is_first, np.zeros(len(elsewhere), bool)])
    return Pool(vectors, labels, np.zeros((len(labels), 0), np.float32), anchors, is_first & ~anchors)


def _name_vectors(names: ClassNames, classes: Classes, encoder: Encoder) -> dict[int, NDArray[np.float32]]:
    """Return the vectors of the texts that name each class."""
    named = [(i, text) for label in names if (i := classes.id_of(label)) is not None for text in names[label]]
    if not named:
        return {}
    ids, vectors = np.array([i for i, _ in named]), vectors_of(encoder, [text for _, text in named])
    return {int(i): vectors[ids == i] for i in np.unique(ids)}


def _in_words(
    pile: Pile, pool: Pool, chosen: Rows, names: Sequence[str], strategy: str, seed: int
) -> tuple[Suggestion, ...]:
    """Return the chosen rows with their reasons and guesses."""
    way = STRATEGIES[strategy]
    why = [way.reason] * len(chosen) if way.reason else reasons(pool, chosen, names, way.says, seed)
    texts, positions = pile.rows.texts[chosen.tolist()], pile.positions
    pairs = texts.get("text_pair", [None] * len(chosen))
    rows = []
    for row, text, pair, reason in zip(chosen, texts["text"], pairs, why, strict=True):
        best = int(pool.probabilities[row].argmax()) if names else None
        guess, confidence = (None, None) if best is None else (names[best], float(pool.probabilities[row, best]))
        rows.append(Suggestion(int(positions[row]), text, pair, reason, guess, confidence))
    return tuple(rows)
