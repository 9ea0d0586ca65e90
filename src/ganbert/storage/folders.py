"""Folders that ganbert fills: one writer at a time, a list of what was written, and nothing else is ever removed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ganbert.errors import InputError
from ganbert.storage.disk import read_object, sync, write_whole
from ganbert.storage.fields import MODEL_TYPE

LOCK = ".ganbert.lock"
_SCRATCH_LOCK = ".ganbert-scratch.lock"  # in temporary folders only
_SCRATCH = re.compile(r"ganbert-[a-z0-9_]{8}")
MANIFEST = "manifest.json"
"""Lists the files that ganbert wrote into a folder, with their sizes and the checksums of weights.

It is written last, when they are on the disk.
"""
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
"""A model has one of these: its weights in one file, or the list of several."""
_HASHED = re.compile(r".*\.safetensors|model\.(?!.*json$).*")  # weights of ours, and of any backend
RUN_FILE = "run.json"
"""Stands in the folder of an unfinished run and says what it was begun with."""
TEACHER = "teacher"
"""The folder of the teacher's run within that of the student's."""

WELL_KNOWN = frozenset(
    """
    config.json generation_config.json model.safetensors model.safetensors.index.json model.onnx model.onnx.data
    README.md training_log.jsonl losses.png health.png run.json
    tokenizer.json tokenizer_config.json special_tokens_map.json added_tokens.json chat_template.jinja vocab.txt
    vocab.json merges.txt spiece.model sentencepiece.bpe.model tokenizer.model bpe.codes spm.model
    training_args.bin trainer_state.json optimizer.pt optimizer.bin scheduler.pt scaler.pt rng_state.pth
    """.split()  # noqa: SIM905 - a list would take thirty lines
)
"""Files of ganbert and its libraries. A folder without a manifest, from an older version, is judged by these names."""
_NUMBERED = re.compile(r"model-\d{5}-of-\d{5}\.safetensors|rng_state_\d+\.pth")
SOFT_TARGETS = "soft_targets.arrow"
"""The file in the teacher's folder that holds what the teacher says of the unlabelled rows."""
_PART_OF_RUN = re.compile(rf"checkpoint-\d+|{TEACHER}")
FACTS = frozenset({"recipe", "encoder", "teacher_encoder", "seed", "precision", "data"})
"""What a run depends on, and `run.json` holds."""
_LEFTOVER = re.compile(r"\.ganbert\.lock|(?:\.[0-9a-f]{16}){1,2}\.part|\.tmp[A-Za-z0-9]{6}|\.export-[a-z0-9_]{8}")
"""What a killed process leaves: ours, and the temporary names of safetensors."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a folder and be its only writer; the system releases the lock when this process dies.

    New folders that are still empty at the end are removed.

    Raises:
        InputError: another process is writing there, or the folder cannot be written to.
    """
    made: list[Path] = []
    lock = FileLock(folder / LOCK)
    try:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError("another run is writing there: wait for it, or choose another folder", path=folder) from None
    except OSError as error:
        _remove_empty(made)
        raise InputError(f"cannot be written to: {error.strerror or error}", path=folder) from error
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / LOCK).unlink()
        lock.release()
        _remove_empty(made)


def seal(folder: Path, names: Iterable[str], *, checksums: bool = True) -> None:
    """Flush files to disk, and list them in the manifest.

    Args:
        folder: where they are.
        names: of the files.
        checksums: also list the SHA-256 of weights, for `changed_weights`; reading them takes time.

    Raises:
        OSError: a file or the manifest cannot be written.
    """
    sizes = {}
    for name in sorted(names):
        sync(folder / name)
        sizes[name] = (folder / name).stat().st_size
    content: dict[str, object] = {"written_by": "ganbert", "files": sizes}
    if checksums:
        content["sha256"] = {name: _sha256(folder / name) for name in sizes if _HASHED.fullmatch(name)}
    write_whole(folder / MANIFEST, json.dumps(content, indent=2) + "\n")


def checksums(folder: Path) -> dict[str, str]:
    """Return the checksums of the files of weights in the manifest; empty if it lists none."""
    listed = (read_object(folder / MANIFEST) or {}).get("sha256")
    return listed if isinstance(listed, dict) else {}


def changed_weights(folder: Path) -> list[str]:
    """Return the files of weights whose checksum is not the one in the manifest; none without a manifest."""
    return [
        name
        for name, digest in sorted(checksums(folder).items())
        if name == Path(name).name and (folder / name).is_file() and _sha256(folder / name) != digest
    ]


