"""Does the fast path learn as well? QC coarse with 55 labels, recipe default, several seeds, fast and slow.

    python -m benchmarks.fast_path --data ../shared/data --output results/benchmarks/fast_path.jsonl

Slow is the same training with every device for speed taken back: float32, every batch padded to the longest question,
rows in no order of length, torch's own dropout, no packing, all word embeddings trained. Rows, steps, labels and seeds
are the same. Each finished run is a line of the output; started again, it does only what is missing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from scipy import stats
from transformers import DataCollatorWithPadding

from ganbert import DEFAULT, train
from ganbert.cli.options import quiet_libraries
from ganbert.compare.row_sources import TaskRows
from ganbert.compare.runs import provenance
from ganbert.data.corpus import Corpus
from ganbert.model.encoders import load_tokenizer
from ganbert.runtime import choose_compute

N_LABELLED = 55


@contextmanager
def slow(corpus: Corpus) -> Iterator[None]:
    """Take back, while it is open, what makes training fast."""
    tokenizer = load_tokenizer("minilm")
    longest = max(map(len, tokenizer(corpus.train["text"][:])["input_ids"]))
    padded = DataCollatorWithPadding(tokenizer, padding="max_length", max_length=longest)
    with (
        mock.patch("ganbert.training.fit.speed_up"),
        mock.patch("ganbert.training.fit.Collator", return_value=padded),
        mock.patch("ganbert.training.batches.WINDOW", 1),
    ):
        yield


def run(data: Path, output: Path, path: str, seed: int, steps: int) -> None:
    """Train once and append the figures to `output`."""
    corpus = TaskRows("qc-coarse", data).split(str(N_LABELLED), seed).corpus
    recipe = replace(DEFAULT, max_steps=steps, teacher_share=0.0)  # one run, of one kind of step
    compute = choose_compute(precision="float32" if path == "slow" else "auto")
    with tempfile.TemporaryDirectory() as folder:
        options = {"seed": seed, "progress": False, "compute": compute, "say": lambda message: None}
        if path == "slow":
            with slow(corpus):
                result = train(recipe, corpus, Path(folder) / "model", **options)  # type: ignore[arg-type]
        else:
            result = train(recipe, corpus, Path(folder) / "model", **options)  # type: ignore[arg-type]
    assert result.test is not None
    record = {
        "method": path, "seed": seed, "steps": result.steps, "seconds": round(result.seconds, 1),
        "accuracy": result.test.accuracy, "macro_f1": result.test.macro_f1, "ece": result.test.ece,
        "compute": str(compute), **provenance(),
    }  # fmt: skip
    with output.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def results(output: Path) -> list[dict[str, Any]]:
    """Return the finished runs."""
    return [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []


def show(output: Path) -> None:
    """Print each path's accuracy and the paired difference with its 95% interval (Student's t over seeds)."""
    by_path: dict[str, dict[int, float]] = {"slow": {}, "fast": {}}
    for record in results(output):
        by_path[record["method"]][record["seed"]] = record["accuracy"]
    for path, runs in by_path.items():
        print(path, {seed: round(accuracy, 3) for seed, accuracy in sorted(runs.items())})
    seeds = sorted(by_path["slow"].keys() & by_path["fast"].keys())
    if len(seeds) > 1:
        gains = np.array([by_path["fast"][seed] - by_path["slow"][seed] for seed in seeds])
        low, high = stats.t.interval(0.95, len(gains) - 1, gains.mean(), stats.sem(gains))
        print(f"fast - slow: {gains.mean():+.3f}, 95% interval {low:+.3f} to {high:+.3f} ({len(gains)} seeds)")


def main() -> None:
    """Run what is missing and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/fast_path.jsonl"))
    parser.add_argument("--path", choices=("fast", "slow"), nargs="+", default=["fast", "slow"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50)
    arguments = parser.parse_args()
    quiet_libraries()
    done = {(record["method"], record["seed"]) for record in results(arguments.output)}
    for seed in range(arguments.seeds):
        for path in arguments.path:
            if (path, seed) not in done:
                run(arguments.data, arguments.output, path, seed, arguments.steps)
    show(arguments.output)


if __name__ == "__main__":
    main()
