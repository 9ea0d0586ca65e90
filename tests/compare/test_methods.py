"""Methods: equal steps, honest counts, and predictions for every row that is measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from sklearn.metrics import f1_score

from ganbert.compare.conditions import Conditions, Outcome
from ganbert.compare.methods import METHODS, FineTuning, method_named
from ganbert.compare.row_sources import TableRows
from ganbert.compare.runs import Run, confusion, what_is_wrong
from ganbert.compare.splits import Split, few_label_split
from ganbert.compare.store import unpack
from ganbert.data.class_names import ClassNames
from ganbert.errors import InputError
from ganbert.runtime import choose_compute
from ganbert.training.recipe import OF_UNLABELLED_ROWS
from tests.compare.test_comparison import NoRows
from tests.conftest import toy_rows

FINE_TUNED = ["bert", "bert-code", "gan-bert", "gan-bert-code", "joint", "bert-tuned", "default", "default-plain"]


@pytest.fixture
def split() -> Split:
    train, test = (
        Dataset.from_dict({"text": [text for text, _ in rows], "label": [name for _, name in rows]})
        for rows in (toy_rows(90), toy_rows(30, first=90))
    )
    return few_label_split(train, test, 24, seed=0)


@pytest.fixture
def conditions(tiny_encoder: str) -> Conditions:
    return Conditions(tiny_encoder, 0, choose_compute("cpu", "float32", 1), max_length=16, epochs=2, learning_rate=0.01)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "setfit"])
def test_every_method_predicts_all_rows(name: str, split: Split, conditions: Conditions) -> None:
    outcome = METHODS[name].run(split, conditions)
    assert outcome.probabilities.shape == (len(split.test), 3)
    np.testing.assert_allclose(outcome.probabilities.sum(axis=1), 1, atol=1e-5)
    assert outcome.seconds > 0


def test_fine_tunes_take_equally_many_steps(split: Split, conditions: Conditions) -> None:
    expected = conditions.n_steps(split)
    assert expected == 3  # ceil(2 epochs * 90 rows / 64)
    assert {METHODS[name].run(split, conditions).steps for name in FINE_TUNED} == {expected}


def test_the_papers_baseline_takes_equally_many_epochs(split: Split, conditions: Conditions) -> None:
    outcome = METHODS["bert-epochs"].run(split, conditions)
    assert (outcome.steps, outcome.labelled_shown) == (2, 2.0)  # 24 labelled rows are a batch
    smaller = method_named("bert-epochs:batch_size=10").run(split, conditions)
    assert smaller.steps == 5  # ceil(2 * 24 / 10)
    assert smaller.labelled_shown >= 2


def settings_of(outcome: Outcome) -> dict[str, object]:
    beyond = {"adversarial", "contrastive_weight"}  # what makes it more than a fine-tune
    return {k: v for k, v in outcome.recipe.items() if k not in OF_UNLABELLED_ROWS | beyond}


@pytest.mark.parametrize(
    "name", ["gan-bert", "gan-bert-code", "joint", "default:looks_needed=0", "gan-bert:encoder_lr=0.1+noise=uniform"]
)
def test_the_baseline_takes_its_settings_from_the_method_beside_it(
    name: str, split: Split, conditions: Conditions
) -> None:
    method = method_named(name)
    beside, baseline = method.run(split, conditions), method_named(method.baselines[0]).run(split, conditions)
    assert settings_of(beside) == settings_of(baseline)
    assert beside.steps == baseline.steps
    assert (beside.recipe.get("adversarial", True), baseline.recipe["adversarial"]) == (True, False)


@pytest.mark.parametrize(
    ("name", "baselines"),
    [
        ("gan-bert:noise=uniform+labelled_share=0.5", ("bert",)),
        ("gan-bert:max_steps=30+noise=uniform", ("bert:max_steps=30",)),
        ("gan-bert-code:pooling=mean", ("bert-code:pooling=mean",)),
        ("bert:pooling=mean", ()),
        (
            "default:contrastive_weight=3+teacher_share=0.2+encoder_lr=1e-4",
            ("bert-tuned:encoder_lr=1e-4", "default-plain:contrastive_weight=3+encoder_lr=1e-4"),
        ),
    ],
)
def test_a_variant_is_measured_against_a_plain_one_of_the_same_settings(name: str, baselines: tuple[str, ...]) -> None:
    assert method_named(name).baselines == baselines


def test_epochs_after_the_name_set_the_steps(split: Split, conditions: Conditions) -> None:
    outcome = method_named("bert:epochs=4").run(split, conditions)
    assert (outcome.steps, outcome.recipe["epochs"]) == (6, 4.0)  # ceil(4 epochs * 90 rows / 64)


def test_what_a_method_falls_back_to_is_said(split: Split, conditions: Conditions) -> None:
    labelled = replace(split, corpus=replace(split.corpus, train=split.corpus.train.select(split.corpus.labelled)))
    outcome = METHODS["gan-bert"].run(labelled, conditions)
    assert outcome.fallback is not None
    assert outcome.fallback.startswith("All rows are labelled")
    assert outcome.recipe["adversarial"] is False
    assert METHODS["bert"].run(labelled, conditions).fallback is None
    few_steps = METHODS["default"].run(split, conditions).fallback
    assert few_steps is not None
    assert "3 times" in few_steps
    assert few_steps.endswith("More steps (--max-steps) or :looks_needed=0 after the method's name use them.")
    assert METHODS["gan-bert"].run(split, conditions).fallback is None


def test_steps_are_told_as_they_are_taken(split: Split, conditions: Conditions) -> None:
    told: list[tuple[int, int]] = []
    watched = replace(conditions, on_step=lambda step, steps: told.append((step, steps)))
    method_named("default:looks_needed=0+max_steps=4").run(split, watched)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]  # the teacher's two and the student's two


def test_a_teacher_of_another_encoder_is_that_of_the_methods_that_have_one(
    split: Split, conditions: Conditions
) -> None:
    other = replace(conditions, teacher_encoder="nowhere-at-all")
    for name in ("bert-tuned", "gan-bert", "default"):  # of which the last falls back to labelled rows
        plain, found = (METHODS[name].run(split, of) for of in (conditions, other))
        np.testing.assert_array_equal(found.probabilities, plain.probabilities)
    with pytest.raises(InputError, match="the teacher's encoder 'nowhere-at-all'"):
        method_named("default:looks_needed=0").run(split, other)


def test_a_run_says_its_teacher_s_encoder_only_where_it_has_another_one() -> None:
    plain, other = (Run(NoRows(), "default", "1%", 0, teacher_encoder=name) for name in (None, "large"))
    assert plain.identity["settings"] == {}
    assert other.identity["settings"] == {"teacher_encoder": "large"}
    assert plain.key != other.key


def test_the_paper_s_rate_of_the_task_is_taken(split: Split, conditions: Conditions) -> None:
    recipe = METHODS["gan-bert"].run(split, conditions).recipe
    assert recipe["encoder_lr"] == recipe["discriminator_lr"] == recipe["generator_lr"] == 0.01
    assert METHODS["default"].run(split, conditions).recipe["encoder_lr"] == 5e-5


def test_tokens_and_looks_at_labelled_rows_are_counted(split: Split, conditions: Conditions) -> None:
    outcome = METHODS["bert"].run(split, conditions)  # each step shows every labelled row once
    lengths = [2 + len(text.split()) for text in split.corpus.train.select(split.corpus.labelled)["text"]]
    assert outcome.labelled_shown == outcome.steps
    assert outcome.tokens == outcome.steps * sum(lengths)
    played = method_named("default:looks_needed=0").run(split, conditions)
    assert played.tokens is not None
    assert played.tokens > 0
    assert {"p_fake_real", "p_fake_generated"} <= set(played.health)


def test_settings_after_the_name_change_the_recipe(split: Split, conditions: Conditions) -> None:
    outcome = method_named("gan-bert:noise=uniform+max_steps=3").run(split, conditions)
    assert (outcome.recipe["noise"], outcome.steps) == ("uniform", 3)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("bart", "no method 'bart': choose among bert-epochs"),
        ("bert:noise", "write its settings as bert:noise=uniform"),
        ("bert:noise=pink", "noise='pink'"),
        ("bert:colour=red", "'colour' is no field"),
        ("tfidf:noise=uniform", "tfidf has no recipe to change"),
    ],
)
def test_what_is_no_method_is_refused(name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        method_named(name)


def test_confusions_are_counted() -> None:
    assert confusion(np.array([0, 0, 1, -1, 0]), np.array([0, 1, 1, 0, 0])) == [
        [-1, 0, 1],
        [0, 0, 2],
        [0, 1, 1],
        [1, 1, 1],
    ]


def test_baselines_of_all_methods_are_fine_tunes_of_labelled_rows() -> None:
    for method in METHODS.values():
        runs = [METHODS[name].run for name in method.baselines]
        assert all(isinstance(run, FineTuning) and not run.recipe.uses_unlabelled for run in runs)


@dataclass(frozen=True)
class UnseenClasses(NoRows):
    """Rows of which two classes have no label."""

    def class_names(self) -> ClassNames:
        return {}

    def split(self, budget: str, seed: int, **how: object) -> Split:
        train = Dataset.from_dict(
            {"text": [f"red {i}" if i % 2 else f"blue {i}" for i in range(20)], "label": ["b", "r"] * 10}
        )
        test = Dataset.from_dict(
            {"text": ["red", "blue", "blue x", "y", "z"], "label": ["r", "b", "new", "new", "newer"]}
        )
        return few_label_split(train, test, 20, seed)


def test_each_class_without_a_labelled_row_counts_in_macro_f1(tiny_encoder: str) -> None:
    record = Run(UnseenClasses(), "tfidf", "20", 0, tiny_encoder)()
    assert record["unseen"] == {"new": 2, "newer": 1}
    names = record["classes_by_id"]
    # Which of them a row of a class without a label is does not matter to F1: it is wrong anyway.
    unseen = iter(["new", "new", "newer"])
    pairs = [
        (names[truth] if truth >= 0 else next(unseen), names[predicted])
        for truth, predicted, n in record["confusion"]
        for _ in range(n)
    ]
    assert record["macro_f1"] == pytest.approx(f1_score(*zip(*pairs, strict=True), average="macro", zero_division=0))


def test_methods_that_use_no_seed_do_the_same_with_all(tiny_encoder: str, toy_table: Callable[..., Path]) -> None:
    test = toy_table(n=30, labelled=30, name="test.csv", first=90)
    source = TableRows((toy_table(n=90, labelled=40),), test=test)
    for method in (name for name, method in METHODS.items() if method.deterministic):
        one, other = (Run(source, method, "100%", seed, tiny_encoder, threads=1)() for seed in (0, 1))
        assert one["any_seed"] is True
        assert one["predicted"] == other["predicted"]
        assert one["split_hash"] != other["split_hash"]
    assert Run(source, "tfidf", "20", 0, tiny_encoder)()["any_seed"] is False
    assert Run(source, "bert", "100%", 0, tiny_encoder, max_steps=1, threads=1)()["any_seed"] is False


def test_a_record_holds_what_was_predicted_of_each_row(tiny_encoder: str) -> None:
    record = Run(UnseenClasses(), "tfidf", "20", 0, tiny_encoder)()
    truth, predicted = unpack(record["truth"]), unpack(record["predicted"])
    assert truth.tolist() == [1, 0, 2, 2, 3]
    assert (truth == predicted).mean() == record["accuracy"]
    assert what_is_wrong(record) is None
    assert what_is_wrong({**record, "ece": "small"}) == "no 'ece', or not as it is written here"


def test_runs_of_one_seed_repeat(tiny_encoder: str, toy_table: Callable[..., Path]) -> None:
    run = Run(TableRows((toy_table(n=90, labelled=40),)), "default", "100%", 2, tiny_encoder, max_steps=5, threads=1)
    first, again = run(), run()
    timed = {"seconds", "seconds_in_all", "rows_per_second"}
    assert {k: v for k, v in first.items() if k not in timed} == {k: v for k, v in again.items() if k not in timed}