def forget(folder: Path) -> None:
    """Remove a manifest that is out of date."""
    (folder / MANIFEST).unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def share(folder: Path, names: Iterable[str]) -> None:
    """Give files the permissions of `config.json`: those that safetensors writes can be read by their owner only."""
    with suppress(OSError):
        mode = stat.S_IMODE((folder / "config.json").stat().st_mode)
        for name in names:
            if stat.S_IMODE((folder / name).stat().st_mode) != mode:
                (folder / name).chmod(mode)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds an unfinished run; a half-written `run.json` counts as one."""
    begun = read_object(folder / RUN_FILE)
    if begun is not None:
        return begun.keys() <= FACTS  # else it is somebody else's
    try:
        start = (folder / RUN_FILE).read_bytes()[:64].lstrip(b"\0 \r\n")
    except OSError:
        return (folder / RUN_FILE).is_file()
    return start[:1] in (b"", b"{")  # what a stopped machine leaves of an object


def is_finished(folder: Path) -> bool:
    """Whether a folder holds the model of a finished run, weights and all."""
    config = read_object(folder / "config.json") or {}
    return (
        not is_unfinished(folder)
        and config.get("model_type") == MODEL_TYPE
        and any((folder / name).is_file() for name in WEIGHTS)
    )


def is_complete(folder: Path) -> bool:
    """Whether a folder has a manifest, and every file that it lists, in the size that it says."""
    sizes = manifest(folder)
    if sizes is None:
        return False
    try:
        return all((folder / name).lstat().st_size == size for name, size in sizes.items())
    except OSError:
        return False


def written(folder: Path) -> set[str]:
    """Return the names in a folder that ganbert wrote, or a process that was killed left behind."""
    listed, unfinished = manifest(folder), is_unfinished(folder)
    known = set() if listed is None else {*listed, MANIFEST}
    if _PART_OF_RUN.fullmatch(folder.name) and read_object(folder / MANIFEST) is None:
        known.add(MANIFEST)  # a torn one
    if folder.name == TEACHER:
        known.add(SOFT_TARGETS)  # written after the manifest
    found = leftovers(folder)
    for path in folder.iterdir():
        if _PART_OF_RUN.fullmatch(path.name):
            # A link is taken away, and what it leads to stays: nothing may be written through it.
            ours = path.is_symlink() or (path.is_dir() and (unfinished or listed is None or _is_ours(path)))
        else:
            ours = path.name in known or ((unfinished or listed is None) and _is_well_known(path.name))
            ours = ours and (path.is_symlink() or not path.is_dir())
        if ours:
            found.add(path.name)
    return found


def in_the_way(folder: Path) -> set[str]:
    """Return the names in a folder that somebody else wrote and a run would write over."""
    others = {path.name for path in folder.iterdir()} - written(folder)
    return {name for name in others if _is_well_known(name) or name == MANIFEST or _PART_OF_RUN.fullmatch(name)}


def leftovers(folder: Path) -> set[str]:
    """Return the names in a folder that a killed process left behind."""
    return {path.name for path in folder.iterdir() if _LEFTOVER.fullmatch(path.name) and _is_left(path)}


def _is_left(path: Path) -> bool:
    """Whether a path with the name of a leftover is one: exports leave a folder of their files, all else files."""
    if path.is_symlink() or not path.is_dir():
        return not path.name.startswith(".export-")
    return path.name.startswith(".export-") and all(
        _is_well_known(inside.name) or inside.name == MANIFEST or inside.name.startswith("model.")
        for inside in path.iterdir()
    )


def remove(folder: Path, names: Iterable[str], *, claimed: bool = True) -> None:
    """Remove what ganbert wrote; follow no link, and leave what somebody else put into a folder of ours.

    Args:
        folder: where the names stand.
        names: of files and folders.
        claimed: whether this process holds the lock of this very folder, and so keeps its file.
    """
    left = leftovers(folder)
    for name in sorted(names, key=lambda name: (name == MANIFEST, name)):  # until the end it tells which files are ours
        path = folder / name
        if name in left and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir() and not path.is_symlink():
            remove(path, written(path), claimed=False)
            with suppress(OSError):  # somebody else's file is in it
                path.rmdir()
        elif not (claimed and name == LOCK):
            path.unlink(missing_ok=True)


@contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """Yield a new folder for temporary files, which is removed at the end, or by the next call if this process dies.

    Args:
        parent: where to make it; the system's folder for temporary files if not given.

    Raises:
        OSError: it cannot be made.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    _remove_abandoned(place)
    new = Path(tempfile.mkdtemp(prefix="new-ganbert-", dir=place))
    lock, owner = FileLock(new / _SCRATCH_LOCK), os.getpid()
    lock.acquire(blocking=False)
    folder = new.rename(new.with_name(new.name.removeprefix("new-")))  # others look at it only once it is locked
    try:
        yield folder
    finally:
        if os.getpid() == owner:  # a forked process leaves the folder to its parent
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def _remove_abandoned(place: Path) -> None:
    """Remove what `scratch` made for processes that are dead: nobody holds its lock."""
    for folder in place.glob("ganbert-*"):
        with suppress(OSError, Timeout):
            facts = folder.lstat()
            ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == _user() and _SCRATCH.fullmatch(folder.name)
            if not ours or not (folder / _SCRATCH_LOCK).is_file():
                continue
            with FileLock(folder / _SCRATCH_LOCK, blocking=False):
                shutil.rmtree(folder, ignore_errors=True)


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _is_well_known(name: str) -> bool:
    return name in WELL_KNOWN or _NUMBERED.fullmatch(name) is not None


def _is_ours(folder: Path) -> bool:
    return manifest(folder) is not None or is_unfinished(folder) or not any(folder.iterdir())


def manifest(folder: Path) -> dict[str, int] | None:
    """Return the files that a folder's manifest lists, with their sizes; None if there is no manifest of ganbert."""
    content = read_object(folder / MANIFEST)
    files = None if content is None else content.get("files")
    if content is None or content.get("written_by") != "ganbert" or not isinstance(files, dict):
        return None
    # Only names of files in this folder: those that lead elsewhere are ignored.
    return {name: size for name, size in files.items() if name == Path(name).name and name not in ("", "..")}
