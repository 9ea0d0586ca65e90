"""GanBertClassifier keeps to the conventions of scikit-learn."""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from ganbert import GanBertClassifier, InputError, LabelledFolds
from ganbert.errors import InterruptedRunError
from ganbert.runtime import drawn_seed
from ganbert.training.recipe import CODE, DEFAULT, PAPER
from tests.cli.conftest import LEARNS  # also keeps torch to one thread
from tests.conftest import toy_rows

TEXTS = [text for text, _ in toy_rows(36)]
NAMES = [name for _, name in toy_rows(36)]
NUMBERS = [["colour", "animal", "tool"].index(name) for name in NAMES]
SOME_NUMBERS = [number if i < 18 else -1 for i, number in enumerate(NUMBERS)]
SOME: list[Any] = [name if i < 18 else None for i, name in enumerate(NAMES)]

Make = Callable[..., GanBertClassifier]


@pytest.fixture
def make(tiny_encoder: str, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that makes an unfitted classifier of two steps on the tiny encoder, and paints no plots."""
    monkeypatch.setattr("ganbert.training.train.plot_training", lambda *_: None)

    def classifier(**parameters: Any) -> GanBertClassifier:
        small: dict[str, Any] = {"encoder": tiny_encoder, "max_steps": 2, "batch_size": 16, "precision": "float32"}
        small["settings"] = {"looks_needed": 0.0}
        return GanBertClassifier(**(small | parameters))

    return classifier


@pytest.fixture(scope="module")
def fitted(tiny_encoder: str) -> GanBertClassifier:
    """A classifier that has learned the toy classes."""
    given = dict(zip(LEARNS[::2], LEARNS[1::2], strict=True))
    return GanBertClassifier(
        tiny_encoder,
        max_steps=15,
        pooling=given["--pooling"],
        batch_size=int(given["--batch-size"]),
        learning_rate=float(given["--learning-rate"]),
        precision="float32",
        settings={"looks_needed": 0.0, "teacher_share": 0.0},
    ).fit(TEXTS, SOME)


def test_parameters_round_trip_through_get_and_set_and_clone() -> None:
    settings = {"noise": "uniform"}
    values = {
        "encoder": "somewhere",
        "recipe": PAPER,
        "max_steps": 7,
        "seed": 3,
        "epochs": 1.5,
        "batch_size": 8,
        "max_length": 16,
        "learning_rate": 1e-3,
        "pooling": "mean",
        "settings": settings,
        "validation_fraction": 0.2,
        "early_stopping": 3,
        "device": "cpu",
        "precision": "float32",
        "threads": 1,
        "output": "folder",
        "overwrite": True,
        "progress": True,
        "class_names": {"a": "b"},
        "teacher_encoder": "elsewhere",
    }

    made = GanBertClassifier(**values)  # type: ignore[arg-type]

    assert made.get_params() == values
    assert set(values) == set(inspect.signature(GanBertClassifier).parameters)
    assert clone(made).get_params() == values
    assert GanBertClassifier().set_params(**values).get_params() == values
    assert made.settings is settings  # stored, not copied or checked
    assert is_classifier(made)


def test_a_teacher_may_stand_on_another_encoder(make: Make, tiny_encoder: str) -> None:
    taught = make(teacher_encoder=Path(tiny_encoder)).fit(TEXTS, SOME)
    assert taught.result_ is not None
    assert taught.result_.teacher_encoder == tiny_encoder
    with pytest.raises(InputError, match="the teacher's encoder 'nowhere-at-all'"):
        make(teacher_encoder="nowhere-at-all").fit(TEXTS, SOME)
    with pytest.raises(InputError, match=r"^teacher_encoder 'minilm': this recipe has no teacher"):
        make(teacher_encoder="minilm", recipe="bert").fit(TEXTS, SOME)


def test_the_constructor_checks_and_makes_nothing() -> None:
    made = GanBertClassifier(encoder="no such", recipe="no such", max_steps=-1)

    assert vars(made) == GanBertClassifier().get_params() | {"encoder": "no such", "recipe": "no such", "max_steps": -1}


def test_fitting_adds_only_attributes_that_end_in_an_underscore(fitted: GanBertClassifier) -> None:
    added = set(vars(fitted)) - set(fitted.get_params())

    assert {"classes_", "recipe_", "n_steps_"} <= added
    assert all(name.endswith("_") and not name.startswith("_") for name in added)
    assert fitted.n_steps_ == 15
    assert fitted.recipe_.adversarial
    assert not set(vars(clone(fitted))) & added


def test_fit_leaves_parameters_as_they_were_and_returns_the_classifier(make: Make) -> None:
    classifier = make(settings={"dropout": 0.2, "looks_needed": 0.0})
    before = classifier.get_params()

    assert classifier.fit(TEXTS, SOME) is classifier

    assert classifier.get_params() == before
    assert classifier.recipe_.dropout == 0.2
    assert classifier.recipe_.max_steps == 2


@pytest.mark.parametrize("method", ["predict", "predict_proba", "novelty"])
def test_a_classifier_that_is_not_fitted_says_so(method: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(GanBertClassifier(), method)(TEXTS)


def test_it_learns_and_predict_agrees_with_predict_proba(fitted: GanBertClassifier) -> None:
    new, names = zip(*toy_rows(30, first=60), strict=True)

    probabilities = fitted.predict_proba(new)

    assert list(fitted.classes_) == ["animal", "colour", "tool"]
    assert probabilities.shape == (30, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(fitted.predict(new), fitted.classes_[probabilities.argmax(axis=1)])
    assert fitted.score(new, names) == np.mean(fitted.predict(new) == np.array(names)) > 0.6
    novelty = fitted.novelty(new)
    assert novelty is not None
    assert ((novelty > 0) & (novelty < 1)).all()


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (SOME, np.array(["animal"]).dtype),
        (np.array(SOME, dtype=object), np.array(["animal"]).dtype),
        ([name if i < 18 else np.nan for i, name in enumerate(NAMES)], np.array(["animal"]).dtype),
        (pd.Series(SOME, index=range(100, 136)), np.array(["animal"]).dtype),
        (pd.Series(SOME, dtype="string"), np.array(["animal"]).dtype),
        ([10 * n if i < 18 else -1 for i, n in enumerate(NUMBERS)], np.dtype(np.int64)),
        (np.array([10 * n if i < 18 else -1 for i, n in enumerate(NUMBERS)], dtype=np.int8), np.dtype(np.int8)),
        (np.array([10 * n if i < 18 else np.nan for i, n in enumerate(NUMBERS)]), np.dtype(np.float64)),
        ([10 * n if i < 18 else None for i, n in enumerate(NUMBERS)], np.dtype(np.int64)),
    ],
    ids=["None", "object", "nan", "Series", "NA", "-1", "int8", "float", "int or None"],
)
def test_labels_of_all_kinds_give_sorted_classes_of_their_dtype(make: Make, labels: Any, dtype: np.dtype[Any]) -> None:
    classifier = make().fit(TEXTS, labels)

    expected = [0, 10, 20] if dtype.kind in "if" else ["animal", "colour", "tool"]
    assert list(classifier.classes_) == expected
    assert classifier.classes_.dtype == dtype
    assert classifier.predict(TEXTS[:3]).dtype == dtype
    assert classifier.novelty(TEXTS[:3]) is not None  # 18 rows were unlabelled, so there was an adversary


def test_however_no_label_is_written_the_model_is_the_same(make: Make) -> None:
    ways = [[10 * n if i < 18 else missing for i, n in enumerate(NUMBERS)] for missing in (None, -1, float("nan"))]

    results = [make().fit(TEXTS, labels).predict_proba(TEXTS) for labels in ways]

    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_all_rows_labelled_is_plain_fine_tuning(make: Make) -> None:
    with pytest.warns(UserWarning, match="All rows are labelled") as warned:
        classifier = make().fit(TEXTS, NAMES)

    assert classifier.fallback_ == str(warned[0].message)
    assert not classifier.recipe_.adversarial
    assert classifier.novelty(TEXTS) is None


def test_texts_of_all_kinds_are_read_alike(fitted: GanBertClassifier) -> None:
    expected = fitted.predict_proba(TEXTS)

    for texts in (
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS, dtype=object).reshape(-1, 1),
        pd.Series(TEXTS, index=range(5, 41)),
        pd.Series(TEXTS, dtype="string"),
        pd.DataFrame({"text": TEXTS}),
    ):
        np.testing.assert_array_equal(fitted.predict_proba(texts), expected)  # type: ignore[arg-type]
    assert fitted.predict([]).shape == (0,)
    assert fitted.predict(["", "red"]).shape == (2,)  # one prediction for each row, whatever it holds


def test_pairs_of_texts_are_read_alike(make: Make) -> None:
    pairs = list(zip(TEXTS, reversed(TEXTS), strict=True))
    frame = pd.DataFrame(pairs, columns=["question", "answer"], index=range(5, 41))

    classifier = make().fit(pairs, SOME)

    expected = classifier.predict_proba(pairs)
    other = [(text, TEXTS[0]) for text in TEXTS]
    assert np.abs(expected - classifier.predict_proba(other)).max() > 1e-4  # the second text counts
    with pytest.raises(ValueError, match="X holds single ones, and this classifier was trained on pairs"):
        classifier.predict_proba(TEXTS)
    nothing: Any
    for nothing in ([], np.array([]), frame[:0]):
        assert classifier.predict_proba(nothing).shape == (0, 3)
        assert classifier.predict(nothing).dtype == classifier.classes_.dtype
    for same in (np.array(pairs, dtype=object), [list(pair) for pair in pairs], frame):
        np.testing.assert_array_equal(classifier.predict_proba(same), expected)  # type: ignore[arg-type]
    assert classifier.score(frame, SOME) == classifier.score(pairs, SOME)  # type: ignore[arg-type]
    np.testing.assert_array_equal(make().fit(frame, SOME).predict_proba(pairs), expected)  # type: ignore[arg-type]


def test_score_leaves_unlabelled_rows_out(fitted: GanBertClassifier) -> None:
    right = list(fitted.predict(TEXTS[:4]))
    wrong = next(name for name in fitted.classes_ if name != right[3])

    assert fitted.score(TEXTS[:4], [*right[:2], None, wrong]) == pytest.approx(2 / 3)
    assert fitted.score(TEXTS[:4], [*right[:2], np.nan, wrong], sample_weight=[1, 1, 9, 2]) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no label"):
        fitted.score(TEXTS[:2], [None, None])
    with pytest.raises(ValueError, match="X has 2 texts and y has 1 labels"):
        fitted.score(TEXTS[:2], right[:1])


def test_weights_matter_equal_ones_do_not_and_rows_of_weight_0_are_absent(make: Make) -> None:
    def probabilities(texts: list[str], labels: list[Any], weights: Any = None) -> Any:
        classifier = make(max_steps=8, learning_rate=1e-2, settings={"looks_needed": 0.0, "dropout": 0.0})
        return classifier.fit(texts, labels, sample_weight=weights).predict_proba(TEXTS)

    plain = probabilities(TEXTS, SOME)

    np.testing.assert_array_equal(probabilities(TEXTS, SOME, np.full(36, 2.5)), plain)
    animals = np.array([50.0 if name == "animal" else 1.0 for name in NAMES])
    assert (probabilities(TEXTS, SOME, animals) - plain)[:, 0].mean() > 0.1
    absent = np.array([1.0, 0.0] * 18)
    rest = probabilities(TEXTS[::2], SOME[::2])
    np.testing.assert_array_equal(probabilities(TEXTS, SOME, absent), rest)
    assert np.abs(rest - plain).max() > 1e-4


def test_cross_validation_hands_weights_on(make: Make) -> None:
    scores = cross_val_score(
        make(), TEXTS, SOME, cv=LabelledFolds(2), params={"sample_weight": np.arange(36)}, error_score="raise"
    )
    assert len(scores) == 2


@pytest.mark.parametrize("seed", [-1, 2**32, "seven", 1.5])
def test_a_seed_that_is_none_is_a_value_error(make: Make, seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed|Cannot|cannot"):
        make(seed=seed).fit(TEXTS, SOME)


def test_a_seed_may_be_whatever_a_random_state_is_elsewhere() -> None:
    for make_state in (np.random.RandomState, np.random.default_rng):
        state, same = make_state(3), make_state(3)
        first, second = drawn_seed(state), drawn_seed(state)
        assert first != second
        assert [drawn_seed(same), drawn_seed(same)] == [first, second]
    assert len({drawn_seed(None) for _ in range(5)}) == 5
    assert drawn_seed(np.int64(7)) == 7


def test_each_fit_with_none_for_a_seed_is_another_and_says_which(make: Make) -> None:
    a, b = make(seed=None).fit(TEXTS, SOME), make(seed=None).fit(TEXTS, SOME)

    assert a.seed_ != b.seed_
    assert np.abs(a.predict_proba(TEXTS) - b.predict_proba(TEXTS)).max() > 1e-4
    again = make(seed=a.seed_).fit(TEXTS, SOME)
    np.testing.assert_array_equal(a.predict_proba(TEXTS), again.predict_proba(TEXTS))


def test_the_random_numbers_of_the_program_go_on_as_if_nothing_had_been_fitted(make: Make) -> None:
    def numbers() -> list[float]:
        return [random.random(), float(np.random.rand()), float(torch.rand(()))]

    def sow() -> None:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)

    sow()
    expected = numbers()
    sow()
    make(seed=2**32 - 1).fit(TEXTS, SOME)  # the teacher's seed is above that

    assert numbers() == expected


def test_the_seed_decides_everything(make: Make) -> None:
    a, b, c = (make(seed=seed).fit(TEXTS, SOME).predict_proba(TEXTS) for seed in (5, 5, 6))

    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-4


def test_fitting_again_begins_anew(make: Make) -> None:
    classifier = make().fit(TEXTS, [*NUMBERS[:18], *[-1] * 18])

    classifier.fit(TEXTS, SOME)

    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), make().fit(TEXTS, SOME).predict_proba(TEXTS))
    assert list(classifier.classes_) == ["animal", "colour", "tool"]


def test_a_fit_that_fails_leaves_the_classifier_as_it_was(fitted: GanBertClassifier) -> None:
    classifier, expected = copy.copy(fitted), fitted.predict(TEXTS)

    with pytest.raises(ValueError, match="/nowhere/at/all"):
        classifier.set_params(encoder="/nowhere/at/all").fit(TEXTS, NUMBERS)

    np.testing.assert_array_equal(classifier.predict(TEXTS), expected)


def test_nothing_is_said_without_progress_and_something_with_it(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    classifier = make(validation_fraction=0.3).fit(TEXTS, SOME)
    classifier.predict(TEXTS)

    assert capfd.readouterr() == ("", "")
    make(progress=True).fit(TEXTS, SOME)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Training on cpu" in captured.err
    assert "2/2" in captured.err or "1/1" in captured.err  # a bar


def test_texts_that_are_cut_or_unknown_are_counted_and_told(make: Make) -> None:
    long = " ".join(["red"] * 40)

    with pytest.warns(UserWarning, match="1 of 36 training texts exceed 16 tokens and were cut"):
        classifier = make(max_length=16).fit([*TEXTS[:-1], long], SOME)

    assert classifier.n_cut_ == 1
    with pytest.warns(UserWarning, match="2 of 3 texts exceed 16 tokens and were cut"):
        classifier.predict([long, "red", long])
    with pytest.warns(UserWarning, match="1 of 2 texts are mostly tokens that the encoder does not know"):
        classifier.predict(["xyzzy plugh", "red"])


def test_what_is_almost_surely_a_slip_is_told_in_words_of_python(make: Make) -> None:
    names = {"animal": "None", "tool": "Colour "}
    labels = [None if name is None else names.get(name, name) for name in SOME]

    with pytest.warns(UserWarning, match=r"like any other|look alike") as warned:
        make().fit(TEXTS, labels)

    assert sorted(str(warning.message) for warning in warned) == [
        "'None' (6 rows) is a class like any other: if it means that there is no label, "
        "say so with None in place of 'None'",
        "labels that look alike are separate classes: 'Colour' (6 rows), 'colour' (6 rows)",
    ]


def test_it_stands_at_the_end_of_a_pipeline(make: Make) -> None:
    def shout(texts: list[str]) -> list[str]:
        return [text.upper() for text in texts]

    pipeline = Pipeline([("shout", FunctionTransformer(shout)), ("classify", make())])
    pipeline.set_params(classify__max_steps=1).fit(TEXTS, SOME)

    assert pipeline.named_steps["classify"].n_steps_ == 1
    np.testing.assert_array_equal(
        pipeline.predict_proba(TEXTS), pipeline.named_steps["classify"].predict_proba(shout(TEXTS))
    )
    assert list(pipeline.classes_) == ["animal", "colour", "tool"]


def test_cross_validation_takes_unlabelled_rows(make: Make) -> None:
    labels = np.array([n if i < 18 else -1 for i, n in enumerate(NUMBERS)])

    scores = cross_val_score(make(), TEXTS, labels, cv=3, error_score="raise")

    # StratifiedKFold: 6 labelled rows of each fold, and only they are scored.
    np.testing.assert_allclose(scores * 6, np.round(scores * 6), atol=1e-9)
    assert len(scores) == 3


def test_a_grid_search_goes_over_max_steps(make: Make) -> None:
    search = GridSearchCV(make(recipe="bert"), {"max_steps": [1, 3]}, cv=2, error_score="raise").fit(TEXTS, NUMBERS)

    assert search.best_params_["max_steps"] in (1, 3)
    assert search.best_estimator_.n_steps_ == search.best_params_["max_steps"]
    assert search.predict(TEXTS).shape == (36,)


def test_joblib_brings_back_the_same_classifier(fitted: GanBertClassifier, tmp_path: Path) -> None:
    joblib.dump(fitted, tmp_path / "classifier.joblib")

    loaded = joblib.load(tmp_path / "classifier.joblib")

    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    np.testing.assert_array_equal(loaded.novelty(TEXTS), fitted.novelty(TEXTS))
    assert loaded.get_params() == fitted.get_params()


def test_output_keeps_the_model_folder(make: Make, tmp_path: Path) -> None:
    make(output=tmp_path / "model").fit(TEXTS, SOME)

    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_a_model_in_the_output_is_replaced_only_if_told_to(make: Make, tmp_path: Path) -> None:
    classifier = make(output=tmp_path / "model").fit(TEXTS, SOME)
    weights = (tmp_path / "model" / "model.safetensors").read_bytes()

    with pytest.raises(InputError, match="model: holds a model or a run: give another output, or overwrite=True"):
        classifier.fit(TEXTS, SOME)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == weights

    classifier.set_params(overwrite=True, seed=9).fit(TEXTS, SOME)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() != weights
    opened = GanBertClassifier.from_folder(tmp_path / "model", precision="float32")
    np.testing.assert_array_equal(opened.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


def test_validation_and_early_stopping_are_those_of_train(make: Make) -> None:
    still = {"discriminator_lr": 0.0, "encoder_lr": 0.0}

    with pytest.warns(UserWarning, match=r"More steps \(max_steps\) or settings looks_needed=0 use them"):
        classifier = make(max_steps=5, validation_fraction=0.3, early_stopping=1, settings=still).fit(TEXTS, SOME)

    assert classifier.n_steps_ == 2
    assert "plain fine-tuning" in str(classifier.fallback_)


@pytest.mark.parametrize(("recipe", "expected"), [("code", CODE), (CODE, CODE), ("default", DEFAULT)])
def test_a_recipe_is_named_or_given(make: Make, recipe: Any, expected: Any) -> None:
    recipe_ = make(recipe=recipe).fit(TEXTS, SOME).recipe_

    assert set(recipe_.changes_from(expected)) <= {"max_steps", "batch_size", "looks_needed"}


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (TEXTS, NAMES[:-1], "X has 36 texts and y has 35 labels"),
        (TEXTS, ["animal"] * 36, "at least two"),
        (TEXTS, ["animal", *[None] * 35], "at least two"),
        (TEXTS, [None] * 36, "at least two"),
        ([*TEXTS[:-1], 3], SOME, "X, row 35: int is not a text"),
        ([*TEXTS[:-1], None], SOME, "X, row 35: NoneType is not a text"),
        ([[1, 2]] * 36, SOME, "X, row 0: int is not a text"),
        ([("a", "b", "c")] * 36, SOME, "one or two"),
        ([("a", "b")] * 35 + [("a",)], SOME, "one or two"),
        ("one text", ["animal"], "X is one string"),
        ([*TEXTS[:-1], " "], SOME, "X, row 35: empty text"),
        (TEXTS, None, "y is None"),
        (TEXTS, [1, "1", 2] * 12, "y mixes numbers"),
    ],
)
def test_wrong_data_is_a_value_error(make: Make, texts: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make().fit(texts, labels)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"recipe": "best"}, "recipe='best'"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"pooling": "max"}, "pooling='max'"),
        ({"settings": {"noize": "uniform"}}, "noize"),
        ({"early_stopping": 2}, "validation_fraction"),
        ({"encoder": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"encoder": Path("/nowhere/at/all")}, "/nowhere/at/all"),
        ({"device": "abacus"}, "^device 'abacus'"),  # not --device
        ({"threads": 0}, "^threads 0"),
        ({"validation_fraction": 1.5}, "validation_fraction=1.5"),
        ({"validation_fraction": 0.2, "early_stopping": 0}, "early_stopping=0"),
        ({"validation_fraction": 0.01}, "^validation_fraction 0.01 holds out no row"),
    ],
)
def test_wrong_parameters_are_a_value_error_of_fit(
    make: Make, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(TEXTS, SOME)


def test_numbers_of_numpy_are_taken_for_numbers(make: Make) -> None:
    search = GridSearchCV(
        make(recipe="bert", seed=np.int64(1)), {"max_steps": np.arange(1, 3)}, cv=2, error_score="raise"
    )
    assert search.fit(TEXTS, NAMES).best_params_["max_steps"] in (1, 2)


def test_ctrl_c_ends_a_search_and_not_only_one_of_its_fits(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def interrupted(*_: Any, **__: Any) -> None:
        begun.append(1)
        raise InterruptedRunError("stopped", 2)

    monkeypatch.setattr("ganbert.sklearn.estimator.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cross_val_score(make(), TEXTS, NAMES, cv=3)
    assert len(begun) == 1


# What classes are called


def test_classes_that_only_their_names_make_are_among_those_it_predicts(make: Make) -> None:
    names = {"animal": "a cat", "plant": ["an oak", "a rose"]}

    fitted = make(class_names=names).fit(TEXTS, SOME)

    assert fitted.classes_.tolist() == ["animal", "colour", "plant", "tool"]
    assert fitted.predict_proba(TEXTS).shape == (36, 4)
    assert fitted.model_.config.class_names == [["a cat"], [], ["an oak", "a rose"], []]
    assert fitted.class_names is names


def test_names_of_numbered_classes_and_of_none_but_named_ones(make: Make) -> None:
    numbers = make(class_names={2: "a hammer", 7: "an oak"}).fit(TEXTS, SOME_NUMBERS)
    assert numbers.classes_.tolist() == [0, 1, 2, 7]
    assert numbers.model_.config.class_names == [[], [], ["a hammer"], ["an oak"]]

    alone = make(class_names={"colour": "red", "animal": "a cat"}).fit(TEXTS, [None] * len(TEXTS))
    assert alone.classes_.tolist() == ["animal", "colour"]
    assert set(alone.predict(TEXTS)) <= {"animal", "colour"}


def test_names_are_taken_from_labels_only_on_request(make: Make) -> None:
    assert make().fit(TEXTS, SOME).model_.config.class_names is None
    assert make(class_names="auto").fit(TEXTS, SOME).model_.config.class_names == [["animal"], ["colour"], ["tool"]]


@pytest.mark.parametrize(
    ("names", "y", "problem"),
    [
        ({"a": 5}, SOME, "class_names: label 'a': '5' is no text"),
        ({7: "an oak"}, SOME, "class_names and y have labels of different types: y mixes text"),
        ({-1: "nothing"}, SOME_NUMBERS, "class_names: -1 means no label"),
        ({"animal": "a cat"}, [None] * 36, r"y holds 1 class\(es\)"),
    ],
)
def test_names_that_do_not_fit_the_labels_are_refused(make: Make, names: Any, y: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make(class_names=names).fit(TEXTS, y)


def test_pairs_without_a_label_are_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="y holds no label: class names help single texts only"):
        make(class_names={"a": "x", "b": "y"}).fit([[text, text] for text in TEXTS], [None] * 36)


def test_names_go_with_sample_weights(make: Make) -> None:
    weights = [2.0 if i % 2 else 1.0 for i in range(36)]
    fitted = make(class_names={"plant": "an oak"}).fit(TEXTS, SOME, weights)
    assert "plant" in fitted.classes_


def test_names_come_back_with_a_saved_classifier(make: Make, tmp_path: Path) -> None:
    fitted = make(class_names={2: "a hammer", np.int64(7): ["an oak"]}).fit(TEXTS, SOME_NUMBERS)
    fitted.save(tmp_path / "model")

    opened = GanBertClassifier.from_folder(tmp_path / "model", precision="float32")

    assert opened.classes_.tolist() == [0, 1, 2, 7]
    assert opened.class_names == {"2": "a hammer", "7": ["an oak"]}
    np.testing.assert_array_equal(opened.fit(TEXTS, SOME_NUMBERS).predict_proba(TEXTS), fitted.predict_proba(TEXTS))
