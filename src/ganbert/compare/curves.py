"""Pictures of a comparison: learning curves over label budgets, dots for a single budget, and calibration."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from ganbert.compare.methods import METHODS, base_and_settings
from ganbert.compare.statistics import Summary
from ganbert.metrics import METRICS
from ganbert.storage.disk import write_whole
from ganbert.wording import printable

# Okabe and Ito's colours, told apart by all readers; markers and lines tell them apart in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # one less than colours, so that pairs repeat after 56
MEASURED_ON = {"dev": "development rows", "cross-validation": "cross-validation"}
LINES = ("-", "--", "-.", ":")
LINE_HEIGHT = 0.17
"""Inches, of small text."""
NAME_WIDTH = 36
"""Characters of a method's name in one line."""
LEGEND_COLUMNS = 2

CalibrationBins = Sequence[tuple[int, float, float]]
"""Rows, accuracy and mean confidence of each bin."""


def plot_curves(summaries: Sequence[Summary], folder: Path) -> None:
    """Draw `curve.png` and `curve.svg`: a panel for each task, the paper's figure 2."""
    figure, picture = curves(summaries), io.BytesIO()
    with _any_script():
        figure.savefig(picture, dpi=150)
    write_whole(folder / "curve.png", picture.getvalue())
    write_whole(folder / "curve.svg", svg(figure))


