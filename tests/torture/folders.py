"""Folders of models, encoders and exports with damaged files: the same results, or a refusal; no pickle is opened.

A bit that flips inside a weight leaves a file that is sound in itself. It can be noticed only where the folder holds
the checksum of its weights, so flips anywhere are tried there alone; elsewhere they fall into the heads of files.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.torture import predictions
from tests.torture.bases import Bases
from tests.torture.cases import Failure

WEIGHTS = {"model": "model.safetensors", "encoder": "model.safetensors", "export": "model.onnx"}
NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "model.onnx")
CANARY, OUTSIDE = "unpickled", "outside.safetensors"
Damage = Callable[[random.Random, Path, Path], str]


def check(rng: random.Random, folder: Path, bases: Bases) -> str:
    """Damage a copy of a sound folder and use it."""
    target = rng.choice(predictions.TARGETS)
    changed = folder / "changed"
    shutil.copytree(predictions.folder_of(target, bases), changed)
    weights = changed / WEIGHTS[target]
    damages = _OF_FILES + (_OF_WEIGHTS if target != "export" else [])
    done = rng.choice(damages)(rng, changed, weights)
    try:
        how = predictions.compare(target, changed, bases, folder)
    except Failure as failure:
        raise Failure(failure.how, f"{target}: {done}\n{failure.detail}") from None
    if (folder / CANARY).exists():
        raise Failure("a pickle was executed", f"{target}: {done}")
    if (folder / OUTSIDE).exists() and how == "equal":
        raise Failure("weights outside the folder are read", f"{target}: {done}")
    return how


def has_checksums(folder: Path, weights: Path) -> bool:
    """Whether a small file of the folder holds the SHA-256 of the weights."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    small = (path for path in folder.iterdir() if path.is_file() and path.suffix == ".json")
    return any(digest in path.read_text(encoding="utf-8", errors="replace") for path in small)


# Damage to any file


def _truncate(rng: random.Random, folder: Path, weights: Path) -> str:
    path = _file(rng, folder)
    size = rng.randrange(path.stat().st_size)
    os.truncate(path, size)
    return f"{path.name} cut off at byte {size}"


def _empty(rng: random.Random, folder: Path, weights: Path) -> str:
    path = _file(rng, folder)
    path.write_bytes(b"")
    return f"{path.name} emptied"


def _delete(rng: random.Random, folder: Path, weights: Path) -> str:
    paths = {_file(rng, folder) for _ in range(rng.choice([1, 1, 2, 3]))}
    for path in paths:
        path.unlink()
    return f"{sorted(path.name for path in paths)} deleted"


def _garbage(rng: random.Random, folder: Path, weights: Path) -> str:
    path = _file(rng, folder)
    path.write_bytes(rng.choice([rng.randbytes(300), b"\0" * path.stat().st_size, b"<html>404</html>", b"{}", b"[]"]))
    return f"{path.name} replaced"


def _lfs_pointer(rng: random.Random, folder: Path, weights: Path) -> str:
    weights.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 90868376\n")
    return f"{weights.name} is a pointer of Git LFS"


def _swap(rng: random.Random, folder: Path, weights: Path) -> str:
    a, b = rng.sample(_files(folder), 2)
    contents = a.read_bytes(), b.read_bytes()
    a.write_bytes(contents[1])
    b.write_bytes(contents[0])
    return f"{a.name} and {b.name} swapped"


def _rename(rng: random.Random, folder: Path, weights: Path) -> str:
    path = _file(rng, folder)
    name = rng.choice([f"{path.name}.bak", path.name.upper(), f"copy of {path.name}"])
    path.rename(folder / name)
    return f"{path.name} renamed to {name}"


def _folder_instead(rng: random.Random, folder: Path, weights: Path) -> str:
    path = _file(rng, folder)
    path.unlink()
    path.mkdir()
    return f"{path.name} is a folder"


def _link(rng: random.Random, folder: Path, weights: Path) -> str:
    path = _file(rng, folder)
    to = rng.choice([folder.parent / "elsewhere", folder / "nowhere", path])
    if to == folder.parent / "elsewhere":
        path.rename(to)
    else:
        path.unlink()
    path.symlink_to(to)
    return f"{path.name} is a link to {to.name}"


