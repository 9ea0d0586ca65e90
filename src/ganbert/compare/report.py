"""A comparison as one self-contained HTML page, and its tables as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from ganbert.compare import curves
from ganbert.compare.methods import method_named
from ganbert.compare.statistics import Summary, ceilings, sentences, variants
from ganbert.compare.store import LATER, Record
from ganbert.metrics import CALIBRATION_BINS, EXPLAINED, METRICS, SHOWN
from ganbert.storage.disk import write_whole
from ganbert.wording import markdown, printable

MATRIX_CLASSES = 12
"""With more classes than this a confusion matrix is a carpet: the pairs most often confused are listed instead."""
PAIRS = 15
NO_LABEL = "(classes without a labelled row)"


@dataclass(frozen=True)
class Overview:
    """The metric of one task: a line for each method, a column for each budget."""

    title: str
    columns: list[str]
    lines: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Cell:
    """Everything about one task at one budget."""

    title: str
    summaries: list[Summary]
    sentences: list[str]
    ceilings: list[str]
    per_class: list[tuple[str, int, list[str]]]
    confusions: dict[str, Confusion]
    calibration: Markup
    health: list[Record]
    splits: list[Record]

    @property
    def has_variants(self) -> bool:
        """Whether encoder, selection or class names differ between runs."""
        return any(s.variant for s in self.summaries)

    @property
    def health_names(self) -> list[str]:
        """Figures of the game that any run has."""
        return sorted({name for record in self.health for name in record["health"]})


@dataclass(frozen=True)
class Confusion:
    """Rows of each true class taken for each class, over all seeds; `pairs` in place of the matrix for many classes."""

    classes: list[str]
    truths: list[str]
    matrix: list[list[int]]
    pairs: list[tuple[str, str, int]]


def write_report(
    records: Sequence[Record], summaries: Sequence[Summary], folder: Path, *, commands: Sequence[str]
) -> None:
    """Write `report.html` and `summary.md`.

    Args:
        records: of all runs.
        summaries: of these records.
        folder: where to.
        commands: that made them.
    """
    environment = Environment(
        loader=PackageLoader("ganbert.compare"),
        autoescape=lambda name: name is not None and ".html" in name,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"markdown": markdown, "rate": rate}
    tasks = list(dict.fromkeys(s.task for s in summaries))
    by_task_and_size = sorted(summaries, key=lambda s: (tasks.index(s.task), s.n_labelled))
    places = dict.fromkeys((s.task, s.split, s.budget) for s in by_task_and_size)
    content = {
        "curve": Markup(curves.svg(curves.curves(summaries))) if summaries else "",
        "overviews": [_overview(task, summaries) for task in dict.fromkeys((s.task, s.split) for s in summaries)],
        "cells": [_cell(place, records, summaries, variants(records)) for place in places],
        "methods": {name: method_named(name).says for name in dict.fromkeys(r["method"] for r in records)},
        "versions": _versions(records),
        "commands": [printable(command) for command in commands],
        "n_runs": len(records),
        "metrics": SHOWN,
        "explained": EXPLAINED,
    }
    content["fence"] = "`" * max(3, *(1 + len(ticks) for command in commands for ticks in re.findall("`+", command)), 3)
    for name in ("report.html", "summary.md"):
        write_whole(folder / name, environment.get_template(f"{name}.j2").render(content))


def rate(rows_per_second: float | None) -> str:
    """Return how many rows were predicted in a second, as tables show it."""
    return "" if rows_per_second is None else f"{rows_per_second:.0f}"


def _overview(place: tuple[str, str], summaries: Sequence[Summary]) -> Overview:
    here = [s for s in summaries if (s.task, s.split) == place]
    columns = {s.budget: s.n_labelled for s in sorted(here, key=lambda s: s.n_labelled)}
    figures = {(s.label, s.budget): s.figures[s.metric].share() + ", plain" * bool(s.n_fallbacks) for s in here}
    return Overview(
        f"{place[0]}: {METRICS[here[0].metric].label} on {_measured(place[1])} rows, by labelled rows",
        [f"{budget} ({n})" if budget != str(n) else budget for budget, n in columns.items()],
        [(name, [figures.get((name, b), "") for b in columns]) for name in dict.fromkeys(s.label for s in here)],
    )


def _measured(split: str) -> str:
    return {"test": "test", "dev": "development"}.get(split, "held-out")


def _cell(
    place: tuple[str, str, str],
    records: Sequence[Record],
    summaries: Sequence[Summary],
    variant_of: Callable[[Record], str],
) -> Cell:
    task, split, budget = place
    here = [s for s in summaries if (s.task, s.split, s.budget) == place]
    runs = [{**r, "variant": variant_of(r)} for r in records if (r["task"], r["split"], r["budget"]) == place]
    by_method = {s.name: [r for r in runs if (r["method"], r["variant"]) == (s.method, s.variant)] for s in here}
    return Cell(
        title=f"{task}, {budget}: {here[0].n_labelled} labelled rows, {runs[0]['n_test']} {_measured(split)} rows",
        summaries=here,
        sentences=sentences(here),
        ceilings=ceilings(here),
        per_class=_per_class(by_method),
        confusions={method: _confusion(of_method) for method, of_method in by_method.items()},
        calibration=Markup(curves.svg(curves.calibration({name: _calibration(rs) for name, rs in by_method.items()}))),
        health=[r for r in runs if r["health"] or r["warnings"]],
        splits=list({(r["seed"], r["variant"]): r for r in runs}.values()),
    )


def _counts(runs: Sequence[Record]) -> Counter[tuple[str, str]]:
    """Return how often each class was taken for each, by name: which id a class has depends on the split."""
    counts: Counter[tuple[str, str]] = Counter()
    for run in runs:
        names = run["classes_by_id"]
        for truth, predicted, rows in run["confusion"]:
            counts[(names[truth] if truth >= 0 else NO_LABEL, names[predicted])] += rows
    return counts


def _per_class(by_method: dict[str, list[Record]]) -> list[tuple[str, int, list[str]]]:
    """Return class, test rows and F1 of each method, over all seeds taken together."""
    counts = {method: _counts(runs) for method, runs in by_method.items()}
    unseen = {method: _unseen(runs) for method, runs in by_method.items()}
    seen = {name for of_method in counts.values() for pair in of_method for name in pair} - {NO_LABEL}
    names = sorted(seen | {name for of_method in unseen.values() for name in of_method})
    rows = []
    for name in names:
        f1 = []
        for method, of_method in counts.items():
            hit = of_method[name, name]
            wrong = sum(n for (truth, predicted), n in of_method.items() if (truth == name) != (predicted == name))
            wrong += unseen[method][name]
            f1.append(f"{100 * 2 * hit / (2 * hit + wrong):.1f}" if hit + wrong else "")
        support = {m: unseen[m][name] + sum(n for (truth, _), n in counts[m].items() if truth == name) for m in counts}
        rows.append((name, max(support.values()), f1))
    return rows


def _unseen(runs: Sequence[Record]) -> Counter[str]:
    """Return the test rows of each class, in the seeds in which no labelled row has it."""
    return sum((Counter(run["unseen"]) for run in runs), Counter())


def _confusion(runs: Sequence[Record]) -> Confusion:
    counts = _counts(runs)
    classes = sorted({name for run in runs for name in run["classes_by_id"]})
    truths = [*classes, NO_LABEL] if any(truth == NO_LABEL for truth, _ in counts) else classes
    wrong = [(truth, predicted, n) for (truth, predicted), n in counts.most_common() if truth != predicted]
    if len(classes) > MATRIX_CLASSES:
        return Confusion(classes, truths, [], wrong[:PAIRS])
    return Confusion(classes, truths, [[counts[truth, name] for name in classes] for truth in truths], [])


def _calibration(runs: Sequence[Record]) -> curves.CalibrationBins:
    """Return the bins of all seeds taken together."""
    sums: dict[int, list[float]] = {}
    for n, accuracy, confidence in (bin_ for run in runs for bin_ in run["calibration"]):
        of_bin = sums.setdefault(min(int(confidence * CALIBRATION_BINS), CALIBRATION_BINS - 1), [0.0, 0.0, 0.0])
        for i, value in enumerate((n, n * accuracy, n * confidence)):
            of_bin[i] += value
    return [(int(n), right / n, confident / n) for _, (n, right, confident) in sorted(sums.items())]


def _versions(records: Sequence[Record]) -> dict[str, str]:
    """Return each version that occurs, several with commas between."""
    names = [
        "ganbert",
        "commit",
        "machine",
        "threads",
        "precision",
        "encoder",
        "python",
        "torch",
        "transformers",
        "scikit-learn",
        "numpy",
        *(name for name in LATER if any(name in record for record in records)),
    ]
    return {
        name: ", ".join(dict.fromkeys(str(record.get(name, LATER.get(name, ""))) for record in records))
        for name in names
    }
