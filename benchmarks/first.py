"""QC coarse with 1% of the labels (55), all other rows unlabelled: each recipe for equally many steps, several seeds.

    python -m benchmarks.first --data ../shared/data/qc --output docs/results/first.jsonl
    python -m benchmarks.first --split dev --seeds 2 --output docs/results/development.jsonl

Each finished run is a line of the output; started again, it does only what is missing. A seed shuffles the training
set; the first 55 rows keep their label. Rows whose text is also in the test set are taken out first and counted. The
test set is read once a run, after training. `--split dev` is for choosing settings: 800 training rows that a fixed
seed sets aside take the place of the test set, which is not read.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ganbert import BERT, DEFAULT, PAPER, Recipe, train
from ganbert.cli.options import quiet_libraries
from ganbert.data.corpus import Corpus, corpus_of_texts
from ganbert.evaluation.provenance import provenance

N_LABELLED = 55
DEVELOPMENT_ROWS = 800
METHODS: dict[str, dict[str, Recipe]] = {
    "test": {"paper": PAPER, "bert": BERT, "default": DEFAULT, "default without adversary": DEFAULT.plain()},
    "dev": {
        f"default, encoder_lr {rate}{name}": replace(recipe, encoder_lr=rate)
        for rate in (5e-5, 1e-4)
        for name, recipe in {"": DEFAULT, ", without adversary": DEFAULT.plain()}.items()
    },
}


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a gzip-compressed JSON Lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def rows_of(data: Path, split: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the rows to train on and those to measure on."""
    rows = read(data / "train.jsonl.gz")
    if split == "test":
        return rows, read(data / "test.jsonl.gz")
    order = np.random.default_rng(12345).permutation(len(rows))
    return [rows[i] for i in order[DEVELOPMENT_ROWS:]], [rows[i] for i in order[:DEVELOPMENT_ROWS]]


def corpus_of(rows: list[dict[str, str]], test: list[dict[str, str]], seed: int) -> tuple[Corpus, int]:
    """Return the corpus of one seed, and how many rows were taken out because they stand among those to measure on."""
    tested = {row["text"] for row in test}
    order = np.random.default_rng(seed).permutation(len(rows))
    labelled = [rows[i] for i in order if rows[i]["text"] not in tested][:N_LABELLED]
    chosen = {id(row) for row in labelled}
    unlabelled = [rows[i] for i in order if id(rows[i]) not in chosen and rows[i]["text"] not in tested]
    names = sorted({row["coarse"] for row in labelled})
    ids = [names.index(row["coarse"]) for row in labelled] + [-100] * len(unlabelled)
    corpus = corpus_of_texts([row["text"] for row in labelled + unlabelled], ids, names)
    test_ids = [names.index(row["coarse"]) if row["coarse"] in names else -1 for row in test]
    held = corpus_of_texts([row["text"] for row in test], test_ids, names)
    return replace(corpus, test=held.train), len(rows) - len(labelled) - len(unlabelled)


def run(data: Path, split: str, output: Path, seeds: int, steps: int, say: Callable[[str], None]) -> None:
    """Append a line to `output` for every method and seed that is not there yet."""
    done = {(record["method"], record["seed"]) for record in results(output)}
    rows, test = rows_of(data, split)
    for method, recipe in METHODS[split].items():
        for seed in range(seeds):
            if (method, seed) in done:
                continue
            corpus, n_removed = corpus_of(rows, test, seed)
            with tempfile.TemporaryDirectory() as folder:
                result = train(
                    replace(recipe, max_steps=steps), corpus, Path(folder) / "model", seed=seed, progress=False, say=say
                )
            assert result.test is not None
            record = {
                "method": method, "seed": seed, "steps": result.steps, "seconds": round(result.seconds, 1),
                "accuracy": result.test.accuracy, "macro_f1": result.test.macro_f1, "ece": result.test.ece,
                "n_test": result.test.n, "counts": result.counts, "n_removed": n_removed,
                "precision": result.precision, "warnings": result.warnings,
                "changes_from_paper": result.recipe.changes_from(PAPER), **provenance(),
            }  # fmt: skip
            with output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")


def results(output: Path) -> list[dict[str, Any]]:
    """Return the finished runs."""
    return [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []


def show(output: Path) -> None:
    """Print mean and standard deviation over seeds, and the paired difference to the equal-step plain fine-tune."""
    table = Table(
        "method", "accuracy", "macro F1", "ECE", "steps", "seconds", "seeds", "accuracy against its plain run"
    )
    by_method: dict[str, dict[int, dict[str, Any]]] = {}
    for record in results(output):
        by_method.setdefault(record["method"], {})[record["seed"]] = record
    plain = {"paper": "bert", "default": "default without adversary"}
    plain |= {method: f"{method}, without adversary" for method in METHODS["dev"]}
    for method, runs in by_method.items():
        mean = {name: np.mean([run[name] for run in runs.values()]) for name in ("macro_f1", "ece", "seconds")}
        accuracies = np.array([run["accuracy"] for run in runs.values()])
        other = by_method.get(plain.get(method, ""), {})
        gains = [runs[seed]["accuracy"] - other[seed]["accuracy"] for seed in sorted(set(runs) & set(other))]
        table.add_row(
            method, f"{accuracies.mean():.3f} ± {accuracies.std(ddof=1) if len(accuracies) > 1 else 0:.3f}",
            f"{mean['macro_f1']:.3f}", f"{mean['ece']:.3f}", str(next(iter(runs.values()))["steps"]),
            f"{mean['seconds']:.0f}", str(len(runs)), " ".join(f"{gain:+.3f}" for gain in gains),
        )  # fmt: skip
    Console(width=140).print(table)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/qc"))
    parser.add_argument("--output", type=Path, default=Path("docs/results/first.jsonl"))
    parser.add_argument("--split", choices=METHODS, default="test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=PAPER.n_steps(N_LABELLED, 5387))
    arguments = parser.parse_args()
    quiet_libraries()
    run(arguments.data, arguments.split, arguments.output, arguments.seeds, arguments.steps, say=print)
    show(arguments.output)


if __name__ == "__main__":
    main()
