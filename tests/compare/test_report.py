"""Plots and the page: everything they should show is there, and nothing is loaded from elsewhere."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from ganbert.compare.curves import curves, plot_curves, svg
from ganbert.compare.methods import METHODS
from ganbert.compare.report import NO_LABEL, write_report
from ganbert.compare.statistics import summarise
from ganbert.metrics import SHOWN

CLASSES = ["<tag>", "b & c"]


def record(method: str, budget: int, seed: int, **other: Any) -> dict[str, Any]:
    accuracy = 0.5 + budget / 100 + (0.03 if method == "gan-bert" else 0) + seed / 200
    return {
        "task": "qc-coarse", "split": "test", "data": "", "method": method, "budget": f"{budget}%", "seed": seed,
        "encoder": "minilm", "balanced": False, "settings": {}, "n_labelled": 55 * budget, "n_unlabelled": 5000,
        "n_test": 40, "n_removed": 9, "classes": 2, "unseen": {"rare": 4}, "ceiling": 0.9, "split_hash": f"hash{seed}",
        "accuracy": accuracy, "macro_f1": accuracy, "micro_f1": accuracy, "ece": 0.1, "steps": 266,
        "labelled_shown": 12.5, "seconds_in_all": 60.0,
        "warnings": ["step 9: watch out"] if method == "gan-bert" else [],
        "health": {"p_fake_real": 0.25} if method == "gan-bert" else {}, "classes_by_id": CLASSES,
        "confusion": [[-1, 1, 4], [0, 0, 12], [0, 1, 6], [1, 1, 18]], "calibration": [[10, 0.4, 0.5], [30, 0.8, 0.9]],
        "precision": "bfloat16", "machine": "a machine", "threads": 2, "python": "3.11", "torch": "2.13",
        "transformers": "5", "ganbert": "0.1", "commit": "abc1234", **other,
    }  # fmt: skip


@pytest.fixture
def records() -> list[dict[str, Any]]:
    return [record(m, budget, seed) for m in ("bert", "gan-bert") for budget in (1, 2, 10) for seed in range(3)]


def test_a_panel_has_a_line_with_a_band_for_each_method(records: list[dict[str, Any]]) -> None:
    records += [{**r, "task": "sst5"} for r in records[:9]]
    figure = curves(summarise(records))
    qc, sst = figure.axes
    assert (qc.get_title(), sst.get_title(), qc.get_xscale()) == ("qc-coarse", "sst5", "log")
    assert [line.get_label() for line in qc.lines] == ["bert", "gan-bert"]
    assert np.asarray(qc.lines[0].get_xdata()).tolist() == [55, 110, 550]
    assert np.asarray(qc.lines[1].get_ydata()).tolist() == pytest.approx([54.5, 55.5, 63.5])
    assert len(qc.collections) == 2
    assert len({(line.get_color(), line.get_marker()) for line in qc.lines}) == 2
    assert len({line.get_linestyle() for line in qc.lines}) == len({line.get_marker() for line in qc.lines}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["bert", "gan-bert"]


def test_no_label_at_all_is_a_place_on_the_axis(records: list[dict[str, Any]]) -> None:
    named = [{**r, "budget": str(n), "n_labelled": n} for n, r in zip((0, 50, 100), records[:9:3], strict=True)]
    (axes,) = curves(summarise(named)).axes
    assert axes.get_xscale() == "symlog"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "50", "100"]
    places = axes.transData.transform([(n, 0.5) for n in (0, 50, 100)])[:, 0]
    assert np.isfinite(places).all()
    assert (np.diff(places) > 0).all()


def test_no_two_of_many_methods_look_alike(records: list[dict[str, Any]]) -> None:
    names = [*METHODS, *(f"gan-bert:max_steps={n}" for n in range(1, 21))][:20]
    figure = curves(summarise([{**r, "method": name} for name in names for r in records[:9]]))
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == len(names) == 20


def test_eight_methods_have_eight_colours_in_whatever_order_they_come(records: list[dict[str, Any]]) -> None:
    names = ["self-training", "bert-epochs", "bert", "gan-bert", "tfidf", "embed", "joint", "default"]
    colours = []
    for order in (names, names[::-1]):
        figure = curves(summarise([{**r, "method": name} for name in order for r in records[:9]]))
        colours.append({line.get_label(): line.get_color() for line in figure.axes[0].lines})
    assert colours[0] == colours[1]
    assert len(set(colours[0].values())) == 8


def test_a_single_budget_is_drawn_with_error_bars(records: list[dict[str, Any]]) -> None:
    figure = curves(summarise([r for r in records if r["budget"] == "1%"]))
    axes = figure.axes[0]
    assert len(axes.containers) == 2
    assert [label.get_text() for label in axes.get_yticklabels()] == ["bert", "gan-bert"]


def test_names_of_many_variants_are_all_readable(records: list[dict[str, Any]], tmp_path: Path) -> None:
    names = ["bert", *(f"gan-bert:noise=uniform+pooling=mean+feature_matching=mean+dropout=0.{i}" for i in range(20))]
    variants = [{**r, "method": name} for name in names for r in records[:3]]
    figure = curves(summarise(variants))
    figure.savefig(tmp_path / "variants.png")  # a warning, so an error, if there is no room
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(boxes) == len(names)
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
    assert all(figure.bbox.x0 <= box.x0 for box in boxes)
    assert figure.axes[0].get_position().width > 0.4  # of the picture is left to the figures
    write_report(variants, summarise(variants), tmp_path, commands=["x"])


def test_an_interval_ends_where_accuracy_does(records: list[dict[str, Any]]) -> None:
    wild = [{**r, "accuracy": accuracy} for r, accuracy in zip(records[:3], (0.0, 0.1, 0.9), strict=True)]
    (bars,) = curves(summarise(wild)).axes[0].collections
    assert isinstance(bars, LineCollection)
    assert bars.get_segments()[0][:, 0] == pytest.approx([0, 100])


def test_both_formats_are_written(records: list[dict[str, Any]], tmp_path: Path) -> None:
    plot_curves(summarise(records), tmp_path)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "curve.svg").read_text()
    assert text.startswith("<svg")
    assert "gan-bert" in text
    assert svg(curves(summarise(records))) == svg(curves(summarise(records)))  # no dates, no random names


@pytest.fixture
def page(records: list[dict[str, Any]], tmp_path: Path) -> str:
    write_report(records, summarise(records), tmp_path, commands=["ganbert curve qc-coarse --seeds 3"])
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_tables_come_as_markdown_too(page: str, tmp_path: Path) -> None:
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "ganbert curve qc-coarse --seeds 3" in text.splitlines()
    assert "| bert | 51.5 ± 1.2 | 52.5 ± 1.2 | 60.5 ± 1.2 |" in text[: text.index("## qc-coarse, 1%")].splitlines()
    newer = "  |" * (len(SHOWN) - 3)  # metrics that these records lack
    line = f"| gan-bert | 54.5 ± 1.2 | 54.5 ± 1.2 | 10.0 ± 0.0 |{newer} +3.0 ± 0.0 | bert | 266 | 12 | 60 |  | 3 |"
    table = text[text.index("## qc-coarse, 1%: 55 labelled rows, 40 test rows") :]
    assert line in table[: table.index("## qc-coarse, 2%")].splitlines()
    assert "- gan-bert: 3.0 points above bert (95% interval 3.0 to 3.0, 3 seeds)." in text
    assert "| commit | abc1234 |" in text


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    assert not re.findall(r"<(?:script|link|img|iframe)|\bsrc=|@import|url\((?!#)", page)
    assert set(re.findall(r"https?://[^\"' <]+", page)) <= {
        "http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg", "http://purl.org/dc/elements/1.1/",
        "http://creativecommons.org/ns#", "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "http://purl.org/dc/dcmitype/StillImage", "https://matplotlib.org/",
    }  # fmt: skip


def test_the_page_holds_what_a_reader_needs_to_believe_it(page: str) -> None:
    for expected in (
        "ganbert curve qc-coarse --seeds 3",
        "abc1234",
        "a machine",
        "hash0",
        "rare (4)",
        "accuracy of at most 90.0% possible",
        "step 9: watch out",
        "gan-bert: 3.0 points above bert (95% interval 3.0 to 3.0, 3 seeds).",
        "55 labelled rows, 40 test rows",
        "GAN-BERT with the paper&#39;s recipe",
    ):
        assert expected in page, expected
    assert page.count("<h2>qc-coarse, ") == 3


def test_texts_are_escaped(page: str) -> None:
    assert "&lt;tag&gt;" in page
    assert "<tag>" not in page


def test_figures_of_classes_are_those_of_all_seeds(page: str) -> None:
    # <tag>: 12 right, 6 missed, none wrong of 3 seeds each; b & c: 18 right, 6 + 4 wrongly taken for it
    assert f"{100 * 2 * 12 / (2 * 12 + 6):.1f}" in page
    assert f"{100 * 2 * 18 / (2 * 18 + 10):.1f}" in page
    assert f"<td>{NO_LABEL}</td><td>0</td><td>12</td>" in page
    # rare: 4 rows in each of 3 seeds, none of which can be right
    assert "<tr><td>rare</td><td>12</td><td>0.0</td><td>0.0</td></tr>" in page


def test_a_class_missed_in_one_seed_and_unlabelled_in_another_is_missed_in_both(tmp_path: Path) -> None:
    seen = record("bert", 1, 0, unseen={}, classes_by_id=["a", "b"], confusion=[[0, 0, 10], [1, 1, 5]])
    unseen = record("bert", 1, 1, unseen={"a": 10}, classes_by_id=["b", "c"], confusion=[[-1, 0, 10], [0, 0, 5]])
    write_report([seen, unseen], summarise([seen, unseen]), tmp_path, commands=["x"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"<tr><td>a</td><td>20</td><td>{100 * 2 * 10 / (2 * 10 + 10):.1f}</td></tr>" in page


def test_many_classes_are_shown_as_the_pairs_most_confused(tmp_path: Path) -> None:
    many = [f"class {i}" for i in range(50)]
    records = [record("bert", 1, 0, unseen={}, classes_by_id=many, confusion=[[0, 0, 9], [3, 4, 7], [5, 6, 1]])]
    write_report(records, summarise(records), tmp_path, commands=["x"])
    page = (tmp_path / "report.html").read_text()
    assert "true \\ predicted" not in page
    assert page.index('<td class="text">class 4</td><td>7</td>') < page.index('<td class="text">class 6</td><td>1</td>')


ODD = "a|b`c*<d>\x1b[31m$e$ \u202e.csv"


def test_names_cannot_steer_markdown_or_terminal(records: list[dict[str, Any]], tmp_path: Path) -> None:
    odd = [{**r, "task": ODD, "encoder": "x|y\nz"} for r in records]
    plot_curves(summarise(odd), tmp_path)  # a name is no formula
    write_report(odd, summarise(odd), tmp_path, commands=["ganbert compare 'a\n```\n# b'", "````"])
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert not {"\x1b", "\u202e"} & set(text)
    assert r"## a\|b\`c\*\<d\>\\x1b\[31m\$e\$ \\u202e.csv: accuracy on test rows" in text
    assert r"| encoder | x\|y\\nz |" in text
    assert text.count("\n`````\n") == 2  # a fence that none of the commands closes
    assert "ganbert compare 'a\\n```\\n# b'" in text.splitlines()


def test_a_plain_fine_tune_in_a_methods_place_is_named_everywhere(tmp_path: Path) -> None:
    records = [record("bert", budget, seed) for budget in (1, 2) for seed in range(2)]
    records += [
        record("default", budget, seed, fallback="All rows are labelled." if budget == 1 else None)
        for budget in (1, 2)
        for seed in range(2)
    ]
    summaries = summarise(records)
    write_report(records, summaries, tmp_path, commands=["x"])
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "- default (plain fine-tune): All rows are labelled." in text
    assert re.search(r"^\| default \| .*, plain \| [^p]* \|$", text, re.MULTILINE)
    assert "| default (plain fine-tune) |" in text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<td>default (plain fine-tune)</td>" in page
    assert "<li>default (plain fine-tune): All rows are labelled.</li>" in page
    (panel,) = curves(summaries).axes
    assert [line.get_label() for line in panel.lines] == ["bert", "default (plain fine-tune at 1%)"]
    (dots,) = curves([s for s in summaries if s.budget == "1%"]).axes
    assert [label.get_text() for label in dots.get_yticklabels()] == ["bert", "default (plain fine-tune)"]


def test_files_are_there_whole_or_not_at_all(
    records: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(records, summarise(records), tmp_path, commands=["x"])
    plot_curves(summarise(records), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("ganbert.storage.disk.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        plot_curves(summarise(records[:3]), tmp_path)
    with pytest.raises(OSError, match="No space left"):
        write_report(records[:3], summarise(records[:3]), tmp_path, commands=["y"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
