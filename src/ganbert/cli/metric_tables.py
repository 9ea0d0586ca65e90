"""Figures as tables for people."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from ganbert.metrics import EXPLAINED, SHOWN, Metrics
from ganbert.wording import rich_text

WORST_CLASSES = 20


def print_metrics(console: Console, rows: Mapping[str, tuple[Metrics, int | None, float | None]]) -> None:
    """Print a line of figures for each named model: its metrics, optimiser steps and seconds (None: not known)."""
    table = Table("", *(metric.label for metric in SHOWN), "rows")
    has_cost = any(steps is not None for _, steps, _ in rows.values())
    if has_cost:
        table.add_column("steps", justify="right")
        table.add_column("seconds", justify="right")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, (metrics, steps, seconds) in rows.items():
        figures = [*(f"{metrics.figures[metric.name]:.3f}" for metric in SHOWN), str(metrics.n)]
        table.add_row(rich_text(name), *figures, *([str(steps), f"{seconds:.0f}"] if has_cost else []))
    console.print(table)
    console.print(EXPLAINED, highlight=False, style="dim")


def print_per_class(console: Console, metrics: Metrics) -> None:
    """Print the figures of each class, the worst first."""
    table = Table("class", "precision", "recall", "F1", "rows")
    for column in table.columns[1:]:
        column.justify = "right"
    classes = sorted(metrics.per_class.items(), key=lambda item: item[1]["f1"])
    for name, figures in classes[:WORST_CLASSES]:
        table.add_row(
            rich_text(name),
            f"{figures['precision']:.3f}",
            f"{figures['recall']:.3f}",
            f"{figures['f1']:.3f}",
            str(figures["support"]),
        )
    console.print(table)
    if len(classes) > WORST_CLASSES:
        console.print(f"... and {len(classes) - WORST_CLASSES} classes with a higher F1 (all of them with --json)")
