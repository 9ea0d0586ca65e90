"""Figures that pages quote in their text, from the same rows as the tables."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmarks.across_tasks import CELL, over_cells, paired
from benchmarks.across_tasks import read as read_methods
from benchmarks.pages import search
from benchmarks.pages.comparisons import FINAL, GAN_RATES, HEADS, RATES, WITHOUT, summaries
from benchmarks.rows import benchmark, mean
from ganbert.compare.intervals import Estimate

PLUS_MINUS = re.compile(r"\d+\.\d+ ± \d+\.\d+")
"""A figure with its interval, without the sign."""


@functools.cache
def gains(method: str, against: str, figure: str = "accuracy") -> pd.DataFrame:
    """Return a line for each pair of runs on the same rows, with the difference of a figure in points as `gain`."""
    pairs = paired(read_methods(FINAL, [against, method]), method, against)
    return pairs.assign(gain=100 * (pairs[figure] - pairs[f"{figure}_against"]))


def with_interval(values: Sequence[float], digits: int = 1) -> str:
    """Return the mean without its sign, and half the width of its interval."""
    estimate = Estimate.of(values)
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{abs(estimate.mean):.{digits}f} ± {(estimate.high - estimate.low) / 2:.{digits}f}"


def over_seeds(pairs: pd.DataFrame, digits: int = 1) -> str:
    """Return the mean over cells without its sign, with its interval over seeds."""
    return with_interval(pairs.groupby("seed")["gain"].mean().to_list(), digits)


def by_seed(pairs: pd.DataFrame, sign: str = "") -> str:
    """Return the mean over cells of each seed, as a sentence lists them."""
    *first, last = (f"{value:{sign}.1f}" for value in pairs.groupby("seed")["gain"].mean())
    return f"{', '.join(first)} and {last}"


def of_default() -> Iterator[str]:
    """Yield what docs/results/default.md says beside its tables."""
    tuned, setfit = gains("default", "bert-tuned"), gains("default", "setfit")
    cells = tuned.groupby(CELL)["gain"].mean()
    yield f"ahead of the tuned fine-tune by {over_seeds(tuned)} points"
    yield f"{(tuned['gain'] > 0).sum()} of the {len(tuned)} single runs"
    yield f"smallest on MNLI 1% ({cells['mnli-m', '1%']:.1f} points)"
    yield f"largest on QC fine 1% ({cells['qc-fine', '1%']:.1f} points)"
    yield f"means by seed are {by_seed(tuned)}"
    ahead = gains("default", "bert-tuned", "macro_f1").groupby(CELL)["gain"].mean()
    count = {8: "eight", 9: "nine", 10: "ten"}[int((ahead > 0).sum())]
    yield f"in {count} of the ten cells and behind by {-ahead.min():.1f} in one"
    yield f"ahead by {over_seeds(setfit)} points"
    for start, phrase in (("qc", "by {} points: by one"), ("20n", "on average by {}"), ("sst5", "average is {}")):
        yield phrase.format(over_seeds(setfit[setfit["task"].str.startswith(start)]))
    adversary, calibration = gains("default", WITHOUT), gains(WITHOUT, "default", "ece")
    yield f"no accuracy: -{over_seeds(adversary, 2)} points"
    yield f"By seed it is {by_seed(adversary, '+')}"
    (line,) = over_cells(read_methods(FINAL, ["bert-tuned", "default"]), "bert-tuned").to_dict("records")
    yield f"varies less over seeds ({line['deviation']}), its calibration error is lower ({line['ECE']})"
    yield f"takes {line['seconds'].removesuffix('x')} times the seconds"
    ahead_in, behind_in = (adversary["gain"] > 0).sum(), (adversary["gain"] < 0).sum()
    yield f"{ahead_in} of {len(adversary)} runs and behind in {behind_in}"
    yield f"{over_seeds(calibration)} points off the calibration error"
    yield f"in {(calibration['gain'] > 0).sum()} of {len(calibration)} runs"


def of_ablation() -> Iterator[str]:
    """Yield the differences that docs/results/ablation.md gives beside its table."""

    def less(method: str, against: str) -> list[str]:
        cells = summaries("curves/ablation", against)
        found = (cells.get((task, budget, method)) for task, budget in (("qc-coarse", "1%"), ("qc-fine", "2%")))
        return [s.gain.percent("+") for s in found if s is not None and s.gain is not None]

    for term in ("feature_matching", "fooling", "real"):
        yield f"by {' and '.join(less(f'{GAN_RATES}+{term}_weight=0', GAN_RATES))}"
    yield "{} on QC coarse and {} on QC fine".format(*less(GAN_RATES, f"bert:{RATES}"))
    heads = less(f"gan-bert:{HEADS}+generator_lr=1e-3+pooling=mean", f"bert:{HEADS}+pooling=mean")
    yield f"behind, by {' and '.join(heads)}".replace("-", "")
    yield f"on QC coarse ({less('gan-bert:max_steps=952', 'bert:max_steps=952')[0]})"
    yield f"each seed ({less('gan-bert', 'bert:max_steps=11')[0]})"


def of_search() -> Iterator[str]:
    """Yield figures of docs/results/experiments.md beside its tables."""
    rows = benchmark("novelty")
    scores = {
        (row["recipe"], name): {r["left_out"]: r["auroc"][name] for r in rows if r["recipe"] == row["recipe"]}
        for row in rows
        for name in row["auroc"]
    }
    fake = scores["adversarial", "fake class"]
    for recipe, phrase in (("adversarial", "largest probability by {}"), ("plain", "plain model's by {}")):
        others = scores[recipe, "largest probability"]
        yield phrase.format(with_interval([fake[label] - auroc for label, auroc in others.items()], digits=3))
    places = ([("dev/300", search.PLAIN)], [("dev/300", "default")])
    tasks = ("qc-coarse", "qc-fine", "sst5", "mnli-m")
    tuned, default = (np.mean([mean(search.found(task, place), "accuracy") for task in tasks]) for place in places)
    yield f"all four tasks, by {100 * (default - tuned):.1f} points on average"
    steps = [search.TUNED, *([("dev/final", method)] for method in ("default-plain", WITHOUT, "default"))]
    means = [100 * np.mean([mean(search.found(task, place), "accuracy") for task in search.BUDGETS]) for place in steps]
    yield f"Contrast brings the accuracy: {means[1] - means[0]:.1f} points on average"


def of_overview() -> Iterator[str]:
    """Yield the figures that the overview of the results quotes, as the README does."""
    yield f"by {over_seeds(gains('default', 'bert-tuned'))} points of accuracy"
    yield f"by {over_seeds(gains('default', 'setfit'))} points over"
    yield f"-{over_seeds(gains('default', WITHOUT), 2)} points"
    yield f"takes {over_seeds(gains(WITHOUT, 'default', 'ece'))} points off"


def plain(text: str) -> str:
    """Return Markdown on one line and without emphasis, in which phrases can be found."""
    return " ".join(text.replace("*", "").split())


STATEMENTS = {
    "docs/results/README.md": of_overview,
    "docs/results/default.md": of_default,
    "docs/results/ablation.md": of_ablation,
    "docs/results/experiments.md": of_search,
}
"""What each page says, as phrases that must occur in it."""
