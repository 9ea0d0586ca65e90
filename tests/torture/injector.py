"""Stops or disturbs this process at its n-th file event: what a crash, a full disk or a sick one does at that moment.

Events are what Python's audit hooks and a few wrapped functions see under the watched folder: a file opened for
writing, a sync, a rename, a removal, a new folder, and the files that torch and safetensors write by themselves.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"})
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NATIVE, _SYNC = "torture.write", "torture.fsync"


class Injector:
    """Counts the file events of this process under a folder, and calls `act` at those that `when` chooses.

    Args:
        watched: folder; events elsewhere are not counted.
        act: called with the event and the path, before it takes place; may not return, or may raise `OSError`.
        first: number of the first event, from 1, at which `act` is called.
        once: whether it is called at that event only, or at all later ones as well.
    """

    def __init__(self, watched: Path, act: Callable[[str, str], None], first: int, *, once: bool = True) -> None:
        self.watched, self.act = os.path.realpath(watched), act
        self.first, self.once, self.n = first, once, 0

    def install(self) -> None:
        """Begin; it cannot be undone, so only a process made for it calls this."""
        _audit_native_writers()
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if not (flags or 0) & _WRITES and not set(mode or "") & set("wxa+"):
                return
        elif event in _CHANGES or event in (_NATIVE, _SYNC):
            path = arguments[0]
        else:
            return
        if not isinstance(path, str | bytes | os.PathLike):
            return
        place = os.path.join(_folder_of(event, arguments), os.fsdecode(path))
        if not os.path.abspath(place).startswith(self.watched):
            return
        self.n += 1
        if self.n == self.first or (self.n > self.first and not self.once):
            self.act(event, place)


def kill(event: str, path: str) -> None:
    """Be killed, as by the out-of-memory killer or a power cut of the process."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_within(size: int) -> Callable[[str, str], None]:
    """Return what lets the process die in the middle of a write: by the kernel, at byte `size` of the next file."""

    def act(event: str, path: str) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return act


def full_after(size: int) -> Callable[[str, str], None]:
    """Return what makes every file end at byte `size` from now on, as under a quota."""
    return lambda event, path: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def failing(code: int) -> Callable[[str, str], None]:
    """Return what makes an operation fail with this error, in the words of whoever carries it out."""

    def act(event: str, path: str) -> None:
        text = os.strerror(code)
        if code in (errno.ENOSPC, errno.EDQUOT) and event in ("os.remove", "os.rmdir"):
            return  # a full disk lets files go
        if event != _NATIVE:
            raise OSError(code, text, path)
        if path.endswith(".safetensors"):
            from safetensors import SafetensorError

            raise SafetensorError(f"Error while serializing: I/O error: {text} (os error {code})")
        raise RuntimeError(f"[enforce fail at inline_container.cc:668] . {text}: unexpected pos 64 vs 0")

    return act


def removing(folder: Path) -> Callable[[str, str], None]:
    """Return what removes a folder under the running process."""
    return lambda event, path: shutil.rmtree(folder, ignore_errors=True)


def counting(report: Path) -> Callable[[str, str], None]:
    """Return what writes each event to a file, a line each, to be counted."""
    file = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def act(event: str, path: str) -> None:
        os.write(file, f"{event} {path}\n".encode())

    return act


ERRORS = (errno.ENOSPC, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def _folder_of(event: str, arguments: tuple[Any, ...]) -> str:
    """The folder that a relative path of `shutil.rmtree` stands in: given as an open file of the folder."""
    if event in ("os.remove", "os.rmdir", "os.mkdir") and isinstance(arguments[-1], int) and arguments[-1] >= 0:
        try:
            return os.readlink(f"/proc/self/fd/{arguments[-1]}")
        except OSError:
            return ""
    return ""


def _audit_native_writers() -> None:
    """Announce what Python's own hooks do not see."""
    import safetensors.torch
    import torch

    def announced(function: Callable[..., Any], event: str, position: int) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            target = args[position] if len(args) > position else kwargs.get("f", kwargs.get("filename"))
            if isinstance(target, str | os.PathLike):
                sys.audit(event, os.fspath(target))
            elif isinstance(target, int):
                sys.audit(event, os.readlink(f"/proc/self/fd/{target}"))
            return function(*args, **kwargs)

        return call

    torch.save = announced(torch.save, _NATIVE, 1)
    safetensors.torch.serialize_file = announced(safetensors.torch.serialize_file, _NATIVE, 1)  # type: ignore[attr-defined]
    os.fsync = announced(os.fsync, _SYNC, 0)
