"""What the seeds of each method show: means, intervals, paired differences, and sentences about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbert.compare.intervals import Estimate, Spread, around, over_folds, over_seeds_and_rows, wilson
from ganbert.compare.methods import method_named
from ganbert.compare.row_sources import FOLDS
from ganbert.compare.store import LATER, Record, unpack
from ganbert.compare.tasks import metric_of
from ganbert.metrics import METRICS, Metric

CROSS_VALIDATION = "cross-validation"
SHARED = 1 / (FOLDS - 1)
"""Held-out rows over training rows, in a cross-validation."""

Pair = tuple[Record, Record]


@dataclass(frozen=True)
class Summary:
    """What the seeds of one method at one budget of one task show.

    Attributes:
        task, split, budget, method: of the runs.
        variant: what else tells the runs from those of other summaries: encoder, selection, class names; "" if nothing.
        n_labelled: labelled rows.
        metric: the name of the metric that the task is judged by, which gains are measured in.
        figures: each metric that all of the runs have, with its interval.
        deviation: standard deviation of the metric over seeds; None for a single one.
        baseline: the method it is measured against; None where it is itself one, or that one has no run.
        lacks: the method that would be its baseline, where no baseline of it has been run.
        gain: the metric less that of the baseline, on the same rows.
        any_seed: whether another seed would do the very same, the baseline included.
        fallback: why a plain fine-tune ran in its place; None if it ran as its name says.
        n_fallbacks: seeds in which it did.
        steps, labelled_shown: means.
        seconds: the mean, from rows to predictions.
        rows_per_second: the mean, of predictions; None where a run did not measure it.
        ceiling: accuracy that the classes without a labelled row leave possible, the mean.
    """

    task: str
    split: str
    budget: str
    method: str
    variant: str
    n_labelled: int
    metric: str
    figures: Mapping[str, Estimate]
    deviation: float | None
    baseline: str | None
    lacks: str | None
    gain: Estimate | None
    any_seed: bool
    fallback: str | None
    n_fallbacks: int
    steps: float
    labelled_shown: float
    seconds: float
    rows_per_second: float | None
    ceiling: float

    @property
    def label(self) -> str:
        """The method with its variant."""
        return f"{self.method} [{self.variant}]" if self.variant else self.method

    @property
    def name(self) -> str:
        """The method with its variant, and what ran in its place."""
        if not self.n_fallbacks:
            return self.label
        n = self.figures["accuracy"].n
        in_some = "" if self.n_fallbacks == n else f" in {self.n_fallbacks} of {n} seeds"
        return f"{self.label} (plain fine-tune{in_some})"


def variants(records: Iterable[Record]) -> Callable[[Record], str]:
    """Return what says of a record how its encoder, selection and class names differ from those of other records."""
    records = list(records)
    differ = [name for name in VARIES if len({_varies(record, name) for record in records}) > 1]

    def variant(record: Record) -> str:
        return ", ".join(VARIES[name](_varies(record, name)) for name in differ)

    return variant


def _varies(record: Record, name: str) -> str:
    return str(record.get(name, LATER.get(name, "")))


def _short(encoder: str) -> str:
    return encoder.rstrip("/").rpartition("/")[2] or encoder


VARIES: Mapping[str, Callable[[str], str]] = {
    "encoder": _short,
    "selection": str,
    "names": lambda names: {"none": "no names", "labels": "names"}.get(names, f"names of {names}"),
}
"""What may differ between runs of one method on one task, and how it is said."""


def summarise(records: Iterable[Record], against: str | None = None) -> list[Summary]:
    """Return a summary for each method at each budget of each task, in the order in which they first occur.

    Args:
        records: of runs.
        against: the method that all others are measured against; None is the baseline of each.
    """
    records = list(records)
    variant_of = variants(records)
    groups: dict[tuple[str, str, str, str, str], dict[int, Record]] = {}
    for record in records:
        group = (record["task"], record["split"], record["budget"], record["method"], variant_of(record))
        groups.setdefault(group, {})[record["seed"]] = record
    for runs in groups.values():
        for seed in sorted(runs)[1:] if any(map(_is_any_seed, runs.values())) else ():
            del runs[seed]
    summaries = []
    for (task, split, budget, method, variant), runs in groups.items():
        candidates = method_named(method).baselines if against is None else (against,) * (method != against)
        baseline = next((name for name in candidates if (task, split, budget, name, variant) in groups), None)
        pairs = _pairs(runs, groups[task, split, budget, baseline, variant]) if baseline else []
        metric = metric_of(task)
        reasons = [run["fallback"] for run in runs.values() if run.get("fallback")]
        values = [run[metric] for run in runs.values()]
        rates = [run["rows_per_second"] for run in runs.values() if run.get("rows_per_second") is not None]
        summaries.append(
            Summary(
                task=task,
                split=split,
                budget=budget,
                method=method,
                variant=variant,
                n_labelled=round(_mean(runs, "n_labelled")),
                metric=metric,
                figures={
                    name: _figure(of, list(runs.values()))
                    for name, of in METRICS.items()
                    if all(name in run for run in runs.values())  # older records lack newer metrics
                },
                deviation=float(np.std(values, ddof=1)) if len(runs) > 1 else None,
                baseline=baseline if pairs else None,
                lacks=candidates[0] if candidates and baseline is None else None,
                gain=_gain(METRICS[metric], pairs) if pairs else None,
                any_seed=all(map(_is_any_seed, [*runs.values(), *(other for _, other in pairs)])),
                fallback=reasons[0] if reasons else None,
                n_fallbacks=len(reasons),
                steps=_mean(runs, "steps"),
                labelled_shown=_mean(runs, "labelled_shown"),
                seconds=_mean(runs, "seconds_in_all"),
                rows_per_second=float(np.mean(rates)) if len(rates) == len(runs) else None,
                ceiling=_mean(runs, "ceiling"),
            )
        )
    return summaries


def sentences(summaries: Iterable[Summary]) -> list[str]:
    """Say in plain words what ran, what it shows, and what the intervals do not count."""
    summaries = list(summaries)
    said = [f"{s.name}: {s.fallback}" for s in summaries if s.fallback]
    said += filter(None, map(sentence, summaries))
    if any(s.figures["accuracy"].rows is None and s.figures["accuracy"].n > 1 for s in summaries):
        said.append(
            "Intervals with ± count seeds alone (Student's t): those results are of an older version, which kept no "
            "predictions of rows."
        )
    return said


def ceilings(summaries: Iterable[Summary]) -> list[str]:
    """Say what accuracy is possible where measured classes have neither a labelled row nor a name, for each variant."""
    lowest: dict[str, float] = {}
    for s in summaries:
        lowest[s.variant] = min(s.ceiling, lowest.get(s.variant, 1.0))
    return [
        f"Classes without a labelled row leave an accuracy of at most {share:.1%} possible{f' [{of}]' if of else ''}."
        for of, share in lowest.items()
        if share < 1
    ]


def sentence(summary: Summary) -> str:
    """Say in plain words what the seeds show of a method against its baseline; empty where it is itself one."""
    gain = summary.gain
    if gain is None:
        if summary.lacks is None:
            return ""
        return (
            f"{summary.label}: measured against nothing. For the difference from {summary.lacks} add it to "
            "--methods, or name another of the methods with --against."
        )
    points = f"{abs(gain.mean) * 100:.1f} points"
    if summary.metric != "accuracy":
        points += f" of {METRICS[summary.metric].label}"
    unit = "fold" if summary.split == CROSS_VALIDATION else "seed"
    seeds = f"one {unit}" if gain.n == 1 else f"{gain.n} {unit}s"
    rows = f"{gain.rows} rows" if gain.rows is not None else ""
    seen = rows if summary.any_seed and rows else " and ".join(filter(None, (seeds, rows)))
    if gain.low is None or gain.high is None:
        return f"{summary.label}: {points} {_side(gain.mean)} {summary.baseline} with one {unit}, which shows nothing."
    if gain.low <= 0 <= gain.high:
        these = "these " * (gain.n > 1 or summary.any_seed)
        return f"{summary.label}: no difference from {summary.baseline} that {these}{seen} can show."
    sizes = sorted((abs(gain.low) * 100, abs(gain.high) * 100))
    another = "" if gain.n > 1 or summary.any_seed else f": another {unit} may differ"
    return (
        f"{summary.label}: {points} {_side(gain.mean)} {summary.baseline} "
        f"(95% interval {sizes[0]:.1f} to {sizes[1]:.1f}, {seen}{another})."
    )


def _pairs(runs: Mapping[int, Record], others: Mapping[int, Record]) -> list[Pair]:
    """Return the runs of two methods on the same rows, seed by seed; one that uses no seed goes with each of them."""
    pairs = []
    for seed in sorted({*runs, *others}):
        one, other = (of.get(seed) or next(filter(_is_any_seed, of.values()), None) for of in (runs, others))
        if one is not None and other is not None and _same_rows(one, other):
            pairs.append((one, other))
    both_once = all(_is_any_seed(run) for pair in pairs for run in pair)
    return pairs[:1] if both_once else pairs


def _same_rows(one: Record, other: Record) -> bool:
    if one["split_hash"] == other["split_hash"]:
        return True
    names = ("data", "n_labelled", "n_unlabelled", "n_test")  # all rows there are, in another order
    return (_is_any_seed(one) or _is_any_seed(other)) and all(one.get(name) == other.get(name) for name in names)


def _is_any_seed(record: Record) -> bool:
    """Whether the run would be the same with any seed; older records do not say so, but can be told."""
    whole = record["budget"] == "100%" and record["split"] != CROSS_VALIDATION
    return bool(record.get("any_seed", whole and method_named(record["method"]).deterministic))


def _figure(metric: Metric, runs: Sequence[Record]) -> Estimate:
    """Return the mean of a figure with its interval over seeds and rows, or over seeds where rows are not known."""
    values = [run[metric.name] for run in runs]
    spread = _spread([_of_rows(metric, run) for run in runs], runs)
    if spread is None and len(runs) == 1 and metric.is_share and runs[0].get("n_test"):
        spread = Spread(0.0, np.inf, runs[0]["n_test"])  # all that Wilson needs of a single run
    if spread is None:
        return Estimate.of(values, _shared(runs[0]))
    return (wilson if metric.is_share else around)(float(np.mean(values)), spread, len(runs))


def _gain(metric: Metric, pairs: Sequence[Pair]) -> Estimate:
    gains = [one[metric.name] - other[metric.name] for one, other in pairs]
    values = [_difference(_of_rows(metric, one), _of_rows(metric, other)) for one, other in pairs]
    spread = _spread(values, [one for one, _ in pairs])
    if spread is None:
        return Estimate.of(gains, _shared(pairs[0][0]))
    return around(float(np.mean(gains)), spread, len(pairs))


def _shared(run: Record) -> float:
    return SHARED if run["split"] == CROSS_VALIDATION else 0.0


def _of_rows(metric: Metric, run: Record) -> NDArray[np.float64] | None:
    """Return what each row contributes to a figure of a run; None where the record does not know."""
    if metric.of_rows is None:
        return None
    try:
        truth, predicted = unpack(run["truth"]), unpack(run["predicted"])
    except (KeyError, ValueError, TypeError):
        return None
    return metric.of_rows(truth, predicted) if len(truth) == len(predicted) > 0 else None


def _difference(one: NDArray[np.float64] | None, other: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    return one - other if one is not None and other is not None and len(one) == len(other) else None


def _spread(values: Sequence[NDArray[np.float64] | None], runs: Sequence[Record]) -> Spread | None:
    known = [of_run for of_run in values if of_run is not None]
    if len(known) < len(values):
        return None
    if runs[0]["split"] == CROSS_VALIDATION:
        rounds: dict[int, int] = {}  # each measures on every labelled row once
        for run, of_run in zip(runs, known, strict=True):
            rounds[run["seed"] // FOLDS] = rounds.get(run["seed"] // FOLDS, 0) + len(of_run)
        return over_folds(known, max(rounds.values()), SHARED)
    if len({len(of_run) for of_run in known}) > 1:
        return None
    return over_seeds_and_rows(np.stack(known))


def _side(difference: float) -> str:
    return "above" if difference > 0 else "below"


def _mean(runs: Mapping[int, Record], name: str) -> float:
    return float(np.mean([run[name] for run in runs.values()]))
