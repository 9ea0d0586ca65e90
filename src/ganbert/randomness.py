"""Seeds as scikit-learn takes them, and the random numbers of the program around us, which a run must leave alone."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state


def drawn_seed(seed: Any) -> int:
    """Return a seed as a number below 2^32.

    Args:
        seed: such a number, or what it is drawn from: a `RandomState`, a `Generator`, or None, NumPy's global numbers.

    Raises:
        ValueError: it is none of these, or a number out of bounds.
    """
    if isinstance(seed, (int, np.integer)):
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed={seed}: must be 0 or above and below 2^32")
        return int(seed)
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**32))
    return int(check_random_state(seed).randint(2**31 - 1))


@contextlib.contextmanager
def global_random_numbers_kept() -> Iterator[None]:
    """Leave the global random numbers of Python, NumPy and torch as they were; a run sets them all to its seed."""
    python, numpy = random.getstate(), np.random.get_state()
    cards = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=cards):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
