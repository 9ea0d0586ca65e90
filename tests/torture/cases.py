"""A case of the campaign: a pure function of its kind and number, and the verdict on it."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ganbert.errors import InputError, RunError

T = TypeVar("T")


class Failure(Exception):  # noqa: N818 - it is no error of the harness
    """A promise was broken: `how` in a few words, by which failures are counted, and what a person needs to see."""

    def __init__(self, how: str, detail: object = "") -> None:
        super().__init__(how)
        self.how, self.detail = how, str(detail)


@dataclass(frozen=True)
class Case:
    """One case: `Case("table", 12345)` is the same work on every machine and day."""

    kind: str
    number: int

    def random(self) -> random.Random:
        """Return the source of all choices of this case."""
        return random.Random(f"{self.kind} {self.number}")


@dataclass(frozen=True)
class Verdict:
    """What became of a case; `how` is "equal", "refused" and so on where it held, else the kind of failure."""

    kind: str
    number: int
    held: bool
    how: str
    detail: str = ""
    seconds: float = 0.0


def or_refused(work: Callable[[], T]) -> T | None:
    """Return what `work` returns, or None if it refuses in one line.

    Raises:
        Failure: it raises something else, or its refusal has several lines.
    """
    try:
        return work()
    except (InputError, RunError) as error:
        if "\n" in str(error):
            raise Failure("refusal of several lines", error) from None
        return None
    except Failure:
        raise
    except Exception as error:
        raise Failure(f"{type(error).__name__} instead of a refusal", traceback.format_exc()) from None
