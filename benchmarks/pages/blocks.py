"""The marked places of a page: between `<!-- table: NAME -->` and `<!-- end -->` stands what `TABLES[NAME]` returns."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks import label_cost
from benchmarks.pages import comparisons, search, speed
from benchmarks.pages.comparisons import WITHOUT
from benchmarks.rows import REPOSITORY, RESULTS

BLOCK = re.compile(r"(?P<begin>[ ]*<!-- table: (?P<name>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)

ALL_FIGURES = {
    f"all-{folder}-{path.name.removesuffix('.jsonl.gz')}": partial(
        comparisons.everything, f"{folder}/{path.name.removesuffix('.jsonl.gz')}"
    )
    for folder in ("final", "curves")
    for path in sorted((RESULTS / folder).glob("*.jsonl.gz"))
}

TABLES: Mapping[str, Callable[[], str]] = {
    "files": comparisons.files,
    "default-cells": partial(comparisons.cells_of, "bert-tuned", "default"),
    "default-means": partial(comparisons.means_of, "bert-tuned", "default"),
    "setfit-cells": partial(comparisons.cells_of, "setfit", "default"),
    "setfit-means": partial(comparisons.means_of, "setfit", "default"),
    "simple-cells": partial(comparisons.cells_of, "bert-tuned", "embed", "tfidf"),
    "adversary-cells": partial(comparisons.cells_of, WITHOUT, "default"),
    "adversary-means": partial(comparisons.means_of, WITHOUT, "default"),
    "paper": comparisons.paper,
    "rates": comparisons.rates,
    "ablation": comparisons.ablation,
    "first-test": comparisons.first_test,
    "first-development": comparisons.first_development,
    "search-baseline": search.baseline,
    "search-heads": search.heads,
    "search-contrast": search.contrast,
    "search-moving-teacher": search.moving_teacher,
    "search-finished-teacher": search.finished_teacher,
    "search-parts": search.parts_with_equation_2,
    "search-looks": search.looks,
    "search-elsewhere": search.elsewhere,
    "search-rare-parts": search.rare_parts,
    "search-equations": search.equations,
    "search-rare-classes": search.rare_classes,
    "search-temperature": search.softer_contrast,
    "search-default": search.as_it_is,
    "search-ladder": search.ladder,
    "search-novelty": search.novelty,
    "search-taken-out": search.taken_out,
    "speed-aims": speed.aims,
    "speed-engines": speed.engines,
    "speed-precisions": speed.precisions,
    "speed-scale": speed.scale,
    "speed-cold-start": speed.cold_start,
    "campaign": speed.campaign,
    "label-cost-savings": lambda: label_cost.savings_table(label_cost.found()),
    "label-cost-accuracies": lambda: label_cost.accuracy_table(label_cost.found()),
    "label-cost-published": lambda: label_cost.published_table(label_cost.rows_there_are()),
    **ALL_FIGURES,
}
"""By the name that a page gives in its marker."""


@functools.cache
def made(name: str) -> str:
    """Return a table, made once.

    Raises:
        KeyError: there is no such table.
    """
    return TABLES[name]()


def pages() -> list[Path]:
    """Return the pages that may hold marked places."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def names(text: str) -> list[str]:
    """Return the names of the tables of a page."""
    return [match["name"] for match in BLOCK.finditer(text)]


def filled(text: str) -> str:
    """Return a page with each table as the rows give it.

    Raises:
        KeyError: a marker names no table.
    """
    return BLOCK.sub(lambda match: f"{match['begin']}\n{made(match['name'])}\n\n{match['end']}", text)
