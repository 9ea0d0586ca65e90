"""What tests of choosing share: vectors in groups, as texts of several topics have them, and pools of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ganbert.select.pool import Pool


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for kept files."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache" / "ganbert"


def groups(
    n_groups: int, size: int, *, width: int = 16, spread: float = 0.15, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return [n_groups * size, width] vectors of length 1 in groups, shuffled, and the group of each."""
    rng = np.random.default_rng(seed)
    of = rng.permutation(np.repeat(np.arange(n_groups), size))
    centres = rng.normal(size=(n_groups, width))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = centres[of] + spread * rng.normal(size=(len(of), width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), of


def pool_of(
    vectors: NDArray[np.float32],
    labelled: dict[int, int] | None = None,
    probabilities: NDArray[np.floating] | None = None,
) -> Pool:
    """Return a pool in which some rows are labelled, by position."""
    labels = np.full(len(vectors), -100)
    labels[list(labelled or {})] = list((labelled or {}).values())
    p = np.zeros((len(vectors), 0)) if probabilities is None else probabilities
    return Pool(vectors, labels, p.astype(np.float32), labels >= 0, labels < 0)


def drawn_probabilities(n: int, k: int, seed: int = 0) -> NDArray[np.float32]:
    """Return probabilities [n, k], some sharp and some flat."""
    rng = np.random.default_rng(seed)
    scores = np.exp(rng.normal(size=(n, k)) * rng.uniform(0.1, 4, size=(n, 1)))
    return np.asarray(scores / scores.sum(axis=1, keepdims=True), dtype=np.float32)
