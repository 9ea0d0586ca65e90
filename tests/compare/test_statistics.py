"""Means, intervals and sentences against what one works out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from ganbert.compare.intervals import Estimate, around, over_seeds_and_rows
from ganbert.compare.statistics import sentence, sentences, summarise
from ganbert.compare.store import pack


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


def with_rows(method: str, seed: int, hits: list[int], **other: Any) -> dict[str, Any]:
    """Return a record of rows of which some are predicted right."""
    predicted = [0 if hit else 1 for hit in hits]
    packed = {"truth": pack(np.zeros(len(hits), dtype=int)), "predicted": pack(np.array(predicted))}
    return record(method, seed, sum(hits) / len(hits), n_test=len(hits), **packed, **other)


def test_a_difference_counts_seeds_and_rows() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.random((3, 200)) < share for share in (0.9, 0.6))
    records = [with_rows("bert", seed, other[seed].tolist()) for seed in range(3)]
    records += [with_rows("gan-bert", seed, one[seed].tolist()) for seed in range(3)]
    summary = summarise(records)[1]
    gains = one.astype(float) - other
    expected = around(float(gains.mean()), over_seeds_and_rows(gains), 3)
    assert summary.gain == expected
    assert (expected.n, expected.rows) == (3, 200)
    assert expected.low is not None
    assert expected.low > 0
    assert sentence(summary).endswith("3 seeds and 200 rows).")
    assert summary.figures["accuracy"].rows == summary.figures["macro_f1"].rows == 200


def test_one_seed_shows_what_its_rows_show() -> None:
    alike = [with_rows("bert", 0, [1, 0] * 50), with_rows("gan-bert", 0, [1, 0] * 50)]
    better = [alike[0], with_rows("gan-bert", 0, [1, 1] * 50)]
    assert sentence(summarise(alike)[1]) == "gan-bert: no difference from bert that one seed and 100 rows can show."
    assert sentence(summarise(better)[1]).startswith("gan-bert: 50.0 points above bert (95% interval 39.8 to 60.2, ")
    assert sentence(summarise(better)[1]).endswith("one seed and 100 rows: another seed may differ).")


def test_a_run_that_uses_no_seed_is_a_pair_with_each_seed() -> None:
    rows = {"data": "v", "n_unlabelled": 9, "any_seed": False}
    records = [with_rows("bert", seed, [1, 0, seed % 2, 1], **rows) for seed in range(3)]
    records.append(with_rows("tfidf", 0, [1, 1, 1, 1], **{**rows, "any_seed": True, "split_hash": "in another order"}))
    tfidf = summarise(records)[1]
    assert tfidf.gain is not None
    assert (tfidf.gain.n, tfidf.gain.mean) == pytest.approx((3, (0.5 + 0.25 + 0.5) / 3))
    assert (tfidf.figures["accuracy"].n, tfidf.any_seed) == (1, False)
    other_rows = {**records[-1], "n_labelled": 54}
    assert summarise([*records[:-1], other_rows])[1].gain is None


def test_two_runs_that_use_no_seed_are_judged_over_their_rows_alone() -> None:
    hits = {"embed": [1] * 30 + [0] * 60, "tfidf": [1] * 90}
    records = [with_rows(method, 0, of_rows, any_seed=True) for method, of_rows in hits.items()]
    summary = summarise(records, against="embed")[1]
    assert summary.any_seed
    assert sentence(summary).endswith(", 90 rows).")


def test_older_results_of_a_method_that_uses_no_seed_count_once() -> None:
    records = [record("tfidf", seed, 0.7, budget="100%", n_test=100) for seed in range(5)]
    figure = summarise(records)[0].figures["accuracy"]
    theirs = stats.binomtest(70, 100).proportion_ci(method="wilson")
    assert (figure.n, figure.low, figure.high) == pytest.approx((1, theirs.low, theirs.high))
    assert summarise([{**r, "budget": "50%"} for r in records])[0].figures["accuracy"].n == 5


def test_a_cross_validation_counts_its_rows() -> None:
    records = [with_rows("bert", fold, [1, 0, 0, 0], split="cross-validation") for fold in range(5)]
    records += [with_rows("gan-bert", fold, [1, 1, 0, fold % 2], split="cross-validation") for fold in range(5)]
    gain = summarise(records)[1].gain
    assert gain is not None
    assert (gain.n, gain.rows) == (5, 20)
    records += [with_rows("bert", fold, [1, 0, 0, 0], split="cross-validation") for fold in range(5, 10)]
    assert summarise(records)[0].figures["accuracy"].rows == 20  # a second round is of the same rows


def test_a_broken_record_of_rows_falls_back_to_seeds() -> None:
    records = [with_rows("bert", seed, [1, 0]) for seed in range(3)]
    records[1]["predicted"] = "torn"
    assert summarise(records)[0].figures["accuracy"].rows is None
    assert sentences(summarise(records))[-1].startswith("Intervals with ± count seeds alone (Student's t)")


def test_what_ran_in_a_methods_place_is_named() -> None:
    records = [record("default", seed, 0.5, fallback="Too few steps." if seed else None) for seed in range(3)]
    (summary,) = summarise(records)
    assert summary.name == "default (plain fine-tune in 2 of 3 seeds)"
    assert sentences([summary])[0] == "default (plain fine-tune in 2 of 3 seeds): Too few steps."
    (all_of_them,) = summarise(records[1:])
    assert (all_of_them.name, all_of_them.n_fallbacks) == ("default (plain fine-tune)", 2)
    (as_asked,) = summarise(records[:1])
    assert (as_asked.name, as_asked.fallback) == ("default", None)


def test_a_method_without_its_baseline_says_how_to_get_the_difference() -> None:
    (summary,) = summarise([record("default", 0, 0.5)])
    assert sentence(summary) == (
        "default: measured against nothing. For the difference from bert-tuned add it to --methods, or name another "
        "of the methods with --against."
    )
