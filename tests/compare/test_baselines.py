"""SetFit as its library has it, with the real encoder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from ganbert.compare import baselines
from ganbert.compare.comparison import check, runs_of
from ganbert.compare.conditions import Conditions
from ganbert.compare.methods import method_named
from ganbert.compare.row_sources import TableRows
from ganbert.compare.splits import Split, few_label_split
from ganbert.errors import InputError
from ganbert.runtime import choose_compute
from tests.conftest import toy_rows


def toy_split(pairs: bool = False) -> Split:
    columns = [
        {"text": [t for t, _ in rows], "label": [n for _, n in rows]} for rows in (toy_rows(60), toy_rows(30, first=60))
    ]
    train, test = (Dataset.from_dict(c | ({"text_pair": c["text"]} if pairs else {})) for c in columns)
    return few_label_split(train, test, 24, seed=0)


@pytest.mark.filterwarnings("ignore")  # the library's own
def test_toy_classes_are_learnt_in_the_precision_of_all_others(minilm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("setfit", reason="setfit (extra compare) is not installed")
    monkeypatch.setattr(baselines, "SETFIT_STEPS", 20)
    split = toy_split()
    outcomes = []
    for precision in ("float32", "bfloat16"):
        compute = choose_compute("cpu", precision, threads=1)
        outcomes.append(method_named("setfit").run(split, Conditions(minilm, 0, compute, 16)))
        assert outcomes[-1].probabilities.shape == (30, 3)
        assert outcomes[-1].steps == 20
        assert np.mean(outcomes[-1].probabilities.argmax(axis=1) == np.array(split.test["label"])) > 0.8
    single, half = (outcome.probabilities for outcome in outcomes)
    assert not np.array_equal(single, half)
    np.testing.assert_allclose(half, single, atol=0.003)  # 0.009 apart if each step saw the weights of the first


def test_pairs_of_texts_are_refused() -> None:
    pytest.importorskip("setfit", reason="setfit (extra compare) is not installed")
    with pytest.raises(InputError, match="does not take pairs"):
        baselines.setfit(toy_split(pairs=True), Conditions("minilm", 0, choose_compute("cpu"), 16))


def test_where_it_is_not_installed_one_line_says_how_before_anything_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "setfit", None)
    runs = runs_of([TableRows((Path("no table.csv"),))], ["embed", "setfit"], ["100%"], seeds=1)
    with pytest.raises(InputError, match=r"pip install 'ganbert\[compare\]'"):
        check(runs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2], [0] * 30 + [1] * 4])
def test_an_epoch_is_as_long_as_the_library_makes_it(labels: list[int]) -> None:
    sampler = pytest.importorskip("setfit.sampler", reason="setfit (extra compare) is not installed")
    pairs = sampler.ContrastiveDataset(["a"] * len(labels), labels, multilabel=False)
    assert baselines._setfit_steps_of_epoch(labels) == -(-len(pairs) // baselines.SETFIT_BATCH)
