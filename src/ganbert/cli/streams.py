"""Standard output and error that do not end a command: they may be closed, full, or lack a character."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class TolerantStream(io.TextIOWrapper):
    """A stream that shows what it cannot encode as an escape, and drops what it cannot write.

    Attributes:
        lost: the first error; None if everything could be written.
    """

    def __init__(self, number: int, encoding: str, lost: OSError | None = None) -> None:
        super().__init__(
            open(number, "wb", closefd=False),  # noqa: SIM115 - it lives as long as this stream
            encoding=encoding,
            errors="backslashreplace",
            line_buffering=number == 2 or os.isatty(number),
        )
        self.number, self.lost = number, lost

    def write(self, text: str) -> int:
        """Write, if that is possible."""
        try:
            return super().write(text)
        except OSError as error:
            return self._lose(error, len(text))

    def flush(self) -> None:
        """Flush, if that is possible."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError, length: int = 0) -> int:
        self.lost = self.lost or error
        # What is in the buffers would be tried again, down to the end of the process.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.number)
        os.close(nowhere)
        return length


@contextmanager
def tolerant_streams() -> Iterator[TolerantStream | None]:
    """Put tolerant streams in place of those of the process, and yield standard output.

    Where a program has put its own streams in their place, as a test does, those stay, and None is yielded.
    """
    if (sys.stdout, sys.stderr) != (sys.__stdout__, sys.__stderr__):
        yield None
        return
    closed = _open_closed()
    before = sys.stdin, sys.stdout, sys.stderr
    for stream in before[1:]:
        if stream is not None:
            stream.flush()
    out, err = (
        TolerantStream(
            number,
            "utf-8" if stream is None else stream.encoding,
            OSError(errno.EBADF, os.strerror(errno.EBADF)) if number in closed else None,
        )
        for number, stream in zip((1, 2), before[1:], strict=True)
    )
    sys.stdout, sys.stderr = out, err
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def _open_closed() -> set[int]:
    """Open on nothing what is closed of the three standard files: else the next file opened would be one of them."""
    closed = set()
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            closed.add(number)
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
    return closed
