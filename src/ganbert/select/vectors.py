"""Texts as vectors of unit length, from an encoder as it comes; kept on disk, so a pile is encoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbert.data.cache import kept_file
from ganbert.errors import RunError
from ganbert.predict.torch_backend import Encoder
from ganbert.runtime import Compute

CHUNK = 4096
"""Texts encoded, or vectors looked at, at once: what bounds the memory."""

_FORMAT = 1
"""Of the kept files: to be counted up where their content changes."""


def text_vectors(
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    encoder: str = "minilm",
    max_length: int = 128,
    compute: Compute,
    progress: bool = False,
) -> NDArray[np.float32]:
    """Encode n texts, or n pairs of texts, or map the vectors that an earlier run kept (`data.cache.kept_file`).

    Args:
        texts: n texts.
        pairs: the n second texts.
        encoder: a Hub name, a folder, `minilm`, or a model folder of ganbert, which gives its own text vectors.
        max_length: tokens at which a text is cut.
        compute: device, precision and threads.
        progress: show a progress bar, if standard error is a terminal.

    Returns:
        [n, d], each row of length 1; read-only, and mapped from a file where that could be kept.

    Raises:
        InputError: there is no such encoder.
        RunError: it gives numbers that are not finite.
    """
    return vectors_of(Encoder(encoder, max_length, compute), texts, pairs, progress=progress)


def vectors_of(
    encoder: Encoder, texts: Sequence[str], pairs: Sequence[str] | None = None, *, progress: bool = False
) -> NDArray[np.float32]:
    """Do the same with an encoder that is open."""
    shape = (len(texts), encoder.width)

    def write(path: Path) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
        with path.open("wb") as file:  # not through a memory map, which a full disk would end the process for
            np.lib.format.write_array_header_1_0(file, header)
            for chunk in _encoded(encoder, texts, pairs, progress):
                file.write(chunk.tobytes())

    if len(texts) > 0:
        name = f"vectors-{_fingerprint(encoder, texts, pairs)}.npy"
        if (kept := kept_file(name, write, lambda path: _read(path, shape))) is not None:
            return kept
    chunks = [np.empty((0, encoder.width), np.float32), *_encoded(encoder, texts, pairs, progress)]
    return np.concatenate(chunks)


def _encoded(
    encoder: Encoder, texts: Sequence[str], pairs: Sequence[str] | None, progress: bool
) -> Iterator[NDArray[np.float32]]:
    """Yield the vectors of each chunk of texts."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = not (progress and console.is_terminal)
    starts = range(0, len(texts), CHUNK)
    for start in track(starts, description="Encoding", console=console, disable=hidden, transient=True):
        chunk = slice(start, start + CHUNK)
        vectors = encoder(texts[chunk], None if pairs is None else pairs[chunk])
        if not np.isfinite(vectors).all():
            raise RunError("the encoder gives text vectors that are no numbers (nan): it cannot be used")
        yield vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def _read(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Map kept vectors; None if the file is damaged, as its vectors are not all of length 1 then."""
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if vectors.shape != shape or vectors.dtype != np.float32:
        return None
    for start in range(0, len(vectors), CHUNK):
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.linalg.norm(vectors[start : start + CHUNK], axis=1)
        if not (np.abs(lengths - 1) < 1e-3).all():
            return None
    return np.asarray(vectors)


def _fingerprint(encoder: Encoder, texts: Sequence[str], pairs: Sequence[str] | None) -> str:
    """Return a hash of all that the vectors depend on."""
    digest = hashlib.sha256(f"{_FORMAT} {encoder.fingerprint}".encode())
    for column in (texts, pairs):
        digest.update(b"\0texts" if column is not None else b"\0none")
        for start in range(0, 0 if column is None else len(column), CHUNK):
            for text in column[start : start + CHUNK]:  # type: ignore[index]
                content = text.encode()
                digest.update(b"%d " % len(content) + content)
    return digest.hexdigest()
