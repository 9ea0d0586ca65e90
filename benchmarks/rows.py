"""Reads the rows in `results/`: those of comparisons, of benchmarks, and what probes printed."""

from __future__ import annotations

import functools
import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "results"

Row = dict[str, Any]

PROBE = re.compile(
    r"(?P<task>\S+) (?P<seed>\d) (?P<method>.*?) (?P<accuracy>\d+\.\d)(?: ens \S+| ece (?P<ece>\d+))? \d+s"
)
"""A line of `results/search/probes.txt` with one figure; percentages."""


def read(path: Path) -> list[Row]:
    """Return the rows of a JSON Lines file, compressed or not.

    Args:
        path: ends in `.jsonl` or `.jsonl.gz`.
    """
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [json.loads(line) for line in text.split("\n") if line]


@functools.cache
def comparison(name: str) -> list[Row]:
    """Return the rows of `results/NAME.jsonl.gz`; none if there is no such file."""
    path = RESULTS / f"{name}.jsonl.gz"
    return read(path) if path.exists() else []


@functools.cache
def benchmark(name: str) -> Any:
    """Return what a benchmark wrote: `results/benchmarks/NAME.json` or, as a list of rows, `NAME.jsonl`."""
    path = RESULTS / "benchmarks" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else read(path.with_suffix(".jsonl"))


@functools.cache
def probes() -> list[Row]:
    """Return what throw-away scripts printed, one row a line, as comparisons have it: shares, not percentages."""
    lines = (RESULTS / "search" / "probes.txt").read_text().splitlines()
    matches = [match.groupdict() for match in map(PROBE.fullmatch, lines) if match]
    return [
        {
            "task": row["task"],
            "seed": int(row["seed"]),
            "method": row["method"],
            "accuracy": float(row["accuracy"]) / 100,
            "ece": float(row["ece"]) / 100 if row["ece"] else None,
        }
        for row in matches
    ]


def runs(rows: Sequence[Row], method: str, **conditions: str) -> list[Row]:
    """Return the runs of a method, one a seed and in the order of seeds.

    Args:
        rows: to choose from; of two with the same seed the first counts.
        method: by name, with its settings.
        conditions: further fields and their values, such as `budget="1%"`.
    """
    by_seed: dict[int, Row] = {}
    for row in rows:
        if row["method"] == method and all(row[name] == value for name, value in conditions.items()):
            by_seed.setdefault(row["seed"], row)
    return [by_seed[seed] for seed in sorted(by_seed)]


def mean(rows: Sequence[Row], name: str) -> float:
    """Return the mean of a figure."""
    return float(np.mean([row[name] for row in rows]))


def table(header: Sequence[str], lines: Sequence[Sequence[object]], left: int = 1) -> str:
    """Return a table in Markdown.

    Args:
        header: names of the columns.
        lines: a cell for each column.
        left: how many columns are aligned left; figures are aligned right.
    """
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (header, rule, *lines))
