"""Results of older versions: read, shown and continued; and what they lack is an empty cell."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ganbert.cli.metric_tables import print_metrics
from ganbert.cli.run_comparison import print_summaries
from ganbert.cli.run_progress import Forecast, RunProgress
from ganbert.compare.comparison import runs_of, write_folder
from ganbert.compare.row_sources import TaskRows
from ganbert.compare.runs import Run, judged, what_is_wrong
from ganbert.compare.statistics import summarise
from ganbert.compare.store import Results
from ganbert.metrics import METRICS, SHOWN, Metric, classification_metrics
from tests.compare.test_comparison import NoRows
from tests.compare.test_report import record

OLDER = Path(__file__).parents[2] / "results" / "curves" / "qc.jsonl.gz"


@pytest.fixture
def older(tmp_path: Path) -> Results:
    """A file of results that an older version left."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(gzip.decompress(OLDER.read_bytes()))
    return Results(path)


@pytest.fixture
def brier() -> Iterator[Metric]:
    """A metric that older records lack."""

    def score(labels: np.ndarray, probabilities: np.ndarray) -> float:
        k = max(probabilities.shape[1], int(labels.max()) + 1)
        padded = np.pad(probabilities, ((0, 0), (0, k - probabilities.shape[1])))
        return float(((padded - np.eye(k)[labels]) ** 2).sum(axis=1).mean() / 2)

    metric = Metric("brier", "half Brier", "the squared error of probabilities", score, higher_is_better=False)
    METRICS["brier"] = metric
    SHOWN.append(metric)
    yield metric
    del METRICS["brier"]
    SHOWN.remove(metric)


def test_results_of_an_older_version_are_continued(older: Results, real_data: Path) -> None:
    source, methods = TaskRows("qc-coarse", real_data), ["bert-epochs", "bert", "gan-bert"]
    runs = runs_of([source], methods, ["1%", "2%"], 5, precision="bfloat16")
    assert len(runs) == 30
    assert older.missing(runs) == []
    added = runs_of([source], ["bert", "default"], ["1%"], 1, precision="bfloat16", max_steps=3)
    assert older.missing([*runs, *added]) == added
    done = next(r for r in older.read() if (r["task"], r["budget"], r["seed"]) == ("qc-coarse", "1%", 3))
    assert source.split("1%", 3).hash == done["split_hash"]


@pytest.mark.usefixtures("brier")
def test_results_of_an_older_version_are_shown_with_an_empty_cell_for_a_newer_metric(
    older: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [r for r in older.read() if (r["task"], r["budget"]) == ("qc-coarse", "1%")]
    assert {what_is_wrong(r) for r in records} == {None}
    summaries = summarise(records)
    assert all("brier" not in s.figures for s in summaries)
    write_folder(records, None, tmp_path)
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    columns = ["method", *(metric.label for metric in SHOWN), "difference"]
    assert columns[:3] == ["method", "accuracy", "macro F1"]
    assert columns[-2] == "half Brier"
    assert f"| {' | '.join(columns)} |" in text
    line = next(line for line in text.splitlines() if line.startswith("| gan-bert | ") and line.count("|") > 8)
    assert line.split("|")[len(columns) - 1].strip() == ""
    print_summaries(summaries)
    assert "half Brier" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", ["accuracy", "ece"])
def test_a_metric_that_is_no_number_is_no_record(name: str, older: Results) -> None:
    assert what_is_wrong({**older.read()[0], name: "high"}) == f"no '{name}', or not as it is written here"


def test_the_metric_of_its_task_is_not_lacking(older: Results) -> None:
    known = older.read()[0]
    without = {name: value for name, value in known.items() if name != "macro_f1"}
    assert what_is_wrong(without) is None
    assert what_is_wrong({**without, "task": "20n"}) == "no 'macro_f1', or not as it is written here"


def test_everything_that_shows_figures_shows_a_new_metric(brier: Metric, tmp_path: Path) -> None:
    labels, probabilities = np.array([0, 1, 1, 0]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    said = judged(labels, probabilities, ["a", "b"])
    assert said["brier"] == pytest.approx((0 + 0 + 1 + 0.25) / 4)
    metrics = classification_metrics(labels, probabilities, ["a", "b"])
    assert metrics.as_dict()["brier"] == metrics.brier == said["brier"]
    assert str(metrics).endswith("half Brier 0.312")

    screen = Console(file=io.StringIO(), width=120)
    print_metrics(screen, {"test": (metrics, None, None)})
    run = Run(NoRows(), "bert", "1%", 0)
    with RunProgress(screen, [run], Forecast()) as progress:
        progress.ended(run, {**run.identity, **record("bert", 1, 0), **said, "seconds": 1.0})
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "half Brier ┃ rows" in shown
    assert "ECE 0.375, " in shown
    assert ", half Brier 0.312, 266 steps" in shown

    records = [record(method, 1, seed, brier=0.1 + seed / 10) for method in ("bert", "gan-bert") for seed in range(3)]
    write_folder(records, None, tmp_path)
    other = "  |" * (len(SHOWN) - 4)  # metrics that these records lack
    figures = f"54.5 ± 1.2 | 54.5 ± 1.2 | 10.0 ± 0.0 |{other} 20.0 ± 24.8"
    line = f"| gan-bert | {figures} | +3.0 ± 0.0 | bert | 266 | 12 | 60 |  | 3 |"
    assert line in (tmp_path / "summary.md").read_text(encoding="utf-8").splitlines()
    assert "<th>half Brier</th>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_seed_without_a_newer_metric_leaves_the_cell_of_its_method_empty(brier: Metric) -> None:
    records = [record("bert", 1, 0), record("bert", 1, 1, brier=0.1), record("gan-bert", 1, 0, brier=0.1)]
    assert ["brier" in summary.figures for summary in summarise(records)] == [False, True]
