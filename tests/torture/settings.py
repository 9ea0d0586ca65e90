"""`--set` and options that take a number: a run of one or two steps, or a refusal in one line that writes nothing."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from tests.torture.bases import Bases, write_toy
from tests.torture.cases import Failure
from tests.torture.forks import ganbert, refused_in_one_line
from tests.torture.predictions import failed_how

NUMBERS = [
    "0", "1", "2", "3", "-1", "-0", "0.5", "-0.5", "0.999999", "1.0", "1e-300", "1e300", "1e999", "nan", "inf", "-inf",
    "4294967295", "4294967296", "99999999999", "9223372036854775808", "100000000000000000000", "1_000", "0x10", "1e3",
    "١", "", " ", " 1 ", "x", "None", "null", "true", "[1]", "{}", '"1"', "1,5", "9" * 5000,
]  # fmt: skip
SANE = ["0", "1", "2", "3", "5", "0.0", "0.1", "0.5", "1.0", "1e-3"]
WORDS = ["auto", "cls", "pooler", "mean", "last", "normal", "uniform", "all", "unlabelled", "sum", "ln", "log2", "none"]
TOO_LONG = ["1e18", "1e300", "1e999", "nan", "inf", "-1", "0", "x", "", "1e-300", "0.01"]
"""Values of `--epochs`: no run, or a short one. A run of a million steps would be legal and never end."""
OPTIONS = {
    "--seed": NUMBERS,
    "--max-length": NUMBERS,
    "--batch-size": NUMBERS,
    "--micro-batch-size": NUMBERS,
    "--learning-rate": NUMBERS,
    "--threads": ["0", "-1", "1", "2", "3", "1000", "100000", "9223372036854775808", "x", "", "1.5", "nan"],
    "--validation-fraction": NUMBERS,
    "--max-steps": ["0", "-1", "1", "2", "x", "", "1.5", "nan", "1e1", "100000000000000000000", "9" * 5000],
    "--epochs": TOO_LONG,
    "--pooling": [*WORDS, *NUMBERS[:3], ""],
    "--recipe": ["default", "paper", "code", "bert", "bert-tuned", "", "x", "Default"],
}


def check(rng: random.Random, folder: Path, bases: Bases) -> str:
    """Run `ganbert train` with one to three odd choices."""
    table, output = write_toy(folder / "toy.csv"), folder / "model"
    before = sorted(path.name for path in folder.iterdir())
    chosen: list[str] = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        chosen += _choice(rng)
    steps = [] if {"--max-steps", "--epochs"} & set(chosen) else ["--max-steps", rng.choice(["1", "2"])]
    batch = [] if "--batch-size" in chosen else ["--batch-size", "8"]
    arguments = ["train", table, "--encoder", bases.encoder, "--output", output, *steps, *batch, *chosen]
    ended = ganbert(*arguments, seconds=60)
    if ended.status == 0:
        if not (output / "model.safetensors").exists():
            raise Failure("exit status 0 without a model", f"{chosen}\n{ended.said}")
        return "trained"
    if not refused_in_one_line(ended):
        raise Failure(failed_how(ended.err), f"{chosen}\n{ended.said}")
    if ended.status == 2 and (left := sorted(path.name for path in folder.iterdir())) != before:
        raise Failure("written although refused", f"{chosen}\n{left}\n{ended.said}")
    return "refused" if ended.status == 2 else "stopped in one line"


def _choice(rng: random.Random) -> list[str]:
    if rng.random() < 0.5:
        name = rng.choice(list(OPTIONS))
        values = OPTIONS[name]
        return [name, rng.choice(SANE if values is NUMBERS and rng.random() < 0.3 else values)]
    from ganbert.training.recipe import Recipe

    names = [field.name for field in dataclasses.fields(Recipe)]
    name = rng.choice([*names, "unknown", ""])
    if name in ("epochs", "max_steps"):  # by their options, which do not run for ever
        return ["--set", f"{name}={rng.choice(['0', '-1', 'x', 'nan', '1e300', ''])}", "--max-steps", "2"]
    value = rng.choice(rng.choice([WORDS, SANE, SANE, NUMBERS, NUMBERS]))
    return ["--set", rng.choice([f"{name}={value}", f"{name}={value}", f" {name} = {value} ", name])]
