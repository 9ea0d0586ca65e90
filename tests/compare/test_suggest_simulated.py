"""Strategies of `ganbert suggest` on rows whose labels are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganbert.compare import simulate
from ganbert.compare.row_sources import TableRows
from ganbert.compare.runs import Run
from ganbert.compare.splits import Split
from ganbert.runtime import choose_compute
from ganbert.select.strategies import STRATEGIES
from ganbert.select.suggest import suggest
from tests.conftest import Run as Command

OPTIONS: dict[str, Any] = {"max_length": 16, "precision": "float32", "threads": 1, "device": "cpu"}


def labelled(split: Split) -> list[str]:
    return list(split.corpus.train.select(split.corpus.labelled)["text"])


@pytest.fixture
def source(toy_table: Callable[..., Path]) -> TableRows:
    simulate._simulation.cache_clear()
    return TableRows((toy_table(n=90, labelled=80),), test=toy_table(n=30, labelled=30, name="test.csv", first=90))


@pytest.mark.parametrize("name", ["suggest", *STRATEGIES.own])
@pytest.mark.parametrize("names", ["none", "labels"])
def test_every_strategy_chooses_rows_and_a_larger_budget_contains_the_smaller(
    name: str, names: str, source: TableRows, tiny_encoder: str
) -> None:
    small, large = (
        Run(source, "embed", n, 1, encoder=tiny_encoder, selection=name, names=names, **OPTIONS).split()
        for n in ("30", "60")
    )
    assert len(set(labelled(large))) == 60
    assert labelled(small) == labelled(large)[:30]
    simulate._simulation.cache_clear()
    again = Run(source, "embed", "60", 1, encoder=tiny_encoder, selection=name, names=names, **OPTIONS).split()
    assert again.hash == large.hash


def test_it_chooses_what_suggest_proposes(source: TableRows, minilm: str) -> None:
    run = Run(source, "embed", "40", 0, encoder=minilm, selection="suggest", **OPTIONS)
    chosen = labelled(run.split())
    drawn = Run(source, "embed", "80", 0, encoder=minilm, **OPTIONS).split()
    texts, ids = labelled(drawn), drawn.corpus.labels
    label = {text: drawn.corpus.label_names[i] for text, i in zip(texts, ids, strict=False)}
    compute = choose_compute("cpu", "float32", threads=1)
    for begin in (0, 25):
        known = {text: label[text] for text in chosen[:begin]}
        proposed = suggest(texts, known, 25, encoder=minilm, max_length=16, seed=0, compute=compute)
        n = min(len(proposed.rows), len(chosen) - begin)  # of the first batch some are near-duplicates
        assert n > 5
        assert [row.text for row in proposed.rows][:n] == chosen[begin : begin + n]


def test_a_command_compares_selections(run: Command, source: TableRows, tiny_encoder: str, tmp_path: Path) -> None:
    table, arguments = source.files[0], ("--methods", "embed", "--seeds", 1, "--encoder", tiny_encoder)
    command = ("compare", table, "--test", source.test, *arguments, "--output", tmp_path / "out")
    outcome = run(*command, "--labels", "30", "--selection", "random,suggest,margin", "--names", "labels", "--json")
    assert outcome.status == 0, outcome.err
    assert [r["selection"] for r in outcome.result["runs"]] == ["random", "suggest", "margin"]
    assert len({r["split_hash"] for r in outcome.result["runs"]}) == 3
    assert np.mean([r["n_names"] for r in outcome.result["runs"]]) == 3
    assert json.loads((tmp_path / "out" / "results.jsonl").read_text().splitlines()[1])["selection"] == "suggest"
    refused = run(*command, "--selection", "tipical")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "--selection 'tipical': choose among suggest, random, " in refused.err
