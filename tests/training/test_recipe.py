"""The paper's figures, equal steps with and without the adversary, and what a recipe refuses."""

from __future__ import annotations

import inspect
import math
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig

from ganbert.model.config import GanBertConfig
from ganbert.model.losses import LossWeights
from ganbert.training.recipe import BERT, BERT_TUNED, CODE, DEFAULT, PAPER, RECIPES, Recipe

QC = (109, 5343)  # labelled and unlabelled rows of the paper's QC-fine at 2%
CONFIG_DEFAULTS = {name: value.default for name, value in inspect.signature(GanBertConfig.__init__).parameters.items()}
CONFIG_DEFAULTS |= {weight.name: weight.default for weight in fields(LossWeights)}


def test_paper_recipe_has_the_settings_of_the_paper() -> None:
    settings = (PAPER.encoder_lr, PAPER.epochs, PAPER.max_length, PAPER.batch_size, PAPER.warmup, PAPER.weight_decay)
    assert settings == (2e-5, 3, 64, 64, 0.1, 0.01)
    assert (PAPER.noise, PAPER.noise_size, PAPER.dropout, PAPER.max_grad_norm) == ("normal", 100, 0.1, 1.0)
    assert (PAPER.pooling, PAPER.real_term, PAPER.feature_matching) == ("cls", "taken_for_fake", "sum")
    assert RECIPES == {"default": DEFAULT, "paper": PAPER, "code": CODE, "bert": BERT, "bert-tuned": BERT_TUNED}
    assert PAPER.plain() == BERT


def test_labelled_rows_are_copied_by_the_logarithm_of_the_imbalance() -> None:
    assert PAPER.copies_of_labelled(*QC) == 4  # round(ln 49.02) = round(3.89)
    assert CODE.copies_of_labelled(*QC) == 5  # int(log2 50.02) = int(5.64)
    assert replace(PAPER, replication="none").copies_of_labelled(*QC) == 1
    assert PAPER.copies_of_labelled(10, 44) == 1  # |U| / |L|: ln 4.4 = 1.48, where ln 5.4 = 1.69
    assert CODE.copies_of_labelled(10, 75) == 3  # |all| / |L|: log2 8.5 = 3.09, where log2 7.5 = 2.91


@pytest.mark.parametrize("recipe", [PAPER, CODE])
@pytest.mark.parametrize("data", [(10, 0), (10, 1), (10, 10)])
def test_labelled_rows_stand_at_least_once_in_a_pass(recipe: Recipe, data: tuple[int, int]) -> None:
    assert recipe.copies_of_labelled(*data) == 1


def test_steps_on_the_papers_split() -> None:
    assert CODE.n_steps(*QC) == 276  # 3 * (5 * 109 + 5343) / 64, exactly
    assert PAPER.n_steps(*QC) == 271  # ceil(3 * (4 * 109 + 5343) / 64)
    assert DEFAULT.n_steps(*QC) == 501  # ceil(3 * 5343 / 32): three passes over the unlabelled half of each batch
    assert replace(DEFAULT, labelled_share=1.0).n_steps(*QC) == 271  # no unlabelled half: as without a share


def test_at_least_one_step_is_taken() -> None:
    assert replace(PAPER, epochs=0.001).n_steps(2, 0) == 1


def test_more_steps_than_anyone_can_count_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^epochs=1000000.*1,000,000,000 steps on 64,000,001 rows"):
        replace(CODE, epochs=10**6, replication="none").n_steps(1, 64_000_000)


def test_max_steps_takes_the_place_of_epochs() -> None:
    assert replace(PAPER, max_steps=7).n_steps(*QC) == 7


@pytest.mark.parametrize(
    ("recipe", "steps", "expected"),
    [
        (DEFAULT, 300, (150, 150)),
        (replace(DEFAULT, teacher_share=0.3), 10, (3, 7)),
        (replace(DEFAULT, teacher_share=0.001), 10, (1, 9)),  # a teacher takes a step at least
        (DEFAULT, 1, (0, 1)),  # and leaves one
        (replace(DEFAULT, teacher_steps=40), 300, (40, 300)),  # beside all of the student's
        (replace(PAPER, teacher_steps=40), 300, (40, 300)),
        (PAPER, 300, (0, 300)),
        (DEFAULT.plain(), 300, (0, 300)),
        (replace(DEFAULT, teacher_steps=40).plain(), 300, (0, 300)),
    ],
)
def test_steps_are_shared_out_between_teacher_and_student(
    recipe: Recipe, steps: int, expected: tuple[int, int]
) -> None:
    assert recipe.shared_out(steps, 10) == expected
    without_labels = (1, max(1, steps - 1)) if recipe.has_teacher else expected
    assert recipe.shared_out(steps, 0) == without_labels
    assert recipe.has_teacher is (recipe.teacher_share > 0 or recipe.teacher_steps is not None)


