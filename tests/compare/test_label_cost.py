"""What labels cost: the arithmetic against what one works out by hand, and the loop that makes missing rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import label_cost
from benchmarks.label_cost import BASE, OURS, Line, Saving, accuracies, labels_needed, mean_saving, saving

CURVE = {50: 0.4, 100: 0.5, 200: 0.48, 400: 0.7, 800: 0.8}


def row(task: str, line: Line, n: int, seed: int, accuracy: float, **other: Any) -> dict[str, Any]:
    return {
        "task": task, "method": line.method, "selection": line.selection, "names": line.names, "budget": str(n),
        "n_labelled": n, "seed": seed, "accuracy": accuracy, "data": "", "split": "test", "encoder": "minilm",
        "balanced": False, "precision": "float32", "settings": {}, **other,
    }  # fmt: skip


def rows(task: str, method_at_100: float, spread: float = 0.0) -> list[dict[str, Any]]:
    """Return a curve that doubles its labels for every ten points, and a method; two seeds each."""
    base = [
        row(task, BASE, n, seed, 0.3 + i / 10 + spread * (2 * seed - 1))
        for i, n in enumerate(label_cost.BASE_LABELS)
        for seed in (0, 1)
    ]
    return base + [row(task, OURS, 100, seed, method_at_100 + spread * (2 * seed - 1)) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("accuracy", "labels", "bound"),
    [
        (0.45, 50 * 2**0.5, ""),  # half way in the logarithm
        (0.5, 100, ""),  # where it is first reached: the curve is flat up to 200 once it is monotone
        (0.6, 200 * 2**0.5, ""),
        (0.4, 50, ""),
        (0.3, 50, "<="),
        (0.8, 800, ""),
        (0.81, 800, ">="),
    ],
)
def test_labels_are_interpolated_in_their_logarithm_on_a_monotone_curve(
    accuracy: float, labels: float, bound: str
) -> None:
    needed, said = labels_needed(CURVE, accuracy)
    assert needed == pytest.approx(labels)
    assert said == bound


def test_the_saving_is_of_means_over_seeds() -> None:
    found = accuracies(rows("sst5", 0.6, spread=0.05))
    assert str(saving(found["sst5", BASE], found["sst5", OURS])) == "4.0x"  # 400 labels have 0.6
    assert str(Saving(4.04, ">=")) == ">=4.0x"
    assert saving(found["sst5", BASE], {}) is None
    assert saving({}, found["sst5", OURS]) is None


def test_beyond_the_curve_a_saving_is_a_bound_and_marked() -> None:
    above, below = accuracies(rows("sst5", 0.9)), accuracies(rows("qc-fine", 0.1))
    assert str(saving(above["sst5", BASE], above["sst5", OURS])) == ">=16.0x"
    assert str(saving(below["qc-fine", BASE], below["qc-fine", OURS])) == "<=0.5x"
    mean = mean_saving({**above, **below}, ["sst5", "qc-fine"], OURS)
    assert mean is not None
    assert str(mean[0]) == f"~{8**0.5:.1f}x"


def test_the_mean_over_tasks_is_geometric_with_an_interval_over_seeds() -> None:
    tasks = ["sst5", "qc-fine"]
    exact = mean_saving(accuracies(rows("sst5", 0.6) + rows("qc-fine", 0.4)), tasks, OURS)  # 4 and 1
    assert exact is not None
    assert (exact[0].times, *exact[1:]) == pytest.approx((2.0, 2.0, 2.0))
    spread = mean_saving(accuracies(rows("sst5", 0.6, 0.02) + rows("qc-fine", 0.4, 0.02)), tasks, OURS)
    assert spread is not None
    assert spread[0].times == pytest.approx(2.0)
    # At worst the curve's better seed is drawn twice, and the method's worse one: 4 points, so 2 ** 0.4 times.
    assert 2.0 / 2**0.4 <= spread[1] < 2.0 < spread[2] <= 2.0 * 2**0.4
    assert mean_saving({}, tasks, OURS) is None


def test_all_of_a_curve_is_drawn_with_the_same_seeds() -> None:
    base = {n: {0: 0.1, 1: 0.2, 2: 0.3} for n in (50, 100)}
    for seed in range(20):
        drawn = label_cost._with_seeds(base, np.random.default_rng(seed))
        assert drawn[50] == drawn[100]
        assert set(drawn[50].values()) <= {0.1, 0.2, 0.3}


def test_rows_of_other_encoders_and_budgets_are_left_out_and_of_other_conditions_refused() -> None:
    known = rows("sst5", 0.6)
    others = [row("sst5", OURS, 100, 0, 0.9, encoder="other"), row("sst5", OURS, 100, 0, 0.9, budget="few_5")]
    assert accuracies([*known, *others]) == accuracies(known)
    older = [{name: value for name, value in r.items() if name not in ("selection", "names")} for r in known[:2]]
    assert accuracies(older) == accuracies(known[:2])
    with pytest.raises(ValueError, match="rows of sst5 are of different conditions"):
        accuracies([*known, row("sst5", OURS, 100, 0, 0.9, settings={"max_steps": 3})])


def test_tables_and_picture_show_every_line_and_task() -> None:
    found = accuracies([*rows("sst5", 0.6), *rows("qc-fine", 0.9)[:-1], row("sst5", Line("embed"), 100, 0, 0.3)])
    assert label_cost.savings_table(found).splitlines() == [
        "| with 100 labels | qc-fine | sst5 | geometric mean |",
        "| --- | ---: | ---: | ---: |",
        "| `default`, chosen, names | >=16.0x | 4.0x | >=8.0x (8.0 to 8.0) |",
    ]
    table = label_cost.accuracy_table(found)
    assert "| sst5 | `bert-tuned`, random | 30.0 (2) | 40.0 (2) | 50.0 (2) |" in table
    assert "| qc-fine | `default`, chosen, names |  | 90.0 (1) |" in table
    panels = label_cost.picture(found).axes
    assert [axes.get_title() for axes in panels] == ["qc-fine", "sst5"]
    assert [line.get_label() for line in panels[1].lines] == ["bert-tuned, random", "default, chosen, names"]


def test_others_figures_stand_beside_ours() -> None:
    ours = [row("hwu64", OURS, 320, seed, 0.8 + seed / 50, budget="few_5") for seed in (0, 1)]
    table = label_cost.published_table(ours)
    assert "| hwu64 | few_5 | CPFT | RoBERTa-base | 82.0 |  |" in table
    assert "| hwu64 | few_5 | **`default`, names** | minilm | 81.0 | 2 |" in table


def test_missing_runs_are_carried_out_once(
    tiny_encoder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    real_data: Path,
) -> None:
    monkeypatch.setattr(label_cost, "SHOWN", (Line("embed"), Line("tfidf", names="labels")))
    monkeypatch.setattr(label_cost, "BASE", Line("tfidf"))
    monkeypatch.setattr(label_cost, "BASE_LABELS", (60,))
    monkeypatch.setattr(label_cost, "LABELS", (30,))
    monkeypatch.setattr(label_cost, "rows_there_are", list)
    for _ in range(2):
        label_cost.run(tmp_path, real_data, ["qc-coarse"], 1, 1, encoder=tiny_encoder, max_length=16, device="cpu")
    made = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [(r["method"], r["names"], r["n_labelled"], r["n_names"]) for r in made] == [
        ("tfidf", "none", 60, 0), ("embed", "none", 30, 0), ("tfidf", "labels", 30, 6)
    ]  # fmt: skip
    assert "qc-coarse 30 embed random none 0 0." in capsys.readouterr().out
