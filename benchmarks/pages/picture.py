"""The picture of the README and the results page: learning curves on QC with the paper's settings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from PIL import Image

from benchmarks.rows import REPOSITORY, comparison
from ganbert.compare.curves import curves
from ganbert.compare.statistics import summarise

PATH = REPOSITORY / "docs" / "results" / "learning-curves.png"
ROWS = "curves/qc"
KEY = "Rows"
"""The entry of the picture's metadata that says of which rows it is."""


def digest() -> str:
    """Return the SHA-256 of the rows that the picture shows."""
    return hashlib.sha256(json.dumps(comparison(ROWS)).encode()).hexdigest()


def drawn_of(path: Path = PATH) -> str | None:
    """Return the digest of the rows that a picture was drawn of."""
    with Image.open(path) as picture:
        return picture.info.get(KEY)


def draw(path: Path = PATH) -> None:
    """Draw the picture."""
    figure = curves(summarise(comparison(ROWS)))
    figure.savefig(path, dpi=110, metadata={KEY: digest(), "Software": None})
