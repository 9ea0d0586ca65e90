"""Class names as training rows: what they weigh, that nothing counts them, and what a run learns from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from ganbert.data.class_names import ClassNames
from ganbert.data.corpus import Corpus, corpus_of_texts
from ganbert.errors import InputError
from ganbert.predict.backends import class_names_of
from ganbert.predict.predictor import Predictor
from ganbert.runtime import choose_compute
from ganbert.training import run_folder
from ganbert.training.class_name_rows import class_name_rows, name_weight, why_left_out
from ganbert.training.fit import Fit, Settings
from ganbert.training.recipe import BERT, DEFAULT, PAPER, Recipe
from ganbert.training.report import TrainingResult
from ganbert.training.train import train
from tests.conftest import NAMES, TOOLS, toy_corpus, toy_rows

CALLED: ClassNames = {"animal": ("cat dog", "horse"), "colour": ("red",), "tool": ("hammer",)}


def named(corpus: Corpus, names: ClassNames = CALLED) -> Corpus:
    return replace(corpus, class_names=names)


def test_a_name_weighs_as_much_as_a_labelled_row_where_there_is_none_and_half_as_much_with_four() -> None:
    assert [name_weight(n) for n in (0, 4, 12)] == [1.0, 0.5, 0.25]


def test_each_text_is_a_row_of_its_class_and_the_mean_weight_of_all_labelled_rows_stays_one() -> None:
    corpus = named(corpus_of_texts(list("abcdefg"), [0, 1, 1, 1, 1, -100, -100], NAMES))
    added = class_name_rows(corpus, DEFAULT)
    assert added is not None
    assert added.rows.to_dict() == {"text": ["cat dog", "horse", "red", "hammer"], "label": [0, 0, 1, 2]}
    relative = np.array([1, 1, 1, 1, 1, 0.8, 0.8, 0.5, 1])  # of 5 labelled rows, and of the names
    labelled = [0, 1, 2, 3, 4, 7, 8, 9, 10]
    np.testing.assert_allclose(added.weights[labelled], relative / relative.mean())
    half = class_name_rows(corpus, replace(DEFAULT, name_rows_weight=0.5))
    assert half is not None
    np.testing.assert_allclose(half.weights[7:] / half.weights[0], added.weights[7:] / added.weights[0] / 2)


def test_weights_of_rows_are_kept_and_names_are_weighed_against_their_mean() -> None:
    corpus = named(corpus_of_texts(list("abc"), [0, 1, -100], NAMES, weights=[1.0, 3.0, 7.0]))
    added = class_name_rows(corpus, DEFAULT)
    assert added is not None
    relative = np.array([1, 3, 2 * 0.8, 2 * 0.8, 2 * 0.8, 2])
    np.testing.assert_allclose(added.weights[[0, 1, 3, 4, 5, 6]], relative / relative.mean())


def test_without_a_labelled_row_all_names_weigh_one() -> None:
    added = class_name_rows(named(corpus_of_texts(["a", "b"], [-100, -100], NAMES)), DEFAULT)
    assert added is not None
    assert added.weights[2:].tolist() == [1.0] * 4


def test_names_are_left_out_of_pairs_and_where_the_recipe_says_so_and_the_reason_is_told() -> None:
    pairs = named(corpus_of_texts(["a", "b"], [0, 1], NAMES, text_pairs=["c", "d"]))
    single = named(toy_corpus())
    for corpus, recipe, reason in (
        (pairs, DEFAULT, "a name is one text, and these rows are pairs."),
        (single, PAPER, "this recipe leaves them out (name_rows_weight=0)."),
    ):
        assert class_name_rows(corpus, recipe) is None
        assert (why_left_out(corpus, recipe) or "").endswith(reason)
    assert why_left_out(single, DEFAULT) is None
    assert why_left_out(toy_corpus(), PAPER) is None
    assert class_name_rows(toy_corpus(), DEFAULT) is None


@pytest.fixture
def run(tiny_encoder: str, tmp_path: Path) -> Callable[..., TrainingResult]:
    def run(recipe: Recipe, corpus: Corpus, name: str = "model", **given: Any) -> TrainingResult:
        recipe = replace(recipe, batch_size=16, looks_needed=0.0, max_steps=recipe.max_steps or 6)
        options: dict[str, Any] = {"encoder": tiny_encoder, "progress": False, "say": lambda message: None, **given}
        return train(recipe, corpus, tmp_path / name, **options)

    return run


LEARNS = replace(DEFAULT, max_steps=150, encoder_lr=1e-3, discriminator_lr=1e-2, contrastive_weight=0.0)


def test_a_class_without_a_labelled_row_is_learned_from_its_name(run: Callable[..., TrainingResult]) -> None:
    rows = [(text, name) for text, name in toy_rows(120) if name != "tool"]
    corpus = corpus_of_texts([text for text, _ in rows], [NAMES.index(name) for _, name in rows], NAMES)
    corpus = replace(corpus, class_names={"tool": tuple(TOOLS)})
    plain = LEARNS.plain()
    tools = [text for text, name in toy_rows(60, first=200) if name == "tool"]

    def share_of_tools(result: TrainingResult) -> float:
        predicted = Predictor(result.model, result.tokenizer).predict(tools).labels
        return predicted.count("tool") / len(tools)

    assert share_of_tools(run(plain, corpus, "with")) > 0.9
    assert share_of_tools(run(replace(plain, name_rows_weight=0.0), corpus, "without")) == 0


def test_with_names_and_no_label_at_all_the_pile_is_learned(run: Callable[..., TrainingResult]) -> None:
    names = {name: tuple(text for text, of in toy_rows(36, first=600) if of == name) for name in NAMES}
    corpus = named(toy_corpus(n=90, labelled=0, test=60), names)
    said: list[str] = []
    result = run(replace(LEARNS, max_steps=300, contrastive_weight=1.0), corpus, say=said.append)
    assert result.test is not None
    assert result.test.accuracy > 0.8
    assert result.recipe.uses_unlabelled
    assert result.counts["labelled"] == result.labelled_shown == 0
    assert result.examples == ()
    assert any("0 labelled in 3 classes, 90 unlabelled" in line for line in said)


@pytest.mark.parametrize("recipe", [BERT, PAPER, replace(DEFAULT, name_rows_weight=0.0)], ids=["bert", "paper", "0"])
def test_no_label_and_a_recipe_without_names_is_refused_in_one_line(
    run: Callable[..., TrainingResult], recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^no labelled row to learn from\. Class names are not learned from: this"):
        run(recipe, named(toy_corpus(labelled=0)))
    with pytest.raises(InputError, match=r"^no labelled row to learn from\. Nothing says what the classes are called"):
        run(recipe, toy_corpus(labelled=0))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("adversarial", [True, False])
def test_nothing_counts_the_names(run: Callable[..., TrainingResult], adversarial: bool) -> None:
    recipe = replace(DEFAULT, adversarial=adversarial, teacher_share=0.5 if adversarial else 0.0)
    plain, result = run(recipe, toy_corpus(test=6), "plain"), run(recipe, named(toy_corpus(test=6)), "named")
    assert result.counts == plain.counts
    assert result.steps == plain.steps
    assert (result.n_cut, result.n_unknown, result.n_test_in_train) == (
        plain.n_cut,
        plain.n_unknown,
        plain.n_test_in_train,
    )
    assert result.examples == plain.examples
    assert 0 < result.labelled_shown < plain.labelled_shown  # names take some of their places
    epochs = replace(recipe, max_steps=None)
    assert epochs.n_steps(30, 60) == epochs.n_steps(len(named(toy_corpus()).labelled), 60)


def test_names_change_the_weights_of_the_model_and_weight_0_leaves_them_as_they_were(
    run: Callable[..., TrainingResult],
) -> None:
    plain, with_names = run(DEFAULT, toy_corpus(), "plain"), run(DEFAULT, named(toy_corpus()), "names")
    without = run(replace(DEFAULT, name_rows_weight=0.0), named(toy_corpus()), "without")
    weights = [load_file(result.output / "model.safetensors") for result in (plain, with_names, without)]
    assert all(weights[0][name].equal(weights[2][name]) for name in weights[0])
    assert not all(weights[0][name].equal(weights[1][name]) for name in weights[0])


def test_the_cross_entropy_gets_the_weights(tiny_encoder: str, tmp_path: Path) -> None:
    corpus = named(toy_corpus())
    settings = Settings(
        encoder=tiny_encoder,
        compute=choose_compute(),
        micro_batch_size=None,
        gradient_checkpointing=False,
        compiled=False,
        early_stopping=None,
        report_to="none",
        progress=False,
        on_step=None,
        say=lambda message: None,
    )
    rows = Fit(DEFAULT, corpus, tmp_path / "model", 3, 0, settings).tokenize()
    added = class_name_rows(corpus, DEFAULT)
    assert added is not None
    assert rows.train["sample_weights"][:] == added.weights.tolist()
    assert rows.train["labels"][:] == [*corpus.labels, *added.rows["label"]]
    assert len(rows.lengths) == len(rows.train) == 94
    assert rows.counts.n == 90


def test_a_model_keeps_what_its_classes_are_called(run: Callable[..., TrainingResult]) -> None:
    result = run(DEFAULT, named(toy_corpus(), {"animal": ("cat *dog*", "horse"), "tool": ("tool",)}))
    config = json.loads((result.output / "config.json").read_text(encoding="utf-8"))
    assert config["class_names"] == [["cat *dog*", "horse"], [], ["tool"]]
    assert class_names_of(result.output) == {"animal": ("cat *dog*", "horse"), "tool": ("tool",)}
    card = (result.output / "README.md").read_text(encoding="utf-8")
    assert r"Classes: animal (cat \*dog\* / horse), colour, tool." in card
    assert "| name_rows_weight | 1.0 |" in card


def test_a_model_without_names_says_nothing_of_them(run: Callable[..., TrainingResult]) -> None:
    result = run(DEFAULT, toy_corpus())
    assert class_names_of(result.output) == {}
    assert "Classes: animal, colour, tool." in (result.output / "README.md").read_text(encoding="utf-8")


def test_a_run_begun_with_other_names_is_another_run() -> None:
    plain, first, second = toy_corpus(), named(toy_corpus()), named(toy_corpus(), {**CALLED, "tool": ("saw",)})
    assert len({run_folder.fingerprint(corpus) for corpus in (plain, first, second)}) == 3
    assert run_folder.fingerprint(first) == run_folder.fingerprint(
        named(toy_corpus(), dict(reversed([*CALLED.items()])))
    )


def test_names_of_pairs_are_said_to_be_left_out(run: Callable[..., TrainingResult]) -> None:
    single = toy_corpus()
    pairs = corpus_of_texts(single.train["text"][:], single.labels.tolist(), NAMES, single.train["text"][:])
    said: list[str] = []
    run(DEFAULT, named(pairs), say=said.append)
    assert any(line.startswith("Class names are not learned from: ") for line in said)
