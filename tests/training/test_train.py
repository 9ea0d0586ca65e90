"""train(): reproducible, validated, and each recipe as it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ganbert.data.corpus import Corpus, corpus_of_texts
from ganbert.errors import InputError, RunError
from ganbert.predict.predictor import Predictor
from ganbert.runtime import choose_compute
from ganbert.training.recipe import BERT, CODE, DEFAULT, PAPER, Recipe
from ganbert.training.report import PANELS, TrainingResult
from ganbert.training.train import train
from ganbert.training.trainer import GanBertTrainer
from tests.conftest import NAMES, toy_corpus


@pytest.fixture
def run(tiny_encoder: str, tmp_path: Path) -> Callable[..., TrainingResult]:
    def run(recipe: Recipe, corpus: Corpus | None = None, name: str = "model", **given: Any) -> TrainingResult:
        recipe = recipe if recipe.max_steps else replace(recipe, max_steps=6)
        options: dict[str, Any] = {"encoder": tiny_encoder, "progress": False, "say": lambda message: None, **given}
        return train(
            replace(recipe, batch_size=16, looks_needed=0.0), corpus or toy_corpus(), tmp_path / name, **options
        )

    return run


def weights(result: TrainingResult) -> bytes:
    return (result.output / "model.safetensors").read_bytes()


@pytest.mark.parametrize("recipe", [DEFAULT, PAPER, CODE, BERT], ids=["default", "paper", "code", "bert"])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    run: Callable[..., TrainingResult], recipe: Recipe
) -> None:
    first, second, other = run(recipe, name="a"), run(recipe, name="b"), run(recipe, name="c", seed=1)
    assert weights(first) == weights(second)
    assert weights(first) != weights(other)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_learns_the_toy_task(run: Callable[..., TrainingResult], precision: str) -> None:
    recipe = replace(DEFAULT, max_steps=300, encoder_lr=1e-3, discriminator_lr=1e-2)
    result = run(recipe, toy_corpus(test=60), compute=choose_compute(precision=precision))
    assert result.test is not None
    assert result.test.accuracy > 0.9
    assert result.test.n == 60


def test_a_compiled_model_is_saved_as_any_other(
    run: Callable[..., TrainingResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganbert.training.fit.COMPILE_BACKEND", "eager")  # traced, but not compiled
    recipe = replace(DEFAULT, max_steps=150, encoder_lr=1e-3, discriminator_lr=1e-2, teacher_share=0.0)
    result = run(recipe, toy_corpus(test=60), compiled=True)
    other = run(replace(recipe, max_steps=1), name="other")
    assert load_file(result.output / "model.safetensors").keys() == load_file(other.output / "model.safetensors").keys()
    assert result.test is not None
    assert result.test.accuracy > 0.9


def test_a_recipe_and_its_plain_counterpart_take_the_steps_they_announce(tiny_encoder: str, tmp_path: Path) -> None:
    recipe = replace(PAPER, epochs=1.0, batch_size=16)
    steps = [
        train(
            chosen, toy_corpus(), tmp_path / name, encoder=tiny_encoder, progress=False, say=lambda message: None
        ).steps
        for name, chosen in {"gan": recipe, "plain": recipe.plain()}.items()
    ]
    assert steps == [recipe.n_steps(30, 60)] * 2
    assert steps[0] == 6  # one pass over 30 * 1 + 60 rows in batches of 16


def test_a_plain_run_has_no_fake_class_and_ignores_unlabelled_rows(run: Callable[..., TrainingResult]) -> None:
    alone = toy_corpus(n=30, labelled=30)
    result = run(BERT, toy_corpus(), "with")
    without = run(BERT, alone, "without")
    assert not result.model.config.adversarial
    assert weights(result) == weights(without)


def test_too_few_steps_for_the_labels_are_said_to_be_plain_fine_tuning(tiny_encoder: str, tmp_path: Path) -> None:
    for steps, plain in ((18, True), (19, False)):  # of 16 of 30 labelled rows: 9.6 and 10.1 looks at each
        said: list[str] = []
        recipe = replace(DEFAULT, batch_size=16, max_steps=steps)
        folder = tmp_path / str(steps)
        result = train(recipe, toy_corpus(), folder, encoder=tiny_encoder, progress=False, say=said.append)
        assert result.recipe.uses_unlabelled is not plain
        assert any("each of 30 labelled rows 10 times" in line for line in said) is plain
        assert (result.labelled_shown == pytest.approx(recipe.looks(30, 60))) is plain


def test_all_rows_labelled_is_said_to_be_plain_fine_tuning(run: Callable[..., TrainingResult]) -> None:
    said: list[str] = []
    result = run(DEFAULT, toy_corpus(n=30, labelled=30), say=said.append)
    assert not result.recipe.adversarial
    assert any("plain fine-tuning" in line for line in said)


TEACHER: dict[str, Any] = {"teacher_share": 0.5}


@pytest.mark.parametrize("adversarial", [True, False])
def test_a_student_learns_what_its_teacher_says_of_unlabelled_rows(
    run: Callable[..., TrainingResult], adversarial: bool
) -> None:
    recipe = replace(DEFAULT, adversarial=adversarial, max_steps=300, encoder_lr=1e-3, discriminator_lr=1e-2)
    said: list[str] = []
    result = run(replace(recipe, **TEACHER), toy_corpus(test=60), say=said.append)
    assert result.test is not None
    assert result.test.accuracy > 0.9
    assert result.steps == 300
    records = [json.loads(line) for line in (result.output / "training_log.jsonl").read_text().splitlines()]
    losses = [record["loss_distillation"] for record in records if "loss" in record]
    assert losses
    assert losses[-1] < losses[0]
    assert ("loss_g_unsupervised" in records[0]) == adversarial
    assert any(line.startswith("The first 150 of 300 steps train a teacher on the labelled rows") for line in said)
    assert not (result.output / "teacher").exists()
    alone = run(recipe.plain(), toy_corpus(), "alone")  # 300 steps of 16 labelled rows; teacher and student have 8
    assert result.labelled_shown == pytest.approx(0.5 * alone.labelled_shown)
    untaught = run(replace(recipe, max_steps=150, teacher_share=0.0), toy_corpus(), "untaught")
    assert weights(untaught) != weights(result)


@pytest.mark.parametrize("more", [{}, TEACHER])
def test_the_best_checkpoint_by_validation_is_kept(run: Callable[..., TrainingResult], more: dict[str, Any]) -> None:
    recipe = replace(DEFAULT, max_steps=40, encoder_lr=1e-3, discriminator_lr=1e-2, warmup=0.0, **more)
    result = run(recipe, toy_corpus(labelled=60).hold_out(0.3, 0), compute=choose_compute(precision="float32"))
    records = [json.loads(line) for line in (result.output / "training_log.jsonl").read_text().splitlines()]
    accuracies = [record["eval_accuracy"] for record in records if "eval_accuracy" in record]
    assert len(accuracies) == 10
    held = toy_corpus(labelled=60).hold_out(0.3, 0).validation
    assert held is not None
    measured = Predictor(result.model, result.tokenizer).measure(held).accuracy
    assert measured == pytest.approx(max(accuracies), abs=1e-6)


def test_early_stopping_stops_early(run: Callable[..., TrainingResult]) -> None:
    recipe = replace(DEFAULT, max_steps=50, encoder_lr=0.0, discriminator_lr=0.0)  # never gets better
    result = run(recipe, toy_corpus().hold_out(0.3, 0), early_stopping=2)
    assert result.steps < 50


def test_early_stopping_without_validation_rows_is_refused(run: Callable[..., TrainingResult]) -> None:
    with pytest.raises(InputError, match="early stopping needs validation rows"):
        run(DEFAULT, early_stopping=2)


def test_trackers_of_transformers_are_reported_to(
    run: Callable[..., TrainingResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "tracked"))
    run(DEFAULT, report_to="tensorboard")
    assert list((tmp_path / "tracked").rglob("events.out.tfevents.*"))


def test_long_texts_are_cut_counted_and_said(run: Callable[..., TrainingResult]) -> None:
    said: list[str] = []
    texts = ["cat " * 30, "red", "saw", "dog", "ruby", "the drill"]
    corpus = corpus_of_texts(texts, [0, 1, 2, 0, -100, -100], NAMES)
    result = run(replace(DEFAULT, max_length=10), corpus, say=said.append)
    assert result.n_cut == 1
    assert any("1 of 6 training texts exceed 10 tokens" in line for line in said)
    assert result.tokenizer.model_max_length == 10


def test_the_folder_holds_the_plots_and_they_are_pictures(run: Callable[..., TrainingResult]) -> None:
    result = run(DEFAULT)
    for name in ("losses.png", "health.png"):
        assert (result.output / name).read_bytes().startswith(b"\x89PNG")
    drawn = {name for _, figures in PANELS["losses.png"].values() for name in figures}
    record = json.loads((result.output / "training_log.jsonl").read_text().splitlines()[0])
    assert {"loss_contrastive", "loss_distillation"} <= {name for name in record if name.startswith("loss_")} <= drawn


def test_text_pairs_reach_the_encoder_with_token_types(run: Callable[..., TrainingResult]) -> None:
    texts = ["red cat", "blue dog", "saw", "drill"] * 4
    pairs = ["cat", "saw", "cat", "dog"] * 4
    corpus = corpus_of_texts(texts, [0, 1, 0, 1] * 2 + [-100] * 8, ("a", "b"), pairs)
    result = run(DEFAULT, corpus)
    predictor = Predictor(result.model, result.tokenizer)
    both, swapped = predictor.predict(texts[:1], pairs[:1]), predictor.predict(pairs[:1], texts[:1])
    assert not np.array_equal(both.probabilities, swapped.probabilities)
    with pytest.raises(InputError, match="was trained on pairs of texts"):
        Predictor.load(result.output).predict(texts[:1])


def test_non_finite_values_stop_the_run_name_the_step_and_keep_the_last_checkpoint(
    run: Callable[..., TrainingResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganbert.model import losses

    original, calls = losses.generator_unsupervised_loss, 0

    def broken(logits: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return original(logits) * (float("nan") if calls == 7 else 1.0)

    monkeypatch.setattr(losses, "generator_unsupervised_loss", broken)
    monkeypatch.setattr("ganbert.training.fit.STEPS_PER_CHECKPOINT", 1)
    with pytest.raises(RunError, match=r"step 7: .* no longer a finite number.*The last checkpoint is .*checkpoint-6"):
        run(replace(DEFAULT, max_steps=20))
    checkpoint = tmp_path / "model" / "checkpoint-6"
    from ganbert import GanBertForSequenceClassification

    saved = GanBertForSequenceClassification.from_pretrained(checkpoint)
    assert saved.generator is not None  # a checkpoint is to be continued
    assert all(bool(torch.isfinite(p).all()) for p in saved.parameters())


@pytest.mark.parametrize(
    "recipe", [replace(DEFAULT, labelled_share=1.0), replace(DEFAULT, unlabelled_per_labelled=0.0)]
)
def test_a_recipe_that_leaves_unlabelled_rows_out_is_said_to_be_plain_fine_tuning(
    run: Callable[..., TrainingResult], recipe: Recipe
) -> None:
    said: list[str] = []
    result = run(recipe, say=said.append)
    assert not result.recipe.uses_unlabelled
    assert any("lets no unlabelled row into a batch" in line for line in said)


def test_a_teacher_that_stops_early_counts_the_steps_it_took(run: Callable[..., TrainingResult]) -> None:
    corpus = toy_corpus().hold_out(0.2, 0)
    # Nothing is learned, so the first measurement is never beaten.
    still = replace(DEFAULT, max_steps=40, encoder_lr=0.0, discriminator_lr=0.0)
    result = run(still, corpus, early_stopping=2)
    assert result.steps == 12  # 20 steps each, measured after every second: both stop at the third measurement
    assert result.labelled_shown == pytest.approx(12 * 8 / len(corpus.labelled))


def test_what_is_saved_at_a_signal_is_looked_at_first(
    run: Callable[..., TrainingResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The callback that asks for a checkpoint comes before the one that refuses numbers that are not finite."""

    def stop(trainer: GanBertTrainer, **kwargs: Any) -> None:
        raise RunError(" ".join(type(callback).__name__ for callback in trainer.callback_handler.callbacks))

    monkeypatch.setattr(GanBertTrainer, "train", stop)
    with pytest.raises(RunError, match=r"StopOnSignal .*HealthCallback"):
        run(PAPER)


@pytest.mark.parametrize("seed", [-1, 2**32, 10**30])
def test_a_seed_that_numpy_does_not_take_is_refused_before_anything_is_written(
    run: Callable[..., TrainingResult], tmp_path: Path, seed: int
) -> None:
    with pytest.raises(InputError, match=f"^--seed {seed}: choose a whole number from 0 to 4294967295$"):
        run(BERT, seed=seed)

    assert not (tmp_path / "model").exists()


def test_the_largest_seed_trains_a_teacher_too(run: Callable[..., TrainingResult]) -> None:
    assert run(DEFAULT, seed=2**32 - 1).steps == 6


def test_weights_that_the_last_step_made_infinite_are_not_saved(
    run: Callable[..., TrainingResult], tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="no finite numbers"):
        run(replace(BERT, max_steps=1, encoder_lr=1e300, warmup=0.0))

    assert not (tmp_path / "model" / "model.safetensors").exists()
