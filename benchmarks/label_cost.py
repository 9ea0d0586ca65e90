"""What labels cost: how many random labels the tuned fine-tune needs for the accuracy that a method has with 100.

    python -m benchmarks.label_cost                                          # the table, from the rows there are
    python -m benchmarks.label_cost --run FOLDER --data ../shared/data --tasks hwu64 --seeds 2 --jobs 2

**Label saving at 100**: the number of labels, drawn at random, at which `bert-tuned` reaches that accuracy, over 100.
The curve of `bert-tuned` is the mean over seeds at 50 to 1,600 labels, made monotone and interpolated linearly in the
logarithm of their number. Where an accuracy lies outside the curve, the saving is bounded by its end.

The mean over tasks is geometric. Its 95% interval is a bootstrap over the seeds of both methods, in each task by itself
(Efron and Tibshirani 1993, section 13.3).

With `--run`, all runs that are not in `results/label_cost` are written to FOLDER/results.jsonl; started again, it does
what is missing. `gzip --no-name --stdout FOLDER/results.jsonl > results/label_cost/NAME.jsonl.gz` keeps them.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.rows import RESULTS, Row, read, table
from ganbert.compare.curves import COLOURS, LINES, MARKERS
from ganbert.compare.store import LATER, key_of

FOLDER = RESULTS / "label_cost"
TASKS = ("qc-coarse", "qc-fine", "sst5", "20n-stripped", "hwu64", "stackoverflow", "ag_news")
BASE_LABELS, LABELS = (50, 100, 200, 400, 800, 1600), (25, 50, 100, 200)
AT = 100
"""Labels of the method whose saving is told."""
DRAWS, SEED = 1000, 2020
"""Of the bootstrap."""


@dataclass(frozen=True)
class Line:
    """A method with what it is given: which rows are labelled, and whether it knows what the classes are called."""

    method: str
    selection: str = "random"
    names: str = "none"

    @property
    def title(self) -> str:
        """What tables and pictures call it."""
        given = {"random": "random", "suggest": "chosen"}.get(self.selection, self.selection)
        return f"`{self.method}`, {given}{', names' if self.names != 'none' else ''}"


BASE = Line("bert-tuned")
OURS = Line("default", "suggest", "labels")
SHOWN = (
    OURS,
    Line("default", "suggest"),
    Line("default", "random", "labels"),
    Line("default"),
    Line("bert-tuned", "suggest", "labels"),
    Line("embed", "suggest", "labels"),
    Line("setfit", "suggest", "labels"),
)
"""All together; what choice, names and method bring by themselves; and other methods with the same choice and names."""

PUBLISHED: Mapping[tuple[str, str], Sequence[tuple[str, str, float]]] = {
    ("hwu64", "few_5"): (
        ("fine-tune", "RoBERTa-base", 75.6),
        ("USE+ConveRT", "both", 80.0),
        ("DNNC", "RoBERTa-base", 80.5),
        ("CPFT", "RoBERTa-base", 82.0),
    ),
    ("hwu64", "few_10"): (
        ("fine-tune", "RoBERTa-base", 82.9),
        ("USE+ConveRT", "both", 85.8),
        ("DNNC", "RoBERTa-base", 84.7),
        ("CPFT", "RoBERTa-base", 87.1),
    ),
    ("ag_news", "few_10"): (
        ("fine-tune [other draws]", "BERT-base", 84.9),
        ("AdaMatch [other draws]", "BERT-base", 88.3),
    ),
}
"""Accuracies in percent, with their encoders: of HWU64 as the repository Few-Shot-Intent-Detection lists them, of AG
News as USB does (Wang et al. 2022), which drew 10 rows a class otherwise."""

Accuracies = Mapping[int, Mapping[int, float]]
"""Number of labels to seed to accuracy."""
Found = Mapping[tuple[str, Line], Accuracies]


@dataclass(frozen=True)
class Saving:
    """How many times as many labels are needed without the method.

    Attributes:
        times: the factor.
        bound: ">=" or "<=" where the curve ends before the accuracy is reached, or begins above it; else "".
    """

    times: float
    bound: str = ""

    def __str__(self) -> str:
        return f"{self.bound}{self.times:.1f}x"


@functools.cache
def found() -> Found:
    """Return the accuracies of all rows in `results/label_cost`."""
    return accuracies(rows_there_are())


@functools.cache
def rows_there_are() -> list[Row]:
    """Return the rows in `results/label_cost`."""
    return [row for path in sorted(FOLDER.glob("*.jsonl.gz")) for row in read(path)]


def accuracies(rows: Iterable[Row]) -> Found:
    """Return the accuracies of rows of `minilm` whose budget is a number of labels, by task and line.

    Raises:
        ValueError: rows of a task are on different data, or of different precisions or settings.
    """
    of: dict[tuple[str, Line], dict[int, dict[int, float]]] = {}
    conditions: dict[str, object] = {}
    for row in rows:
        if row["encoder"] != "minilm" or row["budget"] != str(row["n_labelled"]):
            continue
        here = [row[name] for name in ("data", "split", "balanced", "precision", "settings")]
        if conditions.setdefault(row["task"], here) != here:
            raise ValueError(f"rows of {row['task']} are of different conditions: {conditions[row['task']]} and {here}")
        selection, names = (str(row.get(name, LATER[name])) for name in ("selection", "names"))
        line = Line(row["method"], selection, names)
        seeds = of.setdefault((row["task"], line), {}).setdefault(row["n_labelled"], {})
        seeds.setdefault(row["seed"], row["accuracy"])
    return of


def labels_needed(curve: Mapping[int, float], accuracy: float) -> tuple[float, str]:
    """Return how many labels a curve of accuracies needs for an accuracy, and ">=" or "<=" where it only bounds them.

    Args:
        curve: number of labels to accuracy, which is made monotone.
        accuracy: to be reached.
    """
    labels = np.array(sorted(curve))
    reached = np.maximum.accumulate([curve[n] for n in labels])
    if accuracy <= reached[0]:
        return float(labels[0]), "<=" if accuracy < reached[0] else ""
    if accuracy > reached[-1]:
        return float(labels[-1]), ">="
    i = int((reached >= accuracy).argmax())  # the first, so reached[i - 1] is below
    share = (accuracy - reached[i - 1]) / (reached[i] - reached[i - 1])
    return float(np.exp(np.log(labels[i - 1]) + share * np.log(labels[i] / labels[i - 1]))), ""


def saving(base: Accuracies, method: Accuracies, at: int = AT) -> Saving | None:
    """Return the label saving of a method with `at` labels; None where one of them has no row."""
    if not base or not method.get(at):
        return None
    curve = {n: float(np.mean(list(of.values()))) for n, of in base.items()}
    needed, bound = labels_needed(curve, float(np.mean(list(method[at].values()))))
    return Saving(needed / at, bound)


def mean_saving(found: Found, tasks: Sequence[str], line: Line) -> tuple[Saving, float, float] | None:
    """Return the geometric mean over the tasks that have rows of a line and of `bert-tuned`, and its 95% interval."""
    pairs = [(found.get((task, BASE), {}), found.get((task, line), {})) for task in tasks]
    savings = [s for base, method in pairs if (s := saving(base, method)) is not None]
    if not savings:
        return None
    bounds = {s.bound for s in savings} - {""}
    bound = bounds.pop() if len(bounds) == 1 else "~" * bool(bounds)
    rng = np.random.default_rng(SEED)
    draws = [
        _geometric([s for base, method in pairs if (s := saving(*_drawn(base, method, rng))) is not None])
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(draws, (0.025, 0.975))
    return Saving(_geometric(savings), bound), float(low), float(high)


def _geometric(savings: Sequence[Saving]) -> float:
    return float(np.exp(np.mean([np.log(s.times) for s in savings])))


def _drawn(base: Accuracies, method: Accuracies, rng: np.random.Generator) -> tuple[Accuracies, Accuracies]:
    """Return both with as many seeds drawn from their own, with replacement: one draw for all of a curve."""
    return _with_seeds(base, rng), _with_seeds({n: method[n] for n in method if n == AT}, rng)


def _with_seeds(of: Accuracies, rng: np.random.Generator) -> Accuracies:
    seeds: NDArray[np.int64] = np.array(sorted({seed for by_seed in of.values() for seed in by_seed}), dtype=np.int64)
    drawn = rng.choice(seeds, len(seeds)) if len(seeds) else seeds
    return {
        n: {i: by_seed[seed] for i, seed in enumerate(drawn) if seed in by_seed} or by_seed for n, by_seed in of.items()
    }


def savings_table(found: Found) -> str:
    """Return the label saving at 100 by task and line, and the geometric mean of each line."""
    tasks = [task for task in TASKS if (task, BASE) in found]
    body = []
    for line in SHOWN:
        savings = [saving(found[task, BASE], found.get((task, line), {})) for task in tasks]
        cells = ["" if s is None else str(s) for s in savings]
        mean = mean_saving(found, tasks, line)
        if mean is not None:
            times, low, high = mean
            partly = f" of {len(tasks) - cells.count('')} tasks" if "" in cells else ""
            body.append([line.title, *cells, f"{times} ({low:.1f} to {high:.1f}){partly}"])
    return table(["with 100 labels", *tasks, "geometric mean"], body)


def accuracy_table(found: Found) -> str:
    """Return mean accuracies in percent, with the number of seeds, by task, line and number of labels."""
    labels = sorted({n for of in found.values() for n in of if n in {*LABELS, *BASE_LABELS}})
    body = []
    for task in TASKS:
        for line in (BASE, *SHOWN):
            of = found.get((task, line), {})
            cells = [f"{100 * np.mean(list(of[n].values())):.1f} ({len(of[n])})" if n in of else "" for n in labels]
            body += [[task, line.title, *cells]] if any(cells) else []
    return table(["task", "method and labels", *map(str, labels)], body, left=2)


def published_table(rows: Sequence[Row]) -> str:
    """Return accuracies on published subsets: those that others published, and those of our rows."""
    body = []
    for (task, budget), others in PUBLISHED.items():
        body += [[task, budget, name, encoder, f"{accuracy:.1f}", ""] for name, encoder, accuracy in others]
        ours: dict[tuple[str, str, str], list[float]] = {}
        for row in rows:
            if (row["task"], row["budget"]) == (task, budget):
                names = ", names" * (row.get("names", "none") != "none")
                ours.setdefault((f"`{row['method']}`", names, row["encoder"]), []).append(100 * row["accuracy"])
        body += [
            [task, budget, f"**{method}{names}**", encoder, f"{np.mean(of):.1f}", str(len(of))]
            for (method, names, encoder), of in ours.items()
        ]
    return table(["task", "labels", "method", "encoder", "accuracy", "seeds"], body, left=4)


def picture(found: Found) -> Figure:
    """Return a panel for each task: accuracy over the number of labels, mean over seeds."""
    tasks = [task for task in TASKS if (task, BASE) in found]
    columns = min(4, max(1, len(tasks)))
    figure = Figure(figsize=(3.4 * columns, 3.2 * -(-len(tasks) // columns) + 0.8), layout="constrained")
    grid = figure.subplots(-(-len(tasks) // columns), columns, squeeze=False)
    for axes, task in zip(grid.flat, tasks, strict=False):
        for i, line in enumerate((BASE, *SHOWN)):
            if of := found.get((task, line)):
                x = sorted(of)
                y = [100 * np.mean(list(of[n].values())) for n in x]
                look = {"color": COLOURS[i], "marker": MARKERS[i % len(MARKERS)], "linestyle": LINES[i % len(LINES)]}
                axes.plot(x, y, label=line.title.replace("`", ""), markersize=4, **look)
        axes.set(xscale="log", title=task, xlabel="labelled rows", ylabel="accuracy, %")
        axes.grid(alpha=0.3)
    for axes in grid.flat[len(tasks) :]:
        axes.remove()
    legend = {str(line.get_label()): line for axes in figure.axes for line in axes.lines}
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    return figure


def run(folder: Path, data: Path | None, tasks: Sequence[str], seeds: int, jobs: int, **options: Any) -> None:
    """Carry out what is missing of all lines, into `folder / "results.jsonl"`.

    Args:
        folder: where to.
        data: folder of local copies of the tasks; None takes their public homes.
        tasks: by name.
        seeds: how many, from 0.
        jobs: runs at once.
        options: further fields of `Run`, such as `max_steps`.
    """
    from ganbert.compare.comparison import measure, runs_of
    from ganbert.compare.executors import in_processes, one_by_one
    from ganbert.compare.row_sources import TaskRows
    from ganbert.compare.store import RESULTS as FILE
    from ganbert.compare.store import Results

    folder.mkdir(parents=True, exist_ok=True)
    wanted = [
        run
        for line, labels in ((BASE, BASE_LABELS), *((line, LABELS) for line in SHOWN))
        for run in runs_of(
            [TaskRows(task, data) for task in tasks], [line.method], [str(n) for n in labels], seeds,
            selection=line.selection, names=line.names, **options,
        )
    ]  # fmt: skip
    kept = {key_of(row) for row in rows_there_are()}
    runs = sorted((run for run in wanted if run.key not in kept), key=lambda run: run.seed)
    measured = measure(
        runs, Results(folder / FILE), one_by_one if jobs == 1 else in_processes(jobs),
        ended=lambda run, row: print(run.source.name, run.budget, run.method, run.selection, run.names, run.seed,
                                     f"{row['accuracy']:.3f}", f"{row['seconds_in_all']:.0f} s", flush=True),
    )  # fmt: skip
    print(*measured.problems, sep="\n")


def main() -> None:
    """Run what is missing, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="carry out what is missing, into this folder")
    parser.add_argument("--data", type=Path, help="folder of local copies of the tasks")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--max-steps", type=int, help="optimiser steps of every fine-tune")
    parser.add_argument("--max-length", type=int, help="tokens kept of a text")
    arguments = parser.parse_args()
    if arguments.run is not None:
        run(
            arguments.run, arguments.data, arguments.tasks.split(","), arguments.seeds, arguments.jobs,
            max_steps=arguments.max_steps, max_length=arguments.max_length,
        )  # fmt: skip
    print(savings_table(found()), accuracy_table(found()), sep="\n\n")


if __name__ == "__main__":
    main()
