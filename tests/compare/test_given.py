"""What methods are given besides labels: class names and selected rows; in identities, records, pairs and reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from numpy.typing import NDArray

from ganbert.compare import simulate
from ganbert.compare.baselines import embed, self_training, setfit, tfidf
from ganbert.compare.comparison import compare, runs_of
from ganbert.compare.conditions import Conditions, Outcome
from ganbert.compare.methods import method_named
from ganbert.compare.report import write_report
from ganbert.compare.row_sources import TableRows
from ganbert.compare.runs import Run
from ganbert.compare.splits import Split, few_label_split
from ganbert.compare.statistics import ceilings, sentences, summarise
from ganbert.compare.store import Results, key_of
from ganbert.data.rows import TableOptions
from ganbert.errors import InputError
from ganbert.runtime import choose_compute
from tests.compare.test_comparison import NoRows
from tests.compare.test_report import record
from tests.conftest import COLOURS, TOOLS, toy_rows

OPTIONS: dict[str, Any] = {"max_steps": 4, "max_length": 16, "precision": "float32", "threads": 1, "device": "cpu"}
NAMES = {"colour": tuple(COLOURS), "tool": tuple(TOOLS)}


def named_split(n_labelled: int = 12) -> Split:
    """Return a split whose training rows are all of one class but for the class names."""
    animals = [text for text, label in toy_rows(120) if label == "animal"]
    train = Dataset.from_dict({"text": animals, "label": ["animal"] * len(animals)})
    held = toy_rows(30, first=300)
    test = Dataset.from_dict({"text": [text for text, _ in held], "label": [label for _, label in held]})
    return few_label_split(train, test, n_labelled, seed=0, class_names=NAMES)


@pytest.mark.parametrize("method", [tfidf, embed, self_training])
def test_a_baseline_learns_a_class_from_its_name_alone(
    method: Callable[[Split, Conditions], Outcome], tiny_encoder: str
) -> None:
    split = named_split()
    assert split.corpus.label_names == ("animal", "colour", "tool")
    conditions = Conditions(tiny_encoder, 0, choose_compute("cpu", "float32", threads=1), 16)
    outcome = method(split, conditions)
    truth = np.array(split.test["label"])
    assert outcome.probabilities.shape == (30, 3)
    rows = truth > 0  # of classes that have no labelled row: which of the two is likelier is what the names say
    likelier = 1 + outcome.probabilities[rows, 1:].argmax(axis=1)
    assert (likelier == truth[rows]).mean() > 0.8
    assert outcome.prediction_seconds is not None


def test_a_name_is_that_of_the_class_whose_label_looks_like_its_own(tmp_path: Path) -> None:
    table = tmp_path / "toy.csv"
    lines = [f"{text},{label.upper() if i == 1 else label}" for i, (text, label) in enumerate(toy_rows(60))]
    table.write_text("\n".join(["text,label", *lines]) + "\n")
    source = TableRows((table,), options=TableOptions(normalize_labels=True))
    names = {"Colour": ("red",), "COLOUR": ("crimson",), "tool": ("saw",), "other": ("here",)}
    split = source.split("20", 0, class_names=names)
    assert split.corpus.class_names == {"colour": ("red", "crimson"), "tool": ("saw",), "other": ("here",)}
    assert split.corpus.label_names == ("animal", "colour", "other", "tool")


def test_without_a_label_names_alone_are_learned_from(tiny_encoder: str) -> None:
    conditions = Conditions(tiny_encoder, 0, choose_compute("cpu", "float32", threads=1), 16)
    split = named_split(0)
    outcome = embed(split, conditions)
    truth = np.array(split.test["label"])
    known = truth < 2
    assert outcome.probabilities.shape == (30, 2)
    assert (outcome.probabilities.argmax(axis=1) == truth)[known].mean() >= 0.8


@pytest.mark.parametrize("method", ["bert-tuned", "default"])
def test_a_fine_tune_gets_the_names_as_training_does(method: str, tiny_encoder: str) -> None:
    conditions = Conditions(tiny_encoder, 0, choose_compute("cpu", "float32", threads=1), 16, max_steps=4)
    split = named_split()
    unnamed = replace(split, corpus=replace(split.corpus, class_names={}))
    with_names, without = (method_named(method).run(of, conditions).probabilities for of in (split, unnamed))
    assert with_names.shape == without.shape == (30, 3)
    assert not np.array_equal(with_names, without)
    assert method_named(method).run(named_split(0), conditions).probabilities.shape == (30, 2)
    with pytest.raises(InputError, match=r"no labelled row to learn from\. Class names are not learned from"):
        method_named("bert-epochs").run(named_split(0), conditions)  # the paper's recipes know nothing of names


@pytest.mark.filterwarnings("ignore")  # the library's own
def test_setfit_takes_names_as_labelled_rows(minilm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("setfit", reason="setfit (extra compare) is not installed")
    monkeypatch.setattr("ganbert.compare.baselines.SETFIT_STEPS", 10)
    split = named_split(6)
    conditions = Conditions(minilm, 0, choose_compute("cpu", "float32", threads=1), 16)
    outcome = setfit(split, conditions)
    truth = np.array(split.test["label"])
    assert (outcome.probabilities.argmax(axis=1) == truth)[truth > 0].mean() > 0.8
    assert outcome.labelled_shown == outcome.steps * 16 * 2 / (6 + 8)


def test_an_identity_tells_of_selection_and_names_only_where_they_are_not_the_default(tmp_path: Path) -> None:
    older = {
        "task": "toy", "split": "test", "data": "", "method": "bert", "budget": "1%", "seed": 0, "encoder": "minilm",
        "balanced": False, "precision": "float32", "settings": {},
    }  # fmt: skip
    plain = Run(NoRows(), "bert", "1%", 0)
    assert plain.identity == older
    assert plain.key == "d1a188f2d2309932" == key_of({**older, "selection": "random", "names": "none"})
    file = tmp_path / "names.json"
    file.write_text('{"a": "first"}')
    chosen = Run(NoRows(), "bert", "1%", 0, selection="typical")
    named, of_file = (Run(NoRows(), "bert", "1%", 0, names=names) for names in ("labels", str(file)))
    assert chosen.identity == {**older, "selection": "typical"}
    assert named.identity == {**older, "names": "labels"}
    assert of_file.identity["names"].startswith("names.json ")
    assert len({run.key for run in (plain, chosen, named, of_file)}) == 4
    moved = tmp_path / "moved" / "names.json"
    moved.parent.mkdir()
    moved.write_text('{"a":  "first"}')
    assert Run(NoRows(), "bert", "1%", 0, names=str(moved)).key == of_file.key  # the same names in another place


def test_a_table_is_measured_with_names_and_without(
    toy_table: Callable[..., Path], tiny_encoder: str, tmp_path: Path
) -> None:
    source = TableRows((toy_table(n=60, labelled=40),), test=toy_table(n=30, labelled=30, name="test.csv", first=60))
    file = tmp_path / "names.json"
    file.write_text(json.dumps({label: list(texts) for label, texts in NAMES.items()}))
    summaries = compare(
        [source], ["embed", "tfidf"], tmp_path / "out", budgets=["6"], seeds=1, encoder=tiny_encoder,
        names=["none", "labels", str(file)], **OPTIONS,
    )  # fmt: skip
    records = Results(tmp_path / "out" / "results.jsonl").read()
    assert [(r["method"], r["names"].partition(" ")[0], r["n_names"]) for r in records] == [
        (method, *given)
        for given in (("none", 0), ("labels", 3), ("names.json", 8))
        for method in ("embed", "tfidf")
    ]  # fmt: skip
    assert len({r["split_hash"] for r in records}) == 3
    assert {r["classes"] for r in records[2:]} == {3}
    assert [s.variant.partition(" of ")[0] for s in summaries[::2]] == ["no names", "names", "names"]
    text = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert r"| embed \[no names\] |" in text
    again = runs_of([source], ["embed"], ["6"], 1, encoder=tiny_encoder, names=["none", "labels", str(file)], **OPTIONS)
    assert Results(tmp_path / "out" / "results.jsonl").missing(again) == []


def test_labels_that_are_no_words_are_no_names(toy_table: Callable[..., Path]) -> None:
    table = toy_table(n=30, labelled=30)
    table.write_text(table.read_text().replace("animal", "1").replace("colour", "2").replace("tool", "3"))
    run = Run(TableRows((table,)), "embed", "6", 0, names="labels")
    with pytest.raises(InputError, match=r"--names labels: the labels of toy\.csv are no words"):
        run.split()


@pytest.fixture
def alphabetical(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Put a strategy that takes texts in the order of the alphabet in the place of all; return the names it is told."""
    told: list[list[str]] = []

    def strategy(selection: Any, rows: Dataset, class_names: Any, names: list[str], seed: int) -> simulate.Choose:
        told.append(sorted(class_names))
        order = np.argsort(rows["text"][:])

        def choose(labels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
            return order[labels[order] < 0][:n]

        return choose

    monkeypatch.setattr(simulate, "strategy", strategy)
    simulate._simulation.cache_clear()
    return told


def test_selected_rows_are_the_same_for_all_methods_and_budgets_of_a_seed(
    toy_table: Callable[..., Path], tiny_encoder: str, tmp_path: Path, alphabetical: list[list[str]]
) -> None:
    source = TableRows((toy_table(n=60, labelled=50),), test=toy_table(n=30, labelled=30, name="test.csv", first=60))
    summaries = compare(
        [source], ["embed", "tfidf", "bert-tuned"], tmp_path / "out", budgets=["10", "30"], seeds=1,
        encoder=tiny_encoder, selection=["random", "suggest"], names="labels", **OPTIONS,
    )  # fmt: skip
    assert alphabetical == [["animal", "colour", "tool"]]  # one simulation for everything
    small, large = (
        Run(source, "embed", n, 0, encoder=tiny_encoder, selection="suggest", names="labels", **OPTIONS).split()
        for n in ("10", "30")
    )
    texts = [list(split.corpus.train.select(split.corpus.labelled)["text"]) for split in (small, large)]
    assert texts[1] == sorted(texts[1])
    assert texts[0] == texts[1][:10]
    assert len(large.corpus.unlabelled) == 60 - 30
    records = Results(tmp_path / "out" / "results.jsonl").read()
    hashes = {(r["budget"], r["selection"]): r["split_hash"] for r in records}
    assert hashes["10", "suggest"] == small.hash
    assert len(set(hashes.values())) == 4
    assert {s.label for s in summaries} == {
        f"{method} [{selection}]" for method in ("embed", "tfidf", "bert-tuned") for selection in ("random", "suggest")
    }
    assert all(s.gain is not None for s in summaries if s.method == "embed")  # each against its own fine-tune


def test_all_rows_are_not_simulated(toy_table: Callable[..., Path], alphabetical: list[list[str]]) -> None:
    source = TableRows((toy_table(n=60, labelled=50),), test=toy_table(n=30, labelled=30, name="test.csv", first=60))
    split = Run(source, "embed", "100%", 0, selection="suggest", **OPTIONS).split()
    assert (len(split.corpus.labelled), split.selection) == (50, "suggest")
    assert alphabetical == []


def test_rows_are_selected_or_drawn_class_by_class() -> None:
    with pytest.raises(InputError, match="--balanced draws rows by their labels, --selection suggest without"):
        Run(NoRows(), "embed", "10", 0, balanced=True, selection="suggest").split()


def test_encoders_stand_side_by_side_each_with_its_own_baseline(tmp_path: Path) -> None:
    records = [
        record(method, 1, seed, encoder=encoder, rows_per_second=rate)
        for encoder, rate in (("minilm", 400.0), ("hub/mpnet", 50.0))
        for method in ("bert", "gan-bert")
        for seed in range(2)
    ]
    summaries = summarise(records)
    assert [(s.label, s.baseline, s.rows_per_second) for s in summaries] == [
        ("bert [minilm]", None, 400.0),
        ("gan-bert [minilm]", "bert", 400.0),
        ("bert [mpnet]", None, 50.0),
        ("gan-bert [mpnet]", "bert", 50.0),
    ]
    assert sentences(summaries)[1].startswith("gan-bert [mpnet]: 3.0 points above bert")
    write_report(records, summaries, tmp_path, commands=["x"])
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(r"| gan-bert \[mpnet\] |") and "+3.0" in line)
    assert line.endswith("| 60 | 50 | 2 |")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<td>0</td><td class="text">minilm</td>' in page
    assert "<td>gan-bert [mpnet]</td>" in page


def test_a_rate_that_one_run_did_not_measure_is_no_mean() -> None:
    records = [record("bert", 1, 0, rows_per_second=100.0), record("bert", 1, 1)]
    assert summarise(records)[0].rows_per_second is None
    assert summarise(records[:1])[0].rows_per_second == 100.0


def test_what_is_possible_is_said_of_each_variant() -> None:
    records = [record("bert", 1, seed, names=names) for names in ("none", "labels") for seed in range(2)]
    records = [{**r, "ceiling": 0.9 if r["names"] == "none" else 1.0} for r in records]
    said = "Classes without a labelled row leave an accuracy of at most 90.0% possible"
    assert ceilings(summarise(records)) == [f"{said} [no names]."]
    assert ceilings(summarise(records[:2])) == [f"{said}."]
