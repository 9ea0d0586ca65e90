"""Errors come out of a pool of processes as they went in."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ganbert.errors import InputError, InterruptedRunError, RunError
from ganbert.extras import MissingLibraryError, require


def missing() -> MissingLibraryError:
    with pytest.raises(MissingLibraryError) as caught:
        require("ray", "no_such_library")
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        InputError("empty text", path=Path("a.csv"), row=3, column="text"),
        RunError("a loss is nan"),
        InterruptedRunError("stopped", 15),
        missing(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_pickled_error_says_the_same(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
