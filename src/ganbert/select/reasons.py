"""Why a row is worth a label, in words that can be checked: each says what was measured on the row itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ganbert.select.pool import Pool, Rows, nearest_cosine
from ganbert.select.strategies import sample, typicality
from ganbert.wording import quoted

FAR = 0.1
"""Share of all rows that are as far from the others, for a row to be called unlike everything."""


def reasons(pool: Pool, rows: Rows, names: Sequence[str], otherwise: str, seed: int = 0) -> list[str]:
    """Return a reason for each of m chosen rows, the first of these that holds.

    - "typical of a group nobody has labelled yet": its nearest rows are closer than those of the median row, and the
      nearest label is further away than as many rows as there are for each label and each chosen row.
    - "unlike everything so far": nine rows of ten are closer to a label, or to other rows.
    - "between 'a' and 'b'": the second class is at least half as probable as the first.
    - "most like 'a' so far": one class is more probable than that.
    - "in a group nobody has labelled yet": the label is as far away as for the first reason.

    Args:
        pool: before the choice.
        rows: positions of the chosen rows.
        names: of the k classes; none if the probabilities say nothing.
        otherwise: the reason where none of these holds.
        seed: of the sample of rows that stands for all.
    """
    everything = sample(np.arange(len(pool.vectors)), np.random.default_rng(seed))
    labelled = pool.vectors[pool.anchors]
    usual, typical = (typicality(pool.vectors, some, everything) for some in (everything, rows))
    unlike = typical < np.quantile(usual, FAR)
    cosine = nearest_cosine(pool.vectors[rows], labelled)
    if len(labelled):
        unlike |= cosine < np.quantile(nearest_cosine(pool.vectors[everything], labelled), FAR)
    closer = (pool.vectors[rows] @ pool.vectors[everything].T > cosine[:, None]).sum(axis=1)
    unlabelled = closer > len(everything) / (len(labelled) + len(rows))
    in_words = []
    for i, row in enumerate(rows):
        if unlabelled[i] and typical[i] >= np.median(usual):
            in_words.append("typical of a group nobody has labelled yet")
        elif unlike[i]:
            in_words.append("unlike everything so far")
        elif len(names) > 1:
            in_words.append(_by_class(pool.probabilities[row], names))
        else:
            in_words.append("in a group nobody has labelled yet" if unlabelled[i] else otherwise)
    return in_words


def _by_class(probabilities: NDArray[np.float32], names: Sequence[str]) -> str:
    """Return where a row stands among two classes or more."""
    second, first = np.argsort(probabilities, kind="stable")[-2:]
    if probabilities[second] >= probabilities[first] / 2:
        return f"between {quoted(names[first])} and {quoted(names[second])}"
    return f"most like {quoted(names[first])} so far"