def _flip(rng: random.Random, folder: Path, weights: Path) -> str:
    """Flip bits: in any file whose checksum the folder holds, else where the file says of what shape it is."""
    if has_checksums(folder, weights):
        path = _file(rng, folder)
        end = path.stat().st_size
    else:
        path = weights
        end = 8 + int.from_bytes(path.read_bytes()[:8], "little") if path.suffix == ".safetensors" else 8
    content = bytearray(path.read_bytes())
    places = [rng.randrange(min(end, len(content))) for _ in range(rng.choice([1, 1, 8]))]
    for place in places:
        content[place] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return f"{path.name}: bits flipped in bytes {places}"


# Damage to the tensors of a safetensors file, which stays a sound file


def _not_finite(rng: random.Random, folder: Path, weights: Path) -> str:
    name, tensor = _tensor(rng, weights)
    value = rng.choice([np.nan, np.inf, -np.inf])
    tensor.reshape(-1)[rng.randrange(tensor.size) if rng.random() < 0.7 else slice(None)] = value
    return _replace(weights, {name: tensor}, f"{name} holds {value}")


def _lost(rng: random.Random, folder: Path, weights: Path) -> str:
    name, _ = _tensor(rng, weights)
    return _replace(weights, {name: None}, f"{name} is missing")


def _renamed(rng: random.Random, folder: Path, weights: Path) -> str:
    name, tensor = _tensor(rng, weights)
    new = rng.choice([f"module.{name}", f"_orig_mod.{name}", f"{name}x", name.upper()])
    return _replace(weights, {name: None, new: tensor}, f"{name} is named {new}")


def _all_renamed(rng: random.Random, folder: Path, weights: Path) -> str:
    tensors = load_file(weights)
    save_file({f"module.{name}": tensor for name, tensor in tensors.items()}, weights, {"format": "pt"})
    return "all tensors are named module.*"


def _reshaped(rng: random.Random, folder: Path, weights: Path) -> str:
    name, tensor = _tensor(rng, weights)
    other = rng.choice([tensor[:-1], tensor.reshape(-1)[:1], tensor[None], np.concatenate([tensor, tensor])])
    return _replace(weights, {name: np.ascontiguousarray(other)}, f"{name} has the shape {other.shape}")


def _integers(rng: random.Random, folder: Path, weights: Path) -> str:
    name, tensor = _tensor(rng, weights)
    return _replace(weights, {name: tensor.astype(np.int32)}, f"{name} holds integers")


def _pickled(rng: random.Random, folder: Path, weights: Path) -> str:
    """Put pickled weights in place of the safe ones; to open them would leave a mark."""

    class Mark:
        def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
            return os.mkdir, (str(folder.parent / CANARY),)

    content = pickle.dumps({"weight": Mark()})
    name = rng.choice(["pytorch_model.bin", "model.safetensors", "pytorch_model.bin"])
    weights.unlink()
    (folder / name).write_bytes(content)
    return f"{name} is a pickle"


def _index_outside(rng: random.Random, folder: Path, weights: Path) -> str:
    """Name weights outside the folder in an index file."""
    outside = folder.parent / OUTSIDE
    names = list(load_file(weights))
    weights.rename(outside)
    place = rng.choice([f"../{OUTSIDE}", str(outside), "missing.safetensors"])
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, place)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return f"an index names {place}"


_OF_FILES: list[Damage] = [
    _truncate, _truncate, _empty, _delete, _delete, _garbage, _lfs_pointer, _swap, _rename, _folder_instead, _link,
    _flip,
]  # fmt: skip
_OF_WEIGHTS: list[Damage] = [
    _not_finite, _not_finite, _lost, _lost, _renamed, _all_renamed, _reshaped, _integers, _pickled, _index_outside
]  # fmt: skip


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name in NEEDED)


def _file(rng: random.Random, folder: Path) -> Path:
    return rng.choice(_files(folder))


def _tensor(rng: random.Random, weights: Path) -> tuple[str, Any]:
    tensors = load_file(weights)
    # Not of the pooler: many encoders are published without, and where "cls" or "mean" is asked for nobody reads it.
    name = rng.choice(sorted(name for name in tensors if "pooler." not in name))
    return name, tensors[name].copy()


def _replace(weights: Path, changes: dict[str, Any], what: str) -> str:
    tensors = load_file(weights) | changes
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, weights, {"format": "pt"})
    return what