def test_unlabelled_rows_are_capped_per_labelled_row() -> None:
    assert PAPER.n_unlabelled_used(10, 5000) == 1000
    assert PAPER.n_unlabelled_used(10, 900) == 900
    assert CODE.n_unlabelled_used(10, 5000) == 5000
    assert replace(PAPER, unlabelled_per_labelled=0).n_unlabelled_used(10, 5000) == 0
    assert PAPER.n_steps(10, 5000) == PAPER.n_steps(10, 1000)


def test_labelled_share_is_rounded_to_rows_of_a_batch() -> None:
    assert replace(PAPER, batch_size=10, labelled_share=0.25).labelled_rows_per_batch() == 2
    assert replace(PAPER, batch_size=10, labelled_share=0.01).labelled_rows_per_batch() == 1
    assert replace(PAPER, batch_size=10, labelled_share=1.0).labelled_rows_per_batch() == 10


RECIPES_OF_ALL_KINDS = st.builds(
    replace,
    st.sampled_from(list(RECIPES.values())),
    batch_size=st.integers(2, 128),
    epochs=st.floats(0.01, 50),
    max_steps=st.none() | st.integers(1, 1000),
    replication=st.sampled_from(["ln", "log2", "none"]),
    labelled_share=st.none() | st.floats(0.001, 1),
    unlabelled_per_labelled=st.none() | st.floats(0, 200),
)


@given(RECIPES_OF_ALL_KINDS, st.integers(2, 10_000), st.integers(0, 1_000_000))
def test_plain_takes_as_many_steps_as_the_adversarial_recipe(recipe: Recipe, labelled: int, unlabelled: int) -> None:
    adversarial = replace(recipe, adversarial=True)
    assert adversarial.plain().n_steps(labelled, unlabelled) == adversarial.n_steps(labelled, unlabelled) >= 1
    changed = adversarial.plain().changes_from(adversarial).keys()
    assert changed - {"teacher_share", "cluster_weight", "warm_start", "detached_game"} == {"adversarial"}


@given(RECIPES_OF_ALL_KINDS, st.integers(2, 10_000), st.integers(0, 1_000_000))
def test_steps_are_enough_for_every_epoch(recipe: Recipe, labelled: int, unlabelled: int) -> None:
    recipe = replace(recipe, max_steps=None)
    used = recipe.n_unlabelled_used(labelled, unlabelled)
    per_batch = recipe.batch_size
    if recipe.labelled_share is not None and recipe.labelled_rows_per_batch() < per_batch:
        per_batch -= recipe.labelled_rows_per_batch()
    steps = recipe.n_steps(labelled, unlabelled)
    assert steps * per_batch >= recipe.epochs * used * (1 - 1e-12)
    assert (steps - 1) * per_batch <= recipe.epochs * (used + labelled * recipe.copies_of_labelled(labelled, used))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pooling", "first"),
        ("noise", "gaussian"),
        ("real_term", "fake"),
        ("feature_matching", "max"),
        ("replication", "log10"),
        ("noise_size", 0),
        ("max_length", 0),
        ("batch_size", -1),
        ("epochs", 0.0),
        ("epochs", float("inf")),
        ("epochs", float("nan")),
        ("epochs", 1e300),
        ("max_steps", 10**20),
        ("max_length", 1),
        ("batch_size", 10**12),
        ("noise_size", 10**12),
        ("unlabelled_per_labelled", 1e300),
        ("max_grad_norm", 0.0),
        ("adam_epsilon", 0.0),
        ("encoder_lr", -1e-5),
        ("discriminator_lr", float("nan")),
        ("generator_lr", float("inf")),
        ("weight_decay", -0.1),
        ("dropout", 1.0),
        ("input_dropout", -0.1),
        ("warmup", 1.5),
        ("max_steps", 0),
        ("labelled_share", 0.0),
        ("labelled_share", 1.1),
        ("unlabelled_per_labelled", -1.0),
        ("unlabelled_per_labelled", float("inf")),
    ],
)
def test_a_value_that_cannot_be_trained_with_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}="):
        replace(PAPER, **{field: value})


def test_a_batch_of_one_row_has_no_shares() -> None:
    with pytest.raises(ValueError, match=r"^batch_size=1"):
        replace(DEFAULT, batch_size=1)


