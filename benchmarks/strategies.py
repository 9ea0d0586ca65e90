"""Which selection strategy is best? Labels chosen by each, learned by the quick learner, judged on development rows.

    python -m benchmarks.strategies --data ../shared/data --output results/benchmarks/strategies.jsonl
    python -m benchmarks.strategies --table

The pool is the training rows of a task without its development rows, of which at most 5,000 are drawn. Labelling is
simulated in batches, as in `compare --selection`. The judge is `QuickLearner` on frozen vectors of `minilm`, so that a
task takes a minute; nothing in this reads a test set. Each line of the output is a strategy on a task with a seed, all
budgets together; started again, the script does only what is missing.

The table says how much a strategy differs from `random`: in points, the mean over tasks of the mean over the seeds that
both have, and the task on which it is worst.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from datasets import Dataset

from benchmarks.label_cost import LABELS, TASKS
from benchmarks.rows import Row, read, table
from ganbert.cli.options import quiet_libraries
from ganbert.compare.row_sources import TaskRows
from ganbert.compare.runs import provenance
from ganbert.compare.simulate import Simulated, Simulation, strategy
from ganbert.compare.splits import set_development_rows_aside
from ganbert.compare.tasks import task_named
from ganbert.data.class_names import ClassNames
from ganbert.labels import UNLABELLED
from ganbert.predict.torch_backend import Encoder
from ganbert.runtime import Compute, choose_compute
from ganbert.select.quick import QuickLearner
from ganbert.select.strategies import STRATEGIES
from ganbert.select.vectors import vectors_of

BASE = "random"
ENCODER, MAX_LENGTH = "minilm", 64
POOL_ROWS, POOL_SEED = 5000, 2020
NAMES = ("labels", "none")


@lru_cache(maxsize=1)
def rows_of(task: str, root: Path) -> tuple[Dataset, Dataset]:
    """Return the pool and the development rows of a task: the same for all seeds, and no text in both."""
    train, development = set_development_rows_aside(task_named(task).load("train", root))
    columns = [name for name in ("text", "text_pair") if name in train.column_names]
    measured = set(zip(*(development[name][:] for name in columns), strict=True))
    texts = zip(*(train[name][:] for name in columns), strict=True)
    kept = [i for i, text in enumerate(texts) if text not in measured]
    return train.select(np.sort(np.random.default_rng(POOL_SEED).permutation(kept)[:POOL_ROWS])), development


def outcome(
    selection: Simulated,
    pool: Dataset,
    development: Dataset,
    class_names: ClassNames,
    budgets: Sequence[int],
    seed: int,
) -> Row:
    """Return the accuracy, and how many classes have a label, by budget.

    Args:
        selection: the strategy, and the vectors that it and the judge see.
        pool: rows to label, with the column `label` as text.
        development: rows to measure on; those of a class without labelled row or name count as errors.
        class_names: what the classes are called.
        budgets: numbers of labels, each at most as many as the pool has rows.
        seed: of everything random.
    """
    encoder = Encoder(selection.encoder, selection.max_length, selection.compute)
    names = list(dict.fromkeys([*class_names, *pool["label"]]))
    ids = {name: i for i, name in enumerate(names)}
    labels = np.array([ids[label] for label in pool["label"]])
    truth = np.array([ids.get(label, UNLABELLED) for label in development["label"]])
    vectors, measured = (vectors_of(encoder, rows["text"][:]) for rows in (pool, development))
    of_names = {ids[label]: vectors_of(encoder, texts) for label, texts in class_names.items()}
    simulation = Simulation(labels, strategy(selection, pool, class_names, names, seed))
    row: Row = {"accuracy": {}, "classes": {}}
    for n in sorted(budgets):
        known, first = np.full_like(labels, UNLABELLED), simulation.first(n)
        known[first] = labels[first]
        learner = QuickLearner(len(names), of_names).fit(vectors, known)
        said = learner.predict_proba(measured).argmax(axis=1)
        row["accuracy"][str(n)] = round(float(np.mean(said == truth)), 4)
        row["classes"][str(n)] = len(np.unique(labels[first]))
    return row


def key_of(row: Row) -> tuple[str, str, str, int]:
    """Return what tells a row from others."""
    return row["task"], row["strategy"], row["names"], row["seed"]


def measure(
    root: Path, output: Path, tasks: Sequence[str], strategies: Sequence[str], names: str, seeds: int, compute: Compute
) -> None:
    """Carry out what is missing with class names or without: all tasks with the first seed before the second."""
    done = {key_of(row) for row in read(output)} if output.exists() else set()
    for seed in range(seeds):
        for task in tasks:
            for name in strategies:
                if (task, name, names, seed) in done:
                    continue
                began = time.perf_counter()
                pool, development = rows_of(task, root)
                class_names = TaskRows(task, root).class_names() if names == "labels" else {}
                selection = Simulated(name, ENCODER, MAX_LENGTH, compute)
                row: Row = {"task": task, "strategy": name, "names": names, "seed": seed, "encoder": ENCODER}
                row |= {"max_length": MAX_LENGTH, "pool": len(pool), "development": len(development)}
                row |= outcome(selection, pool, development, class_names, LABELS, seed)
                row |= {"seconds": round(time.perf_counter() - began, 1), **provenance(compute.device)}
                with output.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(*key_of(row), *row["accuracy"].values(), f"{row['seconds']} s", flush=True)


def differences(rows: Iterable[Row], name: str, names: str, budget: int) -> dict[str, float]:
    """Return by how much a strategy differs from `random` on each task, in points: means over the seeds of both."""
    of: dict[str, dict[str, dict[int, float]]] = {}
    for row in rows:
        if row["names"] == names and row["strategy"] in (name, BASE) and str(budget) in row["accuracy"]:
            by_seed = of.setdefault(row["task"], {}).setdefault(row["strategy"], {})
            by_seed.setdefault(row["seed"], row["accuracy"][str(budget)])
    found = {}
    for task, by_strategy in of.items():
        ours, base = by_strategy.get(name, {}), by_strategy.get(BASE, {})
        if seeds := sorted(ours.keys() & base.keys()):
            found[task] = 100 * float(np.mean([ours[seed] - base[seed] for seed in seeds]))
    return found


def differences_table(rows: Sequence[Row]) -> str:
    """Return a line for each strategy, with names and without: its mean difference and its worst task, by budget."""
    body = []
    for names in NAMES:
        for name in dict.fromkeys(row["strategy"] for row in rows if row["names"] == names and row["strategy"] != BASE):
            by_budget = [differences(rows, name, names, n) for n in LABELS]
            cells = []
            for of in by_budget:
                worst = min(of, key=of.__getitem__, default=None)
                mean = float(np.mean(list(of.values()))) if of else 0.0
                cells.append("" if worst is None else f"{mean:+.1f} ({worst} {of[worst]:+.1f})")
            body.append([f"`{name}`", names, *cells, str(max(map(len, by_budget)))])
    return table(["less `random`", "names", *(f"{n} labels" for n in LABELS), "tasks"], body, left=2)


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/strategies.jsonl"))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--names", choices=NAMES, default="labels", help="what the learner knows of the classes")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    arguments = parser.parse_args()
    quiet_libraries()
    if not arguments.table:
        measure(
            arguments.data, arguments.output, arguments.tasks.split(","), arguments.strategies.split(","),
            arguments.names, arguments.seeds, choose_compute(threads=arguments.threads),
        )  # fmt: skip
    print(differences_table(read(arguments.output)))


if __name__ == "__main__":
    main()
