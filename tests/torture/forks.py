"""Work in a forked copy of this process: everything is imported already, and it may crash, hang or be killed.

The process that forks must itself compute nothing: threads of torch or Arrow do not survive a fork.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from tests.torture.cases import Failure


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status, or minus the number of the signal that killed it, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """What there is to see when it should not have ended so."""
        return f"exit status {self.status}\n{self.out}{self.err}"


def in_fork(work: Callable[[], int | None], *, seconds: float, new_session: bool = False) -> Ended:
    """Call `work` in a forked process, whose exit status is what it returns, and wait for the end.

    Args:
        work: called with standard output and error caught; an exception is printed as Python does, status 1.
        seconds: after which it is killed, with its whole session if it has one of its own.
        new_session: give it a session of its own.
    """
    out, err = os.pipe(), os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():  # Python warns of any thread, and one of Arrow's allocator is always there
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        if new_session:
            os.setsid()
        _be_the_fork(work, out[1], err[1])
    os.close(out[1])
    os.close(err[1])
    texts = _read_all([out[0], err[0]], time.monotonic() + seconds)
    if texts is None:
        (os.killpg if new_session else os.kill)(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise Failure("hangs", f"not at its end after {seconds:.0f} s")
    return Ended(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), *texts)


def ganbert(*arguments: object, prepare: Callable[[], object] = lambda: None, seconds: float = 120.0) -> Ended:
    """Run the command `ganbert` in a fork as the installed one runs, after `prepare` has been called there."""

    def work() -> None:
        from ganbert.cli import main

        sys.argv = ["ganbert", *map(str, arguments)]
        prepare()
        main()

    return in_fork(work, seconds=seconds)


def refused_in_one_line(ended: Ended) -> bool:
    """Whether a command refused, or failed, and said why in one line; what it said before of its progress is free."""
    if ended.status not in (1, 2) or "Traceback" in ended.err:
        return False
    if ended.status == 2 and ended.err.startswith("Usage: "):  # typer's own words for an option it cannot read
        return True
    lines = ended.err.rstrip("\n").replace("\r", "\n").split("\n")
    return lines[-1].startswith("ganbert: ") and sum(line.startswith("ganbert: ") for line in lines) == 1


def set_stream(name: str, encoding: str | None) -> None:
    """Give this process the standard output or error that Python would give it; no encoding means that it is closed."""
    number = {"stdout": 1, "stderr": 2}[name]
    stream = None
    if encoding is not None:
        errors = "strict" if number == 1 else "backslashreplace"
        stream = open(number, "w", 1 if number == 2 else -1, encoding, errors, closefd=False)  # noqa: SIM115
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def _be_the_fork(work: Callable[[], int | None], out: int, err: int) -> NoReturn:
    status: object = 1
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for name in ("stdout", "stderr"):
            set_stream(name, encoding="utf-8")
        status = work() or 0
    except SystemExit as stop:
        status = stop.code or 0
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:  # Python says so at its end, too, with this status
            status = 120
    os._exit(status if isinstance(status, int) else 1)


def _read_all(pipes: list[int], deadline: float) -> list[str] | None:
    """Read pipes until all writers are gone; None if some are not by the deadline."""
    found = dict.fromkeys(pipes, b"")
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            if not (ready := selector.select(max(0.0, deadline - time.monotonic()))):
                break
            for key, _ in ready:
                if not (block := os.read(key.fd, 2**16)):
                    selector.unregister(key.fd)
                found[key.fd] += block
        complete = not selector.get_map()
    for pipe in pipes:
        os.close(pipe)
    return [text.decode("utf-8", "replace") for text in found.values()] if complete else None
