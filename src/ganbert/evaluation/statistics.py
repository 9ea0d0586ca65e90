"""What several seeds show: means, intervals, paired differences, and a sentence about them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ganbert.evaluation.methods import method_named
from ganbert.evaluation.runs import Record
from ganbert.evaluation.sources import FOLDS
from ganbert.evaluation.tasks import TASKS, Metric

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds or folds with its 95% interval by Student's t; `low` and `high` are None for a single one."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float], shared: float = 0.0) -> Estimate:
        """Estimate from one value a seed.

        Args:
            values: of seeds, or of folds.
            shared: 0 where they are independent; of a cross-validation the rows measured on over those trained on, as
                folds share rows (Nadeau and Bengio 2003, eq. 8).
        """
        mean = float(np.mean(values))
        if len(values) < 2:
            return cls(mean, None, None, len(values))
        deviation = np.std(values, ddof=1) * math.sqrt(1 / len(values) + shared)
        half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * deviation)
        return cls(mean, mean - half, mean + half, len(values))

    def percent(self, sign: str = "") -> str:
        """Return the mean in percent, with half the width of its interval if it has one."""
        mean = f"{self.mean * 100:{sign}.1f}"
        return mean if self.high is None else f"{mean} ± {(self.high - self.mean) * 100:.1f}"


@dataclass(frozen=True)
class Summary:
    """What the seeds of one method at one budget of one task show.

    Attributes:
        task, split, budget, method: of the runs.
        n_labelled: labelled rows.
        metric: the figure that the task is judged by, which gains are measured in.
        figures: `accuracy`, `macro_f1`, `micro_f1` and `ece`, each with its interval.
        deviation: standard deviation of the metric over seeds; None for a single one.
        baseline: the method it is measured against; None where it is itself one, or that one has no run.
        gain: the metric less that of the baseline, seed by seed.
        steps, labelled_shown: means.
        seconds: the mean, from rows to predictions.
        ceiling: accuracy that the classes without a labelled row leave possible, the mean.
    """

    task: str
    split: str
    budget: str
    method: str
    n_labelled: int
    metric: Metric
    figures: Mapping[str, Estimate]
    deviation: float | None
    baseline: str | None
    gain: Estimate | None
    steps: float
    labelled_shown: float
    seconds: float
    ceiling: float


def summarise(records: Iterable[Record], against: str | None = None) -> list[Summary]:
    """Return a summary for each method at each budget of each task, in the order in which they first occur.

    Args:
        records: of runs.
        against: the method that all others are measured against; None is the baseline of each.
    """
    groups: dict[tuple[str, str, str, str], dict[int, Record]] = {}
    for record in records:
        group = (record["task"], record["split"], record["budget"], record["method"])
        groups.setdefault(group, {})[record["seed"]] = record
    summaries = []
    for (task, split, budget, method), runs in groups.items():
        shared = 1 / (FOLDS - 1) if split == "cross-validation" else 0.0
        candidates = method_named(method).baselines if against is None else (against,) * (method != against)
        baseline = next((name for name in candidates if (task, split, budget, name) in groups), None)
        paired = groups[task, split, budget, baseline] if baseline else {}
        metric = metric_of(task)
        gains = [
            runs[seed][metric] - paired[seed][metric]
            for seed in sorted(set(runs) & set(paired))
            if runs[seed]["split_hash"] == paired[seed]["split_hash"]
        ]
        values = {name: [run[name] for run in runs.values()] for name in ("accuracy", "macro_f1", "micro_f1", "ece")}
        summaries.append(
            Summary(
                task=task,
                split=split,
                budget=budget,
                method=method,
                n_labelled=round(_mean(runs, "n_labelled")),
                metric=metric,
                figures={name: Estimate.of(of_seeds, shared) for name, of_seeds in values.items()},
                deviation=float(np.std(values[metric], ddof=1)) if len(runs) > 1 else None,
                baseline=baseline if gains else None,
                gain=Estimate.of(gains, shared) if gains else None,
                steps=_mean(runs, "steps"),
                labelled_shown=_mean(runs, "labelled_shown"),
                seconds=_mean(runs, "seconds_in_all"),
                ceiling=_mean(runs, "ceiling"),
            )
        )
    return summaries


def sentence(summary: Summary) -> str:
    """Say in plain words what the seeds show of a method against its baseline; empty where it has none."""
    gain = summary.gain
    if gain is None:
        return ""
    points = f"{abs(gain.mean) * 100:.1f} points" + (" of macro F1" if summary.metric == "macro_f1" else "")
    unit = "fold" if summary.split == "cross-validation" else "seed"
    if gain.low is None or gain.high is None:
        return f"{summary.method}: {points} {_side(gain.mean)} {summary.baseline} with one {unit}, which shows nothing."
    if gain.low <= 0 <= gain.high:
        return f"{summary.method}: no difference from {summary.baseline} that these {gain.n} {unit}s can show."
    sizes = sorted((abs(gain.low) * 100, abs(gain.high) * 100))
    return (
        f"{summary.method}: {points} {_side(gain.mean)} {summary.baseline} "
        f"(95% interval {sizes[0]:.1f} to {sizes[1]:.1f}, {gain.n} {unit}s)."
    )


def metric_of(task: str) -> Metric:
    """Return what the paper judges a task by; accuracy for tables."""
    return TASKS[task].metric if task in TASKS else "accuracy"


def _side(difference: float) -> str:
    return "above" if difference > 0 else "below"


def _mean(runs: Mapping[int, Record], name: str) -> float:
    return float(np.mean([run[name] for run in runs.values()]))
