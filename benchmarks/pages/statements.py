"""Figures that pages quote in their text, from the same rows as the tables."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmarks.across_tasks import CELL, over_cells, paired
from benchmarks.across_tasks import read as read_methods
from benchmarks.pages import search, speed
from benchmarks.pages.comparisons import FINAL, GAN_RATES, HEADS, RATES, WITHOUT, gain, summaries
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


def of_paper() -> Iterator[str]:
    """Yield how often docs/results/paper.md says that seeds show something."""
    names = ("curves/qc", "curves/sst5", "curves/mnli")
    for against, phrase in (("bert-epochs", "at {} of them"), ("bert", "at {} of 18")):
        cells = [s for name in names for s in summaries(name, against).values() if s.method == "gan-bert"]
        yield phrase.format(sum(gain(s).startswith("**") for s in cells)) + " by more than seeds vary"
    qc = {(s.task, s.budget, s.method): s.figures["accuracy"].mean for s in summaries("curves/qc").values()}
    places = {place[:2] for place in qc}
    ahead = sum(qc[*place, "embed"] > qc[*place, "gan-bert"] for place in places)
    yield f"at {ahead} of the {len(places)} budgets of QC"


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


def novelty(recipe: str, score: str) -> list[float]:
    """Return the AUROC of a score of unknown classes, one for each class left out."""
    rows = (row for row in benchmark("novelty") if row["recipe"] == recipe)
    return [row["auroc"][score] for row in sorted(rows, key=lambda row: str(row["left_out"]))]


def of_search() -> Iterator[str]:
    """Yield figures of docs/results/experiments.md beside its tables."""
    fake = novelty("adversarial", "fake class")
    for recipe, phrase in (("adversarial", "largest probability by {}"), ("plain", "plain model's by {}")):
        others = novelty(recipe, "largest probability")
        yield phrase.format(with_interval([one - other for one, other in zip(fake, others, strict=True)], digits=3))
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


def of_readme() -> Iterator[str]:
    """Yield the figures of the README that have no interval."""
    cells = gains("default", "bert-tuned").groupby(CELL)["gain"].mean()
    (line,) = over_cells(read_methods(FINAL, ["bert-tuned", "default"]), "bert-tuned").to_dict("records")
    yield f"{cells.min():.1f} points on MNLI"
    yield f"{cells.max():.1f} on 50 classes"
    yield f"{line['seconds'].removesuffix('x')} times the seconds"


def of_confidence() -> Iterator[str]:
    """Yield the figures of docs/confidence.md that have no interval."""
    fake, largest = (np.mean(novelty("adversarial", score)) for score in ("fake class", "largest probability"))
    yield f"{fake:.2f} against {largest:.2f}"


def of_performance() -> Iterator[str]:
    """Yield figures of docs/performance.md beside its tables."""
    fast = [speed.times_as_fast(speed.BASE, other) for other in "ab"]
    yield f"{fast[0]} against (a), {fast[1]} against (b), and {speed.matrix_rate(speed.BASE)} of the matrix rate"
    predict = benchmark("predict")
    batches, cold_start = predict["batches"], predict["cold_start"]
    yield f"it gains {batches['onnx int8']['rows_per_s'] / batches['torch bfloat16']['rows_per_s']:.2f}x"
    imports = cold_start["nothing but the imports of torch and transformers' BERT"] / cold_start["ganbert predict"]
    yield f"So {100 * imports:.0f}% of a first prediction"


def plain(text: str) -> str:
    """Return Markdown on one line and without emphasis, in which phrases can be found."""
    return " ".join(text.replace("*", "").split())


STATEMENTS = {
    "README.md": of_readme,
    "docs/confidence.md": of_confidence,
    "docs/performance.md": of_performance,
    "docs/results/README.md": of_overview,
    "docs/results/default.md": of_default,
    "docs/results/paper.md": of_paper,
    "docs/results/ablation.md": of_ablation,
    "docs/results/experiments.md": of_search,
}
"""What each page says, as phrases that must occur in it."""