@pytest.mark.parametrize("recipe", [PAPER, CODE, BERT, DEFAULT, replace(PAPER, replication="none", max_steps=9)])
def test_every_field_is_set_from_its_text(recipe: Recipe) -> None:
    other = replace(CODE, noise_size=7, max_steps=3, joint=True, replication="log2", labelled_share=0.2)
    texts = {field.name: str(getattr(recipe, field.name)) for field in fields(recipe)}
    parsed = other.with_settings(texts)
    assert parsed == recipe
    assert [type(getattr(parsed, f.name)) for f in fields(recipe)] == [
        type(getattr(recipe, f.name)) for f in fields(recipe)
    ]


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("epochs", "5", 5.0),
        ("encoder_lr", "5e-6", 5e-6),
        ("max_steps", "100", 100),
        ("max_steps", "none", None),
        ("unlabelled_per_labelled", "null", None),
        ("labelled_share", "1", 1.0),
        ("joint", "True", True),
        ("joint", "false", False),
        ("noise", "uniform", "uniform"),
        ("pooling", "auto", "auto"),
        ("replication", "None", "none"),
    ],
)
def test_settings_are_parsed_by_the_type_of_the_field(field: str, text: str, value: object) -> None:
    parsed = getattr(PAPER.with_settings({field: text}), field)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("batch_size", "32.5"),
        ("batch_size", "many"),
        ("batch_size", "none"),
        ("batch_size", "true"),
        ("batch_size", ""),
        ("epochs", "true"),
        ("epochs", "[3]"),
        ("max_steps", "1.5"),
        ("joint", "1"),
        ("joint", "yes"),
        ("noise", "5"),
        ("noise", "none"),
        ("noise", "gaussian"),
        ("warmup", "2"),
        ("epochs", "1" + "0" * 400),
        ("max_steps", "1" + "0" * 5000),
        ("max_steps", "[" * 100_000),
    ],
)
def test_settings_of_a_wrong_type_name_the_field(field: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}="):
        PAPER.with_settings({field: text})


def test_an_unknown_setting_lists_the_fields() -> None:
    with pytest.raises(ValueError, match=r"'learning_rate' is no field.*batch_size.*warmup"):
        PAPER.with_settings({"learning_rate": "1"})


def test_config_fields_are_the_fields_that_the_model_knows() -> None:
    expected = {field.name for field in fields(Recipe)} & set(CONFIG_DEFAULTS)
    assert set(PAPER.config_fields()) == expected
    assert {"noise", "pooling", "adversarial", "real_term", "feature_matching", "joint"} <= expected
    assert CODE.config_fields() == {name: getattr(CODE, name) for name in expected}


def test_defaults_of_the_model_are_the_paper() -> None:
    differing = {name for name, value in PAPER.config_fields().items() if CONFIG_DEFAULTS[name] != value}
    assert differing == {"pooling"}
    assert CONFIG_DEFAULTS["pooling"] == "auto"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_model_takes_the_fields_of_every_recipe(recipe: Recipe) -> None:
    config = GanBertConfig(BertConfig(), **recipe.config_fields())
    expected = recipe.config_fields() | ({"pooling": "cls"} if recipe.pooling == "auto" else {})
    assert {name: getattr(config, name) for name in expected} == expected


def test_changes_name_the_differing_fields_with_the_own_values() -> None:
    assert replace(PAPER, noise="uniform", epochs=5.0).changes_from(PAPER) == {"noise": "uniform", "epochs": 5.0}
    assert PAPER.changes_from(PAPER) == {}


def test_the_weight_of_a_loss_is_a_setting_that_the_model_has_and_the_recipe_and_the_configuration_check() -> None:
    for weight in fields(LossWeights):
        recipe = PAPER.with_settings({weight.name: "0.5"})
        config = GanBertConfig(BertConfig(), **recipe.config_fields())
        assert config.to_dict()[weight.name] == GanBertConfig.from_dict(config.to_dict()).to_dict()[weight.name] == 0.5
        assert getattr(GanBertConfig(), weight.name) == weight.default
        with pytest.raises(ValueError, match=f"^{weight.name}=-1"):
            PAPER.with_settings({weight.name: "-1"})
        with pytest.raises(ValueError, match=f"^{weight.name}=-1: must be a number, 0 or above"):
            GanBertConfig.from_dict({weight.name: -1})


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_steps_of_a_pile_without_a_label_are_those_of_its_rows(recipe: Recipe) -> None:
    assert recipe.n_unlabelled_used(0, 5000) == 5000  # nothing to limit them by
    assert recipe.copies_of_labelled(0, 5000) == 1
    per_batch = 32 if recipe.labelled_share else 64
    assert recipe.n_steps(0, 5000) == math.ceil(3 * 5000 / per_batch)
    assert recipe.looks(0, 5000) == math.inf
    assert replace(recipe, unlabelled_per_labelled=0.0).n_unlabelled_used(0, 5000) == 0


def test_class_names_take_part_in_no_recipe_of_the_paper() -> None:
    learning = {name for name, recipe in RECIPES.items() if recipe.name_rows_weight}
    assert learning == {"default", "bert-tuned"}
    with pytest.raises(ValueError, match=r"^name_rows_weight=-1"):
        DEFAULT.with_settings({"name_rows_weight": "-1"})


def test_every_field_explains_itself() -> None:
    assert all(field.metadata["help"] for field in fields(Recipe))
