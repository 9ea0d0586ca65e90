"""Means, intervals and sentences against what one works out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ganbert.evaluation.statistics import Estimate, sentence, summarise


def record(method: str, seed: int, accuracy: float, **other: Any) -> dict[str, Any]:
    return {
        "task": "qc", "split": "test", "budget": "1%", "method": method, "seed": seed, "n_labelled": 55,
        "accuracy": accuracy, "macro_f1": accuracy / 2, "micro_f1": accuracy, "ece": 0.1, "steps": 266,
        "labelled_shown": 12.0, "seconds": 60.0, "ceiling": 1.0, **other,
    }  # fmt: skip


def test_an_interval_is_students() -> None:
    estimate = Estimate.of([0.70, 0.74, 0.78])
    # t(0.975, 2) = 4.3027, standard error 0.04 / sqrt(3)
    assert estimate.n == 3
    assert estimate.mean == pytest.approx(0.74)
    assert estimate.high == pytest.approx(0.74 + 4.302653 * 0.04 / 3**0.5, abs=1e-6)
    assert estimate.low == pytest.approx(0.74 - 4.302653 * 0.04 / 3**0.5, abs=1e-6)


def test_one_seed_has_no_interval() -> None:
    assert Estimate.of([0.5]) == Estimate(0.5, None, None, 1)


def test_gains_are_paired_by_seed() -> None:
    records = [record("bert", seed, 0.5 + seed / 10) for seed in range(3)]
    records += [record("gan-bert", seed, 0.6 + seed / 10) for seed in (0, 1, 2, 7)]  # seed 7 has no partner
    summary = summarise(records)[1]
    assert summary.baseline == "bert"
    assert summary.gain is not None
    assert summary.gain.n == 3
    assert (summary.gain.low, summary.gain.mean, summary.gain.high) == pytest.approx((0.1, 0.1, 0.1))
    assert summary.figures["accuracy"].n == 4


def test_budgets_and_tasks_are_kept_apart() -> None:
    records = [record("bert", 0, 0.5), record("gan-bert", 0, 0.9, budget="2%"), record("gan-bert", 0, 0.7)]
    summaries = {(s.budget, s.method): s for s in summarise(records)}
    assert summaries["2%", "gan-bert"].gain is None
    gain = summaries["1%", "gan-bert"].gain
    assert gain is not None
    assert gain.mean == pytest.approx(0.2)


def gain_of(*gains: float) -> str:
    records = [record("bert", seed, 0.5) for seed in range(len(gains))]
    records += [record("gan-bert", seed, 0.5 + gain) for seed, gain in enumerate(gains)]
    return sentence(summarise(records)[1])


def test_sentences_say_no_more_than_the_seeds_show() -> None:
    assert gain_of(0.05, -0.05, 0.01) == "gan-bert: no difference from bert that these 3 seeds can show."
    assert gain_of(0.10, 0.11, 0.12).startswith("gan-bert: 11.0 points above bert (95% interval 8.5 to 13.5, 3 seeds)")
    assert gain_of(-0.10, -0.11, -0.12).startswith("gan-bert: 11.0 points below bert (95% interval 8.5 to 13.5,")
    assert gain_of(0.2) == "gan-bert: 20.0 points above bert with one seed, which shows nothing."


def test_a_baseline_has_no_sentence() -> None:
    assert sentence(summarise([record("bert", 0, 0.5)])[0]) == ""


def test_a_variant_is_measured_against_the_baseline_of_its_method() -> None:
    records = [record("bert", 0, 0.5), record("gan-bert:noise=uniform", 0, 0.6)]
    assert summarise(records)[1].baseline == "bert"


def test_a_task_is_judged_by_the_metric_of_the_paper() -> None:
    pairs = [record("bert", 0, 0.5, task="mnli-m"), record("gan-bert", 0, 0.6, task="mnli-m")]
    summary = summarise(pairs)[1]
    assert summary.gain is not None
    assert summary.gain.mean == pytest.approx(0.05)  # of macro F1
    assert sentence(summary).startswith("gan-bert: 5.0 points of macro F1 above bert")