@matplotlib.rc_context({"text.parse_math": False})  # a dollar in a name is a dollar
def curves(summaries: Sequence[Summary]) -> Figure:
    """Return a panel for each task: its metric over labelled rows, mean over seeds and 95% interval.

    A task with a single budget is a panel of dots, with the names of the methods beside them.
    """
    panels: dict[tuple[str, str], list[Summary]] = {}
    for summary in summaries:
        panels.setdefault((summary.task, summary.split), []).append(summary)
    styles = _styles(s.label for s in summaries)
    is_curve = {place: len({s.budget for s in of_panel}) > 1 for place, of_panel in panels.items()}
    columns = min(3 if all(is_curve.values()) else 1, len(panels))
    lines = [list(panels)[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [
        3.6 if is_curve[places[0]] else 1.0 + LINE_HEIGHT * float(_lines_of_dots(panels[places[0]]).sum())
        for places in lines
    ]
    figure = Figure(figsize=(max(6.5, 4.6 * columns), sum(heights) + 0.9), layout="constrained")
    grid = figure.subplots(len(lines), columns, squeeze=False, height_ratios=heights)
    for axes, ((task, split), of_panel) in zip(grid.flat, panels.items(), strict=False):
        (_curves if is_curve[task, split] else _dots)(axes, of_panel, styles)
        title = printable(task if split == "test" else f"{task} ({MEASURED_ON.get(split, split)})")
        axes.set_title(title, parse_math=False)  # a file's name may hold dollars
    for axes in figure.axes[len(panels) :]:
        axes.remove()
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    if entries:
        figure.legend(
            handles=list(entries.values()),
            labels=[_wrapped(name) for name in entries],
            loc="outside lower center",
            ncols=min(4, len(entries)),
            frameon=False,
        )
    return figure


@matplotlib.rc_context({"text.parse_math": False})
def calibration(bins: Mapping[str, CalibrationBins]) -> Figure:
    """Return the calibration curves of several methods: accuracy of the rows in each bin of confidence."""
    names = {method: _wrapped(method) for method in bins}
    legend_height = LINE_HEIGHT * sum(1 + name.count("\n") for name in names.values()) / LEGEND_COLUMNS
    figure = Figure(figsize=(5.2, 4.2 + legend_height), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    styles = _styles(bins)
    for method, of_method in bins.items():
        axes.plot(
            [confidence for _, _, confidence in of_method], [accuracy for _, accuracy, _ in of_method],
            label=names[method], markersize=4, **styles[method],
        )  # fmt: skip
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=LEGEND_COLUMNS, frameon=False, fontsize="small")
    return figure


def svg(figure: Figure) -> str:
    """Return the figure as one `<svg>` element, with text as text."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ganbert"}), _any_script():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


@contextmanager
def _any_script() -> Iterator[None]:
    """Let names be in scripts that the font lacks: boxes in a picture are no reason to warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def _curves(axes: Axes, summaries: Sequence[Summary], styles: Mapping[str, dict[str, Any]]) -> None:
    for method in dict.fromkeys(s.label for s in summaries):
        points = sorted((s for s in summaries if s.label == method), key=lambda s: s.n_labelled)
        x = [s.n_labelled for s in points]
        figures = [s.figures[s.metric] for s in points]
        axes.plot(x, [100 * f.mean for f in figures], label=_label(points), markersize=4.5, **styles[method])
        low = [100 * (f.mean if f.low is None else max(f.low, 0)) for f in figures]
        high = [100 * (f.mean if f.high is None else min(f.high, 1)) for f in figures]
        axes.fill_between(x, low, high, color=styles[method]["color"], alpha=0.13, linewidth=0)
    budgets = {s.n_labelled: s.budget for s in summaries}
    if 0 in budgets:
        axes.set_xscale("symlog", linthresh=min(n for n in budgets if n))
    else:
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(budgets)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([_tick(n, budgets[n]) for n in sorted(budgets)], fontsize="small")
    axes.set(xlabel="labelled rows", ylabel=f"{METRICS[summaries[0].metric].label}, %")
    axes.grid(alpha=0.3)


def _dots(axes: Axes, summaries: Sequence[Summary], styles: Mapping[str, dict[str, Any]]) -> None:
    lines = _lines_of_dots(summaries)
    middles = lines.cumsum() - lines / 2
    for summary, middle in zip(summaries, middles, strict=True):
        figure = summary.figures[summary.metric]
        mean, low, high = (100 * (figure.mean if x is None else x) for x in (figure.mean, figure.low, figure.high))
        look = {**styles[summary.label], "linestyle": ""}
        ends = [[mean - max(low, 0)], [min(high, 100) - mean]]
        axes.errorbar([mean], [middle], xerr=ends, capsize=3, elinewidth=1.5, **look)
    axes.set_yticks(middles, [_wrapped(s.name) for s in summaries], fontsize="small")
    axes.set_ylim(lines.sum(), 0)
    axes.set(xlabel=f"{METRICS[summaries[0].metric].label}, % ({summaries[0].n_labelled} labelled rows)")
    axes.grid(alpha=0.3)


def _lines_of_dots(summaries: Sequence[Summary]) -> NDArray[np.int64]:
    """Return how many lines of text each method gets in a panel of dots: those of its name and a free one."""
    return np.array([2 + _wrapped(s.name).count("\n") for s in summaries])


def _label(points: Sequence[Summary]) -> str:
    """Return the name of a method along a curve, and where a plain fine-tune ran in its place."""
    plain = [s.budget for s in points if s.n_fallbacks]
    if not plain or len(plain) == len(points):
        return points[0].name
    return f"{points[0].label} (plain fine-tune at {', '.join(plain)})"


def _wrapped(name: str) -> str:
    """Return the name of a method in lines of at most `NAME_WIDTH` characters, broken before a setting or a remark."""
    lines = [""]
    for part in name.replace(":", ":\0").replace("+", "\0+").replace(" (", "\0 (").replace(" [", "\0 [").split("\0"):
        if lines[-1] and len(lines[-1] + part) > NAME_WIDTH:
            lines.append("")
        lines[-1] += part if lines[-1] else part.lstrip()
    return "\n".join(lines)


def _tick(n_labelled: int, budget: str) -> str:
    return str(n_labelled) if budget == str(n_labelled) else f"{n_labelled}\n{budget}"


def _styles(methods: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return how to draw each: the same in all pictures of the same methods, whatever order they come in."""
    places = {name: place for place, name in enumerate(METHODS)}

    def place(name: str) -> int:
        return places.get(base_and_settings(name.partition(" ")[0])[0], len(places))

    order = sorted(dict.fromkeys(methods), key=place)
    return {
        method: {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": LINES[i % len(LINES)],
        }
        for i, method in enumerate(order)
    }
