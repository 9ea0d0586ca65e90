"""Methods: equal steps, honest counts, and predictions for every row that is measured on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from ganbert.compute import choose_compute
from ganbert.errors import InputError
from ganbert.evaluation.methods import METHODS, method_named
from ganbert.evaluation.runs import Run, confusion
from ganbert.evaluation.setting import Setting
from ganbert.evaluation.sources import TableSource
from ganbert.evaluation.splits import Split, few_label_split
from tests.conftest import toy_rows

FINE_TUNED = ["bert", "gan-bert", "gan-bert-code", "joint", "default", "default-plain"]


@pytest.fixture
def split() -> Split:
    train, test = (
        Dataset.from_dict({"text": [text for text, _ in rows], "label": [name for _, name in rows]})
        for rows in (toy_rows(90), toy_rows(30, first=90))
    )
    return few_label_split(train, test, 24, seed=0)


@pytest.fixture
def setting(tiny_encoder: str) -> Setting:
    return Setting(tiny_encoder, 0, choose_compute("cpu", "float32", 1), max_length=16, epochs=2, learning_rate=0.01)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "setfit"])
def test_every_method_predicts_all_rows(name: str, split: Split, setting: Setting) -> None:
    outcome = METHODS[name].run(split, setting, {})
    assert outcome.probabilities.shape == (len(split.test), 3)
    np.testing.assert_allclose(outcome.probabilities.sum(axis=1), 1, atol=1e-5)
    assert outcome.seconds > 0


def test_fine_tunes_take_equally_many_steps(split: Split, setting: Setting) -> None:
    expected = setting.n_steps(split)
    assert expected == 3  # ceil(2 epochs * 90 rows / 64)
    assert {METHODS[name].run(split, setting, {}).steps for name in FINE_TUNED} == {expected}


def test_the_papers_baseline_takes_equally_many_epochs(split: Split, setting: Setting) -> None:
    outcome = METHODS["bert-epochs"].run(split, setting, {})
    assert outcome.steps == 1  # ceil(2 * 24 / 64)
    assert outcome.labelled_shown == 1.0


def test_the_baseline_takes_its_settings_from_the_method_beside_it(split: Split, setting: Setting) -> None:
    for name in ("gan-bert", "default"):
        beside, baseline = (METHODS[n].run(split, setting, {}).recipe for n in (name, str(METHODS[name].baseline)))
        assert {**beside, "adversarial": False} == baseline


def test_the_paper_s_rate_of_the_task_is_taken(split: Split, setting: Setting) -> None:
    recipe = METHODS["gan-bert"].run(split, setting, {}).recipe
    assert recipe["encoder_lr"] == recipe["discriminator_lr"] == recipe["generator_lr"] == 0.01
    assert METHODS["default"].run(split, setting, {}).recipe["encoder_lr"] == 5e-5


def test_tokens_and_looks_at_labelled_rows_are_counted(split: Split, setting: Setting) -> None:
    outcome = METHODS["bert"].run(split, setting, {})  # each step shows every labelled row once
    lengths = [2 + len(text.split()) for text in split.corpus.train.select(split.corpus.labelled)["text"]]
    assert outcome.labelled_shown == outcome.steps
    assert outcome.tokens == outcome.steps * sum(lengths)
    played = METHODS["default"].run(split, setting, {})
    assert played.tokens is not None
    assert played.tokens > 0
    assert {"p_fake_real", "p_fake_generated"} <= set(played.health)


def test_settings_after_the_name_change_the_recipe(split: Split, setting: Setting) -> None:
    method, settings = method_named("gan-bert:noise=uniform+max_steps=3")
    outcome = method.run(split, setting, settings)
    assert (outcome.recipe["noise"], outcome.steps) == ("uniform", 3)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("bart", "no method 'bart': choose among bert-epochs"),
        ("bert:noise", "write its settings as bert:noise=uniform"),
        ("bert:noise=pink", "noise='pink'"),
        ("bert:colour=red", "'colour' is no field"),
    ],
)
def test_what_is_no_method_is_refused(name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        method_named(name)


def test_a_method_without_a_recipe_refuses_settings(split: Split, setting: Setting) -> None:
    method, settings = method_named("tfidf:noise=uniform")
    with pytest.raises(InputError, match="noise: settings of a recipe"):
        method.run(split, setting, settings)


def test_confusions_are_counted() -> None:
    assert confusion(np.array([0, 0, 1, -1, 0]), np.array([0, 1, 1, 0, 0])) == [
        [-1, 0, 1],
        [0, 0, 2],
        [0, 1, 1],
        [1, 1, 1],
    ]


def test_baselines_of_all_methods_exist() -> None:
    for method in METHODS.values():
        assert method.baseline is None or METHODS[method.baseline].baseline is None


def test_runs_of_one_seed_repeat(tiny_encoder: str, toy_table: Callable[..., Path]) -> None:
    run = Run(TableSource((toy_table(n=90, labelled=40),)), "default", "100%", 2, tiny_encoder, max_steps=5, threads=1)
    first, again = run(), run()
    timed = {"seconds", "seconds_in_all"}
    assert {k: v for k, v in first.items() if k not in timed} == {k: v for k, v in again.items() if k not in timed}
