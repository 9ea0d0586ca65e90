"""What a mean over seeds and rows leaves open: 95% intervals that count both training and test rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95

Values = NDArray[np.float64]
"""[seeds, rows]: what each row contributes to the figure of each seed, so that its mean is the figure."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval.

    Attributes:
        mean: over seeds, or folds.
        low, high: of the interval; None for a single seed without rows.
        n: seeds or folds.
        rows: different test rows; None where the interval counts seeds alone.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    rows: int | None = None

    @classmethod
    def of(cls, values: Sequence[float], shared: float = 0.0) -> Estimate:
        """Estimate from one value a seed, by Student's t.

        Args:
            values: of seeds, or of folds.
            shared: 0 where they are independent; in a cross-validation the held-out rows over the training rows, as
                folds share rows (Nadeau and Bengio 2003, eq. 8).
        """
        mean = float(np.mean(values))
        if len(values) < 2:
            return cls(mean, None, None, len(values))
        half = math.sqrt(_variance_over(values, shared)) * _quantile(len(values) - 1)
        return cls(mean, mean - half, mean + half, len(values))

    def percent(self, sign: str = "") -> str:
        """Return the mean in percent, with half the width of its interval if it has one."""
        mean = f"{self.mean * 100:{sign}.1f}"
        return mean if self.low is None or self.high is None else f"{mean} ± {(self.high - self.low) * 50:.1f}"

    def interval(self) -> str:
        """Return both ends in percent, no further than a share can be; empty if there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"{max(self.low, 0) * 100:.1f} to {min(self.high, 1) * 100:.1f}"

    def gain(self) -> str:
        """Return a difference in percent with half the width of its interval and the rows that it is judged over."""
        return self.percent("+") if self.rows is None else f"{self.percent('+')} ({self.rows} rows)"

    def share(self) -> str:
        """Return the mean in percent with its interval: in brackets, or with ± where it counts seeds alone."""
        return self.percent() if self.rows is None else f"{self.mean * 100:.1f} ({self.interval()})"


@dataclass(frozen=True)
class Spread:
    """How far a mean may be from what other seeds and other rows would show.

    Attributes:
        variance: of the mean.
        freedom: degrees of freedom of the variance.
        rows: different test rows.
    """

    variance: float
    freedom: float
    rows: int


def over_seeds_and_rows(values: Values) -> Spread:
    """Return the spread where all seeds have the same test rows.

    Seeds and rows are both samples, and crossed. The variances are those of a two-way analysis of variance, as for
    several readers of the same cases (Dorfman, Berbaum and Metz 1992), with the degrees of freedom of Hillis (2007).
    Of a single seed only the rows vary.
    """
    n_seeds, n_rows = values.shape
    if n_rows < 2:
        return Spread(0.0, math.inf, n_rows)
    if n_seeds == 1:
        return Spread(float(values.var(ddof=1)) / n_rows, n_rows - 1, n_rows)
    of_seeds, of_rows, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    rest = values - of_seeds[:, np.newaxis] - of_rows + mean
    between_seeds = n_rows * float(of_seeds.var(ddof=1))
    between_rows = n_seeds * float(of_rows.var(ddof=1))
    within = float((rest**2).sum()) / ((n_seeds - 1) * (n_rows - 1))
    total = between_seeds + max(between_rows - within, 0.0)
    freedom = (n_seeds - 1) * (total / between_seeds) ** 2 if between_seeds else math.inf
    return Spread(total / values.size, freedom, n_rows)


def over_folds(values: Sequence[NDArray[np.float64]], rows: int, shared: float) -> Spread:
    """Return the spread of a cross-validation, whose folds have test rows of their own.

    The folds' means vary with training and with rows, so one variance counts both; folds share rows to train on, and
    it is raised for that (Nadeau and Bengio 2003, eq. 8). It is no less than what that many rows alone leave open.

    Args:
        values: [rows of the fold] for each.
        rows: different rows in all.
        shared: held-out rows over training rows.
    """
    of_rows = float(np.concatenate(values).var(ddof=1)) / rows if rows > 1 else 0.0
    if len(values) == 1:
        return Spread(of_rows, rows - 1, rows)
    of_folds = _variance_over([float(of_fold.mean()) for of_fold in values], shared)
    return Spread(max(of_folds, of_rows), len(values) - 1, rows)


def around(mean: float, spread: Spread, n: int) -> Estimate:
    """Return a symmetric interval, for differences and F1.

    One row more on which the two differ is always thought possible (as in Agresti and Min 2005): without it, methods
    that agree on all of ten rows would count as surely equal.
    """
    half = math.sqrt(spread.variance + 1 / spread.rows**2) * _quantile(spread.freedom)
    return Estimate(mean, mean - half, mean + half, n, spread.rows)


def wilson(share: float, spread: Spread, n: int) -> Estimate:
    """Return Wilson's interval of a share of rows: of a single seed the plain one, of several one that is wider.

    Several seeds are worth as many independent rows as would leave the same variance (the effective sample size of
    Korn and Graubard 1998), but never more than there are.
    """
    z = _quantile(math.inf)
    rows = float(spread.rows)
    if n > 1 and 0 < share < 1 and spread.variance > 0:
        rows = min(rows, share * (1 - share) / spread.variance * (z / _quantile(spread.freedom)) ** 2)
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return Estimate(share, max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0), n, spread.rows)


def _variance_over(values: Sequence[float], shared: float) -> float:
    return float(np.var(values, ddof=1)) * (1 / len(values) + shared)


def _quantile(freedom: float) -> float:
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom))
