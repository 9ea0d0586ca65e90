"""Intervals: against libraries where they have them, and against the truth of simulated comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import f1_score

from ganbert.compare.intervals import (
    Estimate,
    Spread,
    around,
    over_folds,
    over_seeds_and_rows,
    wilson,
)
from ganbert.compare.store import pack, unpack
from ganbert.metrics import right, shares_of_macro_f1


@pytest.mark.parametrize(("hits", "n"), [(30, 40), (0, 7), (7, 7), (1, 500)])
def test_the_interval_of_one_run_is_wilsons(hits: int, n: int) -> None:
    values = np.array([[1.0] * hits + [0.0] * (n - hits)])
    ours = wilson(hits / n, over_seeds_and_rows(values), 1)
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert (ours.n, ours.rows) == (1, n)
    assert ours.low is not None
    assert ours.high is not None
    assert 0 <= ours.low <= ours.mean <= ours.high <= 1  # to the last digit: a picture draws its ends


def test_seeds_that_differ_widen_wilsons_interval() -> None:
    rng = np.random.default_rng(0)
    alike = (rng.random((5, 200)) < 0.8).astype(float)
    differing = (rng.random((5, 200)) < np.array([[0.6], [0.7], [0.8], [0.9], [1.0]])).astype(float)
    one, other = (wilson(0.8, over_seeds_and_rows(values), 5) for values in (alike, differing))
    plain = stats.binomtest(160, 200).proportion_ci(method="wilson")
    assert (one.low, one.high) == pytest.approx((plain.low, plain.high))  # five seeds are not five times the rows
    assert other.low is not None
    assert other.low < 0.65


def test_identical_seeds_leave_what_the_rows_leave() -> None:
    row = np.array([1.0, 0.0, 1.0, 1.0])
    spread = over_seeds_and_rows(np.stack([row, row, row]))
    assert (spread.variance, spread.freedom) == pytest.approx((row.var(ddof=1) / 4, np.inf))


def test_rows_that_are_alike_leave_students_interval_over_seeds() -> None:
    values = np.repeat([[0.70], [0.74], [0.78]], 50, axis=1)
    spread = over_seeds_and_rows(values)
    assert (spread.variance, spread.freedom) == pytest.approx((0.04**2 / 3, 2))


def test_methods_that_agree_on_few_rows_are_not_equal_for_certain() -> None:
    few, many = (around(0.0, over_seeds_and_rows(np.zeros((1, n))), 1) for n in (10, 1000))
    assert few.high == pytest.approx(stats.t.ppf(0.975, 9) / 10)
    assert many.high == pytest.approx(stats.t.ppf(0.975, 999) / 1000)


def test_folds_leave_no_less_open_than_their_rows_do() -> None:
    fold = np.array([1.0, 0.0, 0.0, 0.0])
    of_rows = np.tile(fold, 5).var(ddof=1) / 20
    assert over_folds([fold] * 5, 20, 0.25).variance == pytest.approx(of_rows)  # their means are equal by chance
    differing = [fold * 0, fold * 0 + 1, fold, fold, fold]
    means = [0, 1, 0.25, 0.25, 0.25]
    assert over_folds(differing, 20, 0.25).variance == pytest.approx(np.var(means, ddof=1) * (1 / 5 + 1 / 4))


@pytest.mark.parametrize("seed", range(5))
def test_rows_contribute_to_macro_f1_what_leaving_them_out_shows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4 + 3 * seed, 60)
    predicted = np.where(rng.random(60) < 0.6, truth, rng.integers(0, 8, 60))

    def f1(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
        present = np.union1d(truth, predicted)
        return float(f1_score(truth, predicted, labels=present, average="macro", zero_division=0.0))

    expected = [
        60 * f1(truth, predicted) - 59 * f1(np.delete(truth, i), np.delete(predicted, i)) for i in range(len(truth))
    ]
    assert shares_of_macro_f1(truth, predicted) == pytest.approx(np.array(expected))


def coverage(n_seeds: int, n_rows: int, of_seeds: float, metric: str = "accuracy") -> dict[str, float]:
    """Return how often intervals hold the truth, in 500 simulated comparisons of two methods.

    A row is right where a normal number is above 0: a method's mean, and effects of the training run, of how hard the
    row is for all, of how hard it is for the method, and of both. So the true accuracy is known.
    """
    rng = np.random.default_rng(17)
    means = (1.0, 0.8)
    deviation = np.sqrt(1 + of_seeds**2 + 1 + 1)
    truth = [float(stats.norm.cdf(mean / deviation)) for mean in means]
    held = {"difference": 0, "seeds alone": 0, "accuracy": 0}
    for _ in range(500):
        hard = rng.normal(0, 1, n_rows)
        results = [
            (
                mean + rng.normal(0, of_seeds, (n_seeds, 1)) + hard + rng.normal(0, 1, n_rows)
                + rng.normal(0, 1, (n_seeds, n_rows))
            ) > 0
            for mean in means
        ]  # fmt: skip
        one, other = (result.astype(float) for result in results)
        gains = one - other
        intervals = {
            "difference": (around(float(gains.mean()), over_seeds_and_rows(gains), n_seeds), truth[0] - truth[1]),
            "accuracy": (wilson(float(one.mean()), over_seeds_and_rows(one), n_seeds), truth[0]),
        }
        if n_seeds > 1:
            intervals["seeds alone"] = (Estimate.of(gains.mean(axis=1).tolist()), truth[0] - truth[1])
        for name, (estimate, value) in intervals.items():
            assert estimate.low is not None
            assert estimate.high is not None
            held[name] += estimate.low <= value <= estimate.high
    return {name: n / 500 for name, n in held.items()}


@pytest.mark.parametrize(("n_seeds", "n_rows", "of_seeds"), [(5, 300, 0.1), (5, 300, 0.0), (3, 1000, 0.2), (1, 300, 0)])
def test_intervals_hold_the_truth_as_often_as_they_say(n_seeds: int, n_rows: int, of_seeds: float) -> None:
    held = coverage(n_seeds, n_rows, of_seeds)
    assert 0.92 <= held["difference"] <= 0.98
    assert held["accuracy"] >= 0.92


def test_seeds_alone_would_hold_it_too_rarely() -> None:
    assert coverage(5, 300, 0.0)["seeds alone"] < 0.85


def test_rows_are_packed_and_unpacked() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 20, 7532)
    assert unpack(pack(ids)).tolist() == ids.tolist()
    assert len(pack(ids)) < 8500  # at worst, as here: of equally many rows of each class, at random
    large = np.array([0, 70_000, -1])
    assert unpack(pack(large)).tolist() == large.tolist()


@pytest.mark.parametrize("text", ["", "none", "AAAA", pack(np.arange(9))[:-8]])
def test_what_is_no_packed_row_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(text)


def test_right_is_one_for_each_hit() -> None:
    assert right(np.array([0, 1, 2]), np.array([0, 2, 2])).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("estimate", "share", "gain"),
    [
        (Estimate(0.5, 0.4, 0.6, 3), "50.0 ± 10.0", "+50.0 ± 10.0"),
        (Estimate(0.5, 0.4, 0.6, 3, rows=80), "50.0 (40.0 to 60.0)", "+50.0 ± 10.0 (80 rows)"),
        (Estimate(0.5, None, None, 1), "50.0", "+50.0"),
    ],
)
def test_an_estimate_says_what_it_counts(estimate: Estimate, share: str, gain: str) -> None:
    assert (estimate.share(), estimate.gain()) == (share, gain)


def test_a_single_row_says_nothing() -> None:
    spread: Any = over_seeds_and_rows(np.array([[1.0], [0.0]]))
    assert spread == Spread(0.0, np.inf, 1)
