"""A detached game: the fake class learns, and everything else is trained bit for bit as if there were no game."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ganbert import Predictor
from ganbert.errors import InterruptedRunError
from ganbert.runtime import choose_compute
from ganbert.training.recipe import DEFAULT, PAPER, Recipe
from ganbert.training.report import TrainingResult
from ganbert.training.train import train
from tests.conftest import toy_corpus
from tests.model.test_modeling import batch, build, gradients

DETACHED = replace(DEFAULT, detached_game=True, max_steps=16, batch_size=16, looks_needed=0.0)


@pytest.fixture
def run(tiny_encoder: str, tmp_path: Path) -> Callable[..., TrainingResult]:
    def run(recipe: Recipe, name: str, corpus: Any = None, **given: Any) -> TrainingResult:
        options: dict[str, Any] = {"encoder": tiny_encoder, "progress": False, "say": lambda message: None, **given}
        return train(recipe, corpus or toy_corpus(), tmp_path / name, **options)

    return run


def weights(result: TrainingResult) -> dict[str, Tensor]:
    return load_file(result.output / "model.safetensors")


@pytest.mark.parametrize(("precision", "validation"), [("float32", True), ("bfloat16", False)])
def test_the_classifier_is_that_of_a_run_without_adversary_bit_for_bit(
    run: Callable[..., TrainingResult], precision: str, validation: bool
) -> None:
    corpus = toy_corpus().hold_out(0.3, 0) if validation else toy_corpus()
    options = {"corpus": corpus, "compute": choose_compute(precision=precision)}
    # High rates and a low limit, so that every network's gradient is clipped: a shared norm would show.
    recipe = replace(DETACHED, encoder_lr=1e-3, discriminator_lr=1e-2, max_grad_norm=0.1)
    with_game = weights(run(recipe, "with", **options))
    without = weights(run(replace(recipe, adversarial=False), "without", **options))

    assert with_game.keys() - without.keys() == {"discriminator.fake_class.weight", "discriminator.fake_class.bias"}
    for name, weight in without.items():
        assert torch.equal(with_game[name], weight), name


def test_the_fake_class_learns_to_tell_texts_from_what_the_generator_invents(
    run: Callable[..., TrainingResult],
) -> None:
    still = replace(DETACHED, teacher_share=0.0, generator_lr=0.0)  # a G that does not get better
    result = run(replace(still, max_steps=60, discriminator_lr=5e-2), "model")
    log = [json.loads(line) for line in (result.output / "training_log.jsonl").read_text().splitlines()]
    records = [record for record in log if "loss" in record]
    assert records[-1]["loss_d_unsupervised"] < 0.8 * records[0]["loss_d_unsupervised"]
    assert records[-1]["p_fake_real"] < 0.5 < records[-1]["p_fake_generated"]
    assert records[-1]["grad_norm_fake_class"] > 0
    novelty = Predictor.load(result.output).predict(["the red cat", "a big saw"]).novelty
    assert novelty is not None
    assert (novelty < 0.5).all()


def test_a_stopped_run_ends_in_the_same_weights(run: Callable[..., TrainingResult]) -> None:
    recipe = replace(DETACHED, teacher_share=0.0)
    whole = run(recipe, "whole")

    def stop(step: int, of: int) -> None:
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRunError):
        run(recipe, "stopped", on_step=stop)
    resumed = run(recipe, "stopped", resume=True)
    found, expected = weights(resumed), weights(whole)
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


# The game is not compiled, and where dynamo goes on after it, it meets a warning that it hides otherwise.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_a_compiled_run_plays_it_too(run: Callable[..., TrainingResult], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganbert.training.fit.COMPILE_BACKEND", "eager")  # traced, but not compiled
    result = run(replace(DETACHED, teacher_share=0.0, max_steps=3), "model", compiled=True)
    assert result.health["p_fake_generated"] > 0


def test_its_losses_move_the_fake_class_and_the_generator_alone() -> None:
    model, inputs = build(detached_game=True, real_term="all"), batch()
    output = model(**inputs)
    fake_class = model.discriminator.fake_class
    assert fake_class is not None
    assert gradients(model, output.loss_d_unsupervised) == {
        "encoder": False,
        "discriminator": True,
        "generator": False,
    }
    moved = [name for name, p in model.discriminator.named_parameters() if p.grad is not None]
    assert moved == ["fake_class.weight", "fake_class.bias"]
    of_g = model(**inputs)
    assert gradients(model, of_g.loss_g_unsupervised + of_g.loss_g_feature_matching) == {
        "encoder": False,
        "discriminator": False,
        "generator": True,
    }


def test_each_batch_has_noise_of_its_own_and_none_of_it_is_the_global_one() -> None:
    model, inputs = build(detached_game=True, dropout=0.0), batch()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = model(**inputs).generated_logits, model(**inputs).generated_logits
    assert not torch.equal(first, second)
    for dropout in model.encoder.modules():
        assert not isinstance(dropout, torch.nn.Dropout) or dropout.p == 0.1
    model.eval()
    torch.manual_seed(5)
    model(**inputs)
    assert torch.equal(torch.rand(3), expected)


def test_a_game_that_moves_everything_and_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="detached_game=True: must be false with joint"):
        replace(PAPER, detached_game=True, joint=True)
    with pytest.raises(ValueError, match="joint=True and detached_game=True"):
        build(detached_game=True, joint=True)
