"""Does the fake class know a class that it has never seen? A class left out of the labels, told from the others.

    python -m benchmarks.novelty --data ../shared/data --output results/benchmarks/novelty.jsonl

QC coarse, 55 labelled questions, none of them of one class; its questions stand among the unlabelled ones and in the
rows measured on. Each score that could call them foreign is measured by its AUROC: the fake class of a model with the
adversary, one less the largest probability of the same model, and of the same recipe without the adversary. Measured
are development rows: nothing in this reads the test set. Each finished run is a line of the output; started again, the
script does only what is missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from ganbert import DEFAULT, train
from ganbert.cli.options import quiet_libraries
from ganbert.compare.runs import provenance
from ganbert.compare.splits import Split, few_label_split, set_development_rows_aside
from ganbert.compare.tasks import task_named
from ganbert.data.corpus import texts_of
from ganbert.predict.predictor import Predictions, Predictor
from ganbert.training.recipe import Recipe

N_LABELLED = 55
CLASSES = ("DESC", "ENTY", "HUM", "LOC", "NUM")
"""ABBR has too few rows to be measured on."""
RECIPES = {
    "adversarial": dataclasses.replace(DEFAULT, adversarial=True),
    "plain": DEFAULT.plain(),
}


def split_without(left_out: str, seed: int, data: Path) -> Split:
    """Return a split in which no row of this class has a label."""
    rows, development = set_development_rows_aside(task_named("qc-coarse").load("train", data))
    labels = [None if label == left_out else label for label in rows["label"][:]]
    rows = rows.remove_columns("label").add_column("label", labels)
    return few_label_split(rows, development, N_LABELLED, seed)


def predictions(recipe: Recipe, split: Split, seed: int) -> Predictions:
    """Train, and predict the rows to measure on."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = dataclasses.replace(split.corpus, test=None)
        result = train(recipe, corpus, Path(folder) / "model", seed=seed, progress=False, say=lambda message: None)
        return Predictor(result.model, result.tokenizer).predict(*texts_of(split.test))


def run(data: Path, left_out: str, seed: int, recipe: str, steps: int) -> dict[str, Any]:
    """Train once and return the figures."""
    split = split_without(left_out, seed, data)
    made = predictions(dataclasses.replace(RECIPES[recipe], max_steps=steps), split, seed)
    truth = np.asarray(split.test["label"][:])
    foreign = truth >= len(split.corpus.label_names)
    scores = {"largest probability": -made.confidence} | ({} if made.novelty is None else {"fake class": made.novelty})
    return {
        "left_out": left_out,
        "seed": seed,
        "recipe": recipe,
        "n_foreign": int(foreign.sum()),
        "n": len(foreign),
        "accuracy_on_known": float((made.probabilities.argmax(axis=1) == truth)[~foreign].mean()),
        "auroc": {name: float(roc_auc_score(foreign, score)) for name, score in scores.items()},
        "settings": RECIPES[recipe].changes_from(Recipe()) | {"max_steps": steps},
        **provenance(),
    }


def main() -> None:
    """Measure what is missing, and print means over classes and seeds with paired differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/novelty.jsonl"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=150)
    arguments = parser.parse_args()
    quiet_libraries()
    records = [json.loads(line) for line in arguments.output.open()] if arguments.output.exists() else []
    done = {(record["left_out"], record["seed"], record["recipe"]) for record in records}
    for seed in range(arguments.seeds):
        for left_out in CLASSES:
            for recipe in RECIPES:
                if (left_out, seed, recipe) not in done:
                    records.append(run(arguments.data, left_out, seed, recipe, arguments.steps))
                    with arguments.output.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(records[-1]) + "\n")
                    print(left_out, seed, recipe, records[-1]["auroc"], flush=True)
    scores: dict[tuple[str, str], dict[tuple[str, int], float]] = {}
    for record in records:
        for name, auroc in record["auroc"].items():
            scores.setdefault((record["recipe"], name), {})[record["left_out"], record["seed"]] = auroc
    fake = scores["adversarial", "fake class"]
    for (recipe, name), by_run in scores.items():
        less = [fake[key] - by_run[key] for key in fake if key in by_run]
        half = stats.sem(less) * stats.t.ppf(0.975, len(less) - 1)
        mean = np.mean(list(by_run.values()))
        print(f"{recipe}, {name}: AUROC {mean:.3f}; fake class less it {np.mean(less):+.3f} ± {half:.3f}")


if __name__ == "__main__":
    main()
