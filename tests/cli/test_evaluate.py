"""`ganbert evaluate`: figures that anyone can work out again from what `ganbert predict` writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from tests.cli.conftest import write_toy
from tests.conftest import Run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Labelled rows that no model was trained on, some with a label that is hard to guess."""
    path = write_toy(tmp_path / "test.csv", 45, 45, first=60)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[5::5] = [line.split(",")[0] + ",tool" for line in lines[5::5]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_figures_are_those_of_the_predictions(run: Run, trained: Path, table: Path, tmp_path: Path) -> None:
    figures = run("evaluate", trained, table, "--json").result
    assert run("predict", trained, table, "--output", tmp_path / "p.parquet").status == 0
    rows = pd.read_parquet(tmp_path / "p.parquet")
    true, predicted = rows["label"], rows["predicted_label"]

    assert 0.4 < figures["accuracy"] < 1  # not a comparison of zeros or ones
    assert figures["n"] == 45
    assert figures["accuracy"] == pytest.approx(accuracy_score(true, predicted))
    assert figures["macro_f1"] == pytest.approx(f1_score(true, predicted, average="macro"))
    assert figures["micro_f1"] == pytest.approx(f1_score(true, predicted, average="micro"))
    names = ["animal", "colour", "tool"]
    assert list(figures["per_class"]) == names
    expected = np.transpose(precision_recall_fscore_support(true, predicted, labels=names, zero_division=0.0))
    measured = [list(figures["per_class"][name].values()) for name in names]
    np.testing.assert_allclose(measured, expected)
    assert list(figures["per_class"]["tool"]) == ["precision", "recall", "f1", "support"]


def test_ece_is_the_gap_of_confidence_and_accuracy_in_15_bins(
    run: Run, trained: Path, table: Path, tmp_path: Path
) -> None:
    figures = run("evaluate", trained, table, "--json").result
    run("predict", trained, table, "--output", tmp_path / "p.parquet")
    rows = pd.read_parquet(tmp_path / "p.parquet")
    correct, confidence = rows["label"] == rows["predicted_label"], rows["confidence"].astype(float)

    ece = 0.0
    for i in range(15):
        inside = (confidence > i / 15) & (confidence <= (i + 1) / 15)
        if inside.any():
            ece += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert figures["ece"] == pytest.approx(ece, abs=1e-6)


def test_people_get_a_table_of_all_and_of_each_class(run: Run, trained: Path, table: Path) -> None:
    figures = run("evaluate", trained, table, "--json").result

    outcome = run("evaluate", trained, table)

    assert outcome.status == 0
    assert f"{figures['accuracy']:.3f}" in outcome.out
    for name, values in figures["per_class"].items():
        line = next(line for line in outcome.out.splitlines() if name in line)
        assert f"{values['f1']:.3f}" in line


def test_the_batch_size_changes_nothing(run: Run, trained: Path, table: Path) -> None:
    one, many = (run("evaluate", trained, table, "--json", "--batch-size", n).result for n in (1, 64))

    assert one.pop("ece") == pytest.approx(many.pop("ece"), abs=1e-6)
    assert one == many


def test_an_unseen_label_is_refused_or_counted_as_an_error(run: Run, trained: Path, table: Path) -> None:
    before = run("evaluate", trained, table, "--json").result
    table.write_text(table.read_text() + "a car,vehicle\na pear,fruit\n", encoding="utf-8")

    refused = run("evaluate", trained, table, "--json")
    counted = run("evaluate", trained, table, "--json", "--allow-unseen").result

    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith(f"ganbert: {table}, row 46, column 'label': label 'vehicle'")
    assert (counted["n"], counted["n_unseen"]) == (47, 2)
    assert counted["accuracy"] == pytest.approx(before["accuracy"] * 45 / 47)
    assert counted["macro_f1"] < before["macro_f1"] * 3 / 5  # of five classes two have an F1 of 0
    assert "vehicle" not in counted["per_class"]
    assert "2 rows have a label the model never saw" in run("evaluate", trained, table, "--allow-unseen").out


def test_every_row_needs_a_label(run: Run, trained: Path, tmp_path: Path) -> None:
    table = write_toy(tmp_path / "t.csv", 6, 4)

    outcome = run("evaluate", trained, table)

    assert outcome.status == 2
    assert outcome.err.startswith(f"ganbert: {table}, row 5, column 'label': no label")


def test_columns_can_be_named(run: Run, trained: Path, table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table)
    other = tmp_path / "other.jsonl"
    lines = [json.dumps({"frage": t, "thema": c}) for t, c in zip(rows["text"], rows["label"], strict=True)]
    other.write_text("\n".join(lines), encoding="utf-8")

    named = run("evaluate", trained, other, "--json", "--text-column", "frage", "--label-column", "thema").result

    assert named == run("evaluate", trained, table, "--json").result
