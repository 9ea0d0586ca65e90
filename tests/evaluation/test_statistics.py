"""Means, intervals and sentences against what one works out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ganbert.evaluation.intervals import Estimate
from ganbert.evaluation.statistics import sentence, summarise


def record(method: str, seed: int, accuracy: float, **other: Any) -> dict[str, Any]:
    return {
        "task": "qc", "split": "test", "budget": "1%", "method": method, "seed": seed, "n_labelled": 55,
        "accuracy": accuracy, "macro_f1": accuracy / 2, "micro_f1": accuracy, "ece": 0.1, "steps": 266,
        "labelled_shown": 12.0, "seconds_in_all": 60.0, "ceiling": 1.0, "split_hash": f"hash {seed}", **other,
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
    records = [record("bert", 0, 0.5), record("gan-bert:noise=uniform", 0, 0.6), record("gan-bert:max_steps=9", 0, 0.6)]
    assert [s.baseline for s in summarise(records)] == [None, "bert", None]


def test_the_first_baseline_that_there_is_is_taken() -> None:
    records = [record("default-plain", 0, 0.5), record("tfidf", 0, 0.6)]
    assert summarise(records)[1].baseline == "default-plain"
    assert summarise([*records, record("bert", 0, 0.5)])[1].baseline == "bert"


def test_any_method_may_be_the_baseline() -> None:
    records = [record("bert-epochs", 0, 0.2), record("bert", 0, 0.7), record("gan-bert", 0, 0.5)]
    summaries = summarise(records, against="bert-epochs")
    assert [s.baseline for s in summaries] == [None, "bert-epochs", "bert-epochs"]
    assert [s.gain.mean for s in summaries if s.gain] == pytest.approx([0.5, 0.3])


def test_runs_on_other_rows_are_no_pair() -> None:
    summary = summarise([record("bert", 0, 0.5), record("gan-bert", 0, 0.6, split_hash="other rows")])[1]
    assert (summary.baseline, summary.gain) == (None, None)


def test_folds_share_rows_and_so_their_interval_is_wider() -> None:
    gains = (0.10, 0.11, 0.12, 0.08, 0.09)
    records = [record("bert", fold, 0.5, split="cross-validation") for fold in range(5)]
    records += [record("gan-bert", fold, 0.5 + gain, split="cross-validation") for fold, gain in enumerate(gains)]
    summary = summarise(records)[1]
    assert summary.gain is not None
    # t(0.975, 4) = 2.7764, standard deviation 0.0158114, rows measured on over those trained on 1/4
    assert summary.gain.high == pytest.approx(0.10 + 2.776445 * 0.0158114 * (1 / 5 + 1 / 4) ** 0.5, abs=1e-5)
    assert sentence(summary).endswith("5 folds).")


def test_a_task_is_judged_by_the_metric_of_the_paper() -> None:
    pairs = [record("bert", 0, 0.5, task="mnli-m"), record("gan-bert", 0, 0.6, task="mnli-m")]
    summary = summarise(pairs)[1]
    assert summary.gain is not None
    assert summary.gain.mean == pytest.approx(0.05)  # of macro F1
    assert sentence(summary).startswith("gan-bert: 5.0 points of macro F1 above bert")
