"""The table over many tasks against what one works out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.across_tasks import by_cell, over_cells, read
from tests.compare.test_statistics import record

ROWS = pd.DataFrame(
    [
        record("bert-tuned", 0, 0.50, task="qc", ece=0.2),
        record("bert-tuned", 1, 0.60, task="qc", ece=0.2),
        record("bert-tuned", 0, 0.30, task="sst5", ece=0.4),
        record("bert-tuned", 1, 0.30, task="sst5", ece=0.4),
        record("default", 0, 0.57, task="qc", ece=0.1, seconds_in_all=90.0),
        record("default", 1, 0.64, task="qc", ece=0.1, seconds_in_all=90.0),
        record("default", 0, 0.29, task="sst5", ece=0.2, seconds_in_all=60.0),
        record("default", 1, 0.30, task="sst5", ece=0.2, seconds_in_all=60.0),
        record("setfit", 0, 0.70, task="qc", split_hash="of other rows"),
        record("setfit", 1, 0.65, task="qc"),
        record("embed", 0, 0.40, task="qc", ece=0.1),
    ]
)


def test_a_cell_has_means_and_paired_gains() -> None:
    qc = by_cell(ROWS, "bert-tuned").set_index("task").loc["qc"]
    assert qc["bert-tuned"] == "55.0 (20)"
    assert qc["default"] == "60.5 (10)"
    assert qc["embed"] == "40.0 (10), n=1"
    assert qc["default less bert-tuned"] == "+5.5 ± 19.1"  # t(0.975, 1) = 12.706, standard error 1.5 points
    assert qc["setfit less bert-tuned"] == "+5.0"  # the other run was on other rows


def test_over_all_cells_gains_are_means_with_intervals_over_seeds() -> None:
    lines = over_cells(ROWS, "bert-tuned").set_index("method")
    default = lines.loc["default"]
    assert default["cells"] == 2
    assert default["less bert-tuned"] == "+2.5 ± 6.4"  # of 3.0 and 2.0
    assert default["worst cell"] == "-0.5 on sst5, 1%"
    assert default["ECE"] == "0.50x"
    assert default["seconds"] == "1.25x"
    deviations = (0.07 + 0.01) / (0.10 + 0.00)  # of two values: their difference over the square root of 2
    assert float(default["deviation"].rstrip("x")) == pytest.approx(deviations)
    assert lines.loc["setfit", "seeds"] == 1


def test_cells_are_of_random_labels_without_names(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [
        record("default", 0, 0.9, selection="suggest", names="none"),
        record("default", 0, 0.8, selection="random", names="labels"),
        record("default", 0, 0.7, selection="random", names="none"),
        record("default", 1, 0.6),
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read([path], ["default"])["accuracy"].to_list() == [0.7, 0.6]
