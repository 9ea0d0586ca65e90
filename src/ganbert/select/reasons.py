"""Why a row is worth a label, in words that can be checked: each says what was measured on the row itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ganbert.select.pool import Pool, Rows, nearest_cosine
from ganbert.select.strategies import sample, typicality
from ganbert.wording import quoted

FAR = 0.1
"""Share of all rows that are as far from every label, for a row to be called unlike everything."""


def reasons(pool: Pool, rows: Rows, names: Sequence[str], otherwise: str, seed: int = 0) -> list[str]:
    """Return a reason for each of m chosen rows.

    - "typical of a group nobody has labelled yet": it has closer neighbours than the median row, and no label is among
      as many of its nearest rows as there are for each label and chosen row.
    - "unlike everything so far": the nearest label is further away than for nine rows of ten.
    - "between 'a' and 'b'": the second class is at least half as probable as the first.
    - "most like 'a' so far": one class is more probable than that.

    Args:
        pool: before the choice.
        rows: positions of the chosen rows.
        names: of the k classes; none if the probabilities say nothing.
        otherwise: the reason where none of these holds.
        seed: of the sample of rows that stands for all.
    """
    everything = sample(np.arange(len(pool.vectors)), np.random.default_rng(seed))
    labelled = pool.vectors[pool.anchors]
    cosine = nearest_cosine(pool.vectors[rows], labelled)
    usual = nearest_cosine(pool.vectors[everything], labelled)[~pool.anchors[everything]]
    far = cosine < np.quantile(usual, FAR) if len(labelled) and len(usual) else np.zeros(len(rows), bool)
    typical = typicality(pool.vectors, rows, everything) >= np.median(typicality(pool.vectors, everything, everything))
    group = len(everything) / (len(labelled) + len(rows))
    closer = (pool.vectors[rows] @ pool.vectors[everything].T > cosine[:, None]).sum(axis=1)
    in_words = []
    for i, row in enumerate(rows):
        if typical[i] and closer[i] > group:
            in_words.append("typical of a group nobody has labelled yet")
        elif far[i]:
            in_words.append("unlike everything so far")
        else:
            in_words.append(_by_class(pool.probabilities[row], names) or otherwise)
    return in_words


def _by_class(probabilities: NDArray[np.float32], names: Sequence[str]) -> str | None:
    """Return where a row stands among the classes; None if there are fewer than two."""
    if len(names) < 2:
        return None
    second, first = np.argsort(probabilities, kind="stable")[-2:]
    if probabilities[second] >= probabilities[first] / 2:
        return f"between {quoted(names[first])} and {quoted(names[second])}"
    return f"most like {quoted(names[first])} so far"
