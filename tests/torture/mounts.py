"""Small and read-only file systems, seen by this process and its children alone; they vanish with it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18


def small(folder: Path, size: int) -> bool:
    """Mount an empty file system of `size` bytes over `folder`; False where this is not allowed."""
    return _own_namespace() and _mount("tmpfs", folder, "tmpfs", 0, f"size={size}")


def read_only(folder: Path) -> bool:
    """Make `folder` read-only, also for root; False where this is not allowed."""
    return (
        _own_namespace()
        and _mount(str(folder), folder, "", _MS_BIND, "")
        and _mount("", folder, "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY, "")
    )


def unmount(folder: Path) -> None:
    """Take away what was mounted over `folder` last."""
    _libc().umount2(os.fsencode(folder), 2)


def _own_namespace() -> bool:
    return (
        hasattr(_libc(), "unshare")
        and _libc().unshare(_CLONE_NEWNS) == 0
        and _mount("none", Path("/"), "", _MS_REC | _MS_PRIVATE, "")
    )


def _mount(source: str, target: Path, kind: str, flags: int, options: str) -> bool:
    status = _libc().mount(
        source.encode(), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), options.encode() or None
    )
    return bool(status == 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
