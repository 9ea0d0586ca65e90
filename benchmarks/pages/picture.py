"""The pictures of the README and the results pages, each with the hash of its rows in its metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from benchmarks import label_cost
from benchmarks.rows import REPOSITORY, Row, comparison
from ganbert.compare.curves import curves
from ganbert.compare.statistics import summarise

KEY = "Rows"
"""The entry of a picture's metadata that says of which rows it is."""


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes:
        rows: returns what it is drawn from.
        figure: draws it.
    """

    rows: Callable[[], Sequence[Row]]
    figure: Callable[[], Figure]

    def digest(self) -> str:
        """Return the SHA-256 of its rows."""
        return hashlib.sha256(json.dumps(self.rows()).encode()).hexdigest()


PICTURES: Mapping[Path, Picture] = {
    REPOSITORY / "docs" / "results" / "learning-curves.png": Picture(
        lambda: comparison("curves/qc"), lambda: curves(summarise(comparison("curves/qc")))
    ),
    REPOSITORY / "docs" / "results" / "label-cost.png": Picture(
        label_cost.rows_there_are, lambda: label_cost.picture(label_cost.found())
    ),
}
"""By the file that holds it. One without rows is not drawn."""


def drawn_of(path: Path) -> str | None:
    """Return the digest of the rows that a picture was drawn of; None where there is no such picture."""
    if not path.exists():
        return None
    with Image.open(path) as picture:
        return picture.info.get(KEY)


def draw() -> None:
    """Draw all pictures whose rows there are."""
    for path, picture in PICTURES.items():
        if picture.rows():
            picture.figure().savefig(path, dpi=110, metadata={KEY: picture.digest(), "Software": None})
