"""The two ways `ganbert` refuses: the input is wrong (exit status 2), or a run failed (exit status 1)."""

from __future__ import annotations

from pathlib import Path

from ganbert.wording import printable


class InputError(ValueError):
    """Something the user gave cannot be used. The message is one line that says what, where, and what to do.

    InputError("empty text", path=Path("a.csv"), row=3, column="text")  # a.csv, row 3, column 'text': empty text
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path | str | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        place = [str(path)] if path is not None else []
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column!r}")
        # Parts of the message may come from a file, and hold any character.
        super().__init__(printable(f"{', '.join(place)}: {message}" if place else message))


class RunError(RuntimeError):
    """A run that began cannot go on, for example because a loss is no longer a finite number."""


class InterruptedRunError(RunError):
    """A run was asked to stop by `signal_number`, saved a checkpoint and can be resumed."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number

    def __reduce__(self) -> tuple[type[InterruptedRunError], tuple[str, int]]:
        return type(self), (str(self), self.signal_number)  # processes of a pool pass it on
