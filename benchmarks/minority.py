"""Tables with a rare class for `ganbert compare`: one coarse class of QC's training questions, 5%, and all the others.

    python -m benchmarks.minority --data ../shared/data --output minority
    ganbert compare minority/HUM-train.csv --test minority/HUM-test.csv --labels 100 --methods bert-tuned,default

All rows are of the training set: nothing in this reads the test set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbert.compare.tasks import task_named

CLASSES = ("DESC", "ENTY", "HUM", "LOC", "NUM")
"""ABBR has too few rows."""
SEED = 2020
N_RARE, N_RARE_TRAIN = 210, 150
N_OTHERS, N_OTHERS_TRAIN = 3990, 2850


def main() -> None:
    """Write a table to train on and one to test on for each class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("minority"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows = task_named("qc-coarse").load("train", arguments.data).to_pandas()
    assert isinstance(rows, pd.DataFrame)
    for name in CLASSES:
        rng = np.random.default_rng(SEED)
        rare = rng.permutation(rows.loc[rows["label"] == name, "text"].to_numpy())[:N_RARE]
        others = rng.permutation(rows.loc[rows["label"] != name, "text"].to_numpy())[:N_OTHERS]
        train = _shuffled(rare[:N_RARE_TRAIN], others[:N_OTHERS_TRAIN], rng)
        test = _shuffled(rare[N_RARE_TRAIN:], others[N_OTHERS_TRAIN:], rng)
        train.to_csv(arguments.output / f"{name}-train.csv", index=False)
        test.to_csv(arguments.output / f"{name}-test.csv", index=False)


def _shuffled(rare: NDArray[np.object_], others: NDArray[np.object_], rng: np.random.Generator) -> pd.DataFrame:
    labels = ["rare"] * len(rare) + ["other"] * len(others)
    table = pd.DataFrame({"text": [*rare, *others], "label": labels})
    return table.iloc[rng.permutation(len(table))]


if __name__ == "__main__":
    main()
