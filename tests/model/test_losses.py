"""Each loss against figures worked out independently, in float64 NumPy, from the probabilities of the paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ganbert.model import losses

Array = NDArray[Any]
RELATIVE = 1e-5


def log_softmax(logits: Array) -> Array:
    logits = logits.astype(np.float64)
    highest = logits.max(axis=1, keepdims=True)
    result: Array = logits - highest - np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
    return result


def log_one_minus_fake(logits: Array) -> Array:
    """log(1 - p(k+1)) = log of the summed probabilities of the k real classes."""
    real = log_softmax(logits)[:, :-1]
    highest = real.max(axis=1)
    result: Array = highest + np.log(np.exp(real - highest[:, None]).sum(axis=1))
    return result


def expected_unsupervised(real: Array, fake: Array, counted: Array) -> float:
    on_real = -log_one_minus_fake(real)[counted].mean() if counted.any() else 0.0
    return float(on_real - log_softmax(fake)[:, -1].mean())


def random_logits(seed: int, scale: float, shape: tuple[int, int]) -> Array:
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


CASES = [(seed, scale) for seed in range(3) for scale in (0.1, 1.0, 10.0, 40.0)]


@pytest.mark.parametrize(("seed", "scale"), CASES)
def test_supervised_loss_is_cross_entropy_over_the_real_classes_of_labelled_rows(seed: int, scale: float) -> None:
    logits = random_logits(seed, scale, (7, 4))
    labels = np.array([0, -100, 2, -100, 1, 1, -100])
    known = labels != -100
    expected = -log_softmax(logits[:, :3])[known, labels[known]].mean()
    actual = losses.discriminator_supervised_loss(torch.tensor(logits[:, :3]), torch.tensor(labels))
    assert float(actual) == pytest.approx(expected, rel=RELATIVE)


@pytest.mark.parametrize(("seed", "scale"), CASES)
def test_weights_multiply_the_terms_of_the_supervised_loss_and_not_their_number(seed: int, scale: float) -> None:
    logits = random_logits(seed, scale, (7, 4))
    labels = np.array([0, -100, 2, -100, 1, 1, -100])
    weights = np.array([0.5, 99.0, 1.5, 0.0, 1.25, 0.75, -3.0])  # those of unlabelled rows count nothing
    known = labels != -100
    expected = -(weights[known] * log_softmax(logits[:, :3])[known, labels[known]]).sum() / 4

    def loss(weights: Any) -> float:
        return float(losses.discriminator_supervised_loss(torch.tensor(logits[:, :3]), torch.tensor(labels), weights))

    assert loss(torch.tensor(weights)) == pytest.approx(expected, rel=RELATIVE)
    assert loss(torch.ones(7)) == pytest.approx(loss(None), rel=RELATIVE)
    assert loss(None) != pytest.approx(expected, rel=RELATIVE)


@pytest.mark.parametrize("real_term", ["all", "unlabelled", "taken_for_fake"])
@pytest.mark.parametrize(("seed", "scale"), CASES)
def test_unsupervised_loss_of_d(seed: int, scale: float, real_term: Any) -> None:
    real, fake = random_logits(seed, scale, (9, 4)), random_logits(seed + 100, scale, (5, 4))
    real[3, -1] = real[3].max() + 1  # at least one unlabelled row that D takes for fake ...
    real[4, -1] = real[4].max() + 1  # ... and one labelled row
    labels = np.array([0, -100, 2, -100, 1, 1, -100, -100, 0])
    counted = {
        "all": np.ones(9, bool),
        "unlabelled": labels == -100,
        "taken_for_fake": (labels == -100) & (real.argmax(axis=1) == 3),
    }[real_term]
    actual = losses.discriminator_unsupervised_loss(
        torch.tensor(real), torch.tensor(fake), torch.tensor(labels != -100), real_term
    )
    assert float(actual) == pytest.approx(expected_unsupervised(real, fake, counted), rel=RELATIVE)


@pytest.mark.parametrize(("seed", "scale"), CASES)
def test_unsupervised_loss_of_g(seed: int, scale: float) -> None:
    fake = random_logits(seed, scale, (6, 5))
    actual = losses.generator_unsupervised_loss(torch.tensor(fake))
    assert float(actual) == pytest.approx(-log_one_minus_fake(fake).mean(), rel=RELATIVE)


@pytest.mark.parametrize(("reduction", "weight"), [("sum", 1.0), ("mean", 1 / 16)])
def test_feature_matching_compares_mean_features(reduction: Any, weight: float) -> None:
    real, fake = random_logits(0, 1.0, (6, 16)), random_logits(1, 3.0, (4, 16))
    expected = ((real.astype(np.float64).mean(0) - fake.astype(np.float64).mean(0)) ** 2).sum() * weight
    actual = losses.feature_matching_loss(torch.tensor(real), torch.tensor(fake), reduction)
    assert float(actual) == pytest.approx(expected, rel=RELATIVE)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_extreme_logits_stay_finite_and_right(classes: int, sign: float) -> None:
    real = np.full((2, classes + 1), -80.0 * sign, np.float32)
    real[:, -1] = 80.0 * sign
    fake = -real
    labels = np.array([-100, 0])
    terms: list[tuple[Any, Array]] = [("all", np.array([True, True])), ("unlabelled", np.array([True, False]))]
    for term, counted in terms:
        logits, generated = torch.tensor(real, requires_grad=True), torch.tensor(fake, requires_grad=True)
        loss = losses.discriminator_unsupervised_loss(logits, generated, torch.tensor(labels != -100), term)
        assert float(loss.detach()) == pytest.approx(
            expected_unsupervised(real, fake, counted), rel=RELATIVE, abs=1e-30
        )
        loss.backward()
        assert logits.grad is not None
        assert generated.grad is not None
        assert torch.isfinite(logits.grad).all()
        assert torch.isfinite(generated.grad).all()
    generator = losses.generator_unsupervised_loss(torch.tensor(fake))
    assert float(generator) == pytest.approx(-log_one_minus_fake(fake).mean(), rel=RELATIVE, abs=1e-30)
    supervised = losses.discriminator_supervised_loss(torch.tensor(real[:, :-1]), torch.tensor(labels))
    assert float(supervised) == pytest.approx(-log_softmax(real[:, :-1])[1, 0], rel=RELATIVE, abs=1e-6)


def test_a_batch_without_labelled_rows_has_supervised_loss_zero_and_gradient_zero() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    loss = losses.discriminator_supervised_loss(logits, torch.full((4,), -100))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros(4, 3))


@pytest.mark.parametrize("real_term", ["unlabelled", "taken_for_fake"])
def test_an_empty_real_term_counts_zero(real_term: Any) -> None:
    real, fake = random_logits(0, 1.0, (3, 4)), random_logits(1, 1.0, (3, 4))
    actual = losses.discriminator_unsupervised_loss(
        torch.tensor(real), torch.tensor(fake), torch.tensor([True, True, True]), real_term
    )
    assert float(actual) == pytest.approx(-log_softmax(fake)[:, -1].mean(), rel=RELATIVE)


def test_losses_are_float32_whatever_comes_in() -> None:
    logits = torch.randn(4, 4, dtype=torch.bfloat16)
    labels = torch.tensor([0, 1, -100, 2])
    values = [
        losses.discriminator_supervised_loss(logits[:, :3], labels),
        losses.discriminator_unsupervised_loss(logits, logits, labels != -100, "all"),
        losses.generator_unsupervised_loss(logits),
        losses.feature_matching_loss(logits, logits + 1, "sum"),
    ]
    assert {value.dtype for value in values} == {torch.float32}


def test_code_recipe_computes_the_tensorflow_formulas() -> None:
    """The authors' code, ganbert.py: probabilities and log(p + 1e-8), fake class first, mean over features."""
    real, fake = random_logits(0, 2.0, (8, 4)), random_logits(1, 2.0, (8, 4))
    real_features, fake_features = random_logits(2, 1.0, (8, 16)), random_logits(3, 1.0, (8, 16))
    labels = np.array([0, -100, 2, -100, 1, 1, -100, -100])
    real_p, fake_p = np.exp(log_softmax(real)), np.exp(log_softmax(fake))
    real_column = 3  # the fake class; column 0 in the authors' code
    expected = {
        "d_unsupervised": -np.mean(np.log(1 - real_p[:, real_column] + 1e-8))
        - np.mean(np.log(fake_p[:, real_column] + 1e-8)),
        "g_unsupervised": -np.mean(np.log(1 - fake_p[:, real_column] + 1e-8)),
        "g_feature_matching": np.mean(
            np.square(real_features.mean(0, dtype=float) - fake_features.mean(0, dtype=float))
        ),
    }
    actual = {
        "d_unsupervised": losses.discriminator_unsupervised_loss(
            torch.tensor(real), torch.tensor(fake), torch.tensor(labels != -100), "all"
        ),
        "g_unsupervised": losses.generator_unsupervised_loss(torch.tensor(fake)),
        "g_feature_matching": losses.feature_matching_loss(
            torch.tensor(real_features), torch.tensor(fake_features), "mean"
        ),
    }
    for name, value in expected.items():
        assert float(actual[name]) == pytest.approx(value, rel=RELATIVE), name


def test_distillation_loss_is_the_weighted_cross_entropy_of_unlabelled_rows() -> None:
    logits = random_logits(0, 3.0, (5, 4))
    targets = np.exp(log_softmax(random_logits(1, 1.0, (5, 4)))) * np.array([[1.0], [0.3], [1.0], [0.0], [1.0]])
    labels = np.array([-100, -100, 2, -100, 0])
    rows = labels == -100
    expected = -(targets * log_softmax(logits))[rows].sum() / rows.sum()
    actual = losses.distillation_loss(torch.tensor(logits), torch.tensor(targets).float(), torch.tensor(~rows))
    assert float(actual) == pytest.approx(expected, rel=RELATIVE)


def test_supervised_contrastive_loss_asks_for_a_near_row_of_the_same_class() -> None:
    h = random_logits(2, 1.0, (6, 8))
    labels = np.array([0, 1, 0, -100, 0, 2])
    unit = (h / np.linalg.norm(h, axis=1, keepdims=True)).astype(np.float64)
    similarity = np.exp(unit @ unit.T / 0.1)
    known = [i for i in range(6) if labels[i] != -100]
    per_row = []
    for i in known:
        others = [j for j in known if j != i]
        positives = [j for j in others if labels[j] == labels[i]]
        if positives:
            per_row.append(-np.log(similarity[i, positives].sum() / similarity[i, others].sum()))
    actual = losses.supervised_contrastive_loss(torch.tensor(h), torch.tensor(labels))
    assert float(actual) == pytest.approx(np.mean(per_row), rel=RELATIVE)


def test_supervised_contrastive_loss_lets_a_class_be_two_clusters() -> None:
    east, west, north = [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]
    h = torch.tensor([east, east, west, west, north, north], requires_grad=True)
    loss = losses.supervised_contrastive_loss(h, torch.tensor([0, 0, 0, 0, 1, 1]))
    loss.backward()
    assert loss.item() < 1e-3  # no pull from one cluster to the other
    assert h.grad is not None
    assert h.grad.abs().max() < 1e-3


def test_losses_without_a_row_to_count_are_0_and_so_are_their_gradients() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    nothing = losses.distillation_loss(x, torch.full((3, 4), 0.25), torch.tensor([True, True, True]))
    alone = losses.supervised_contrastive_loss(x, torch.tensor([0, 1, -100]))
    one = losses.supervised_contrastive_loss(x, torch.tensor([0, -100, -100]))
    total = nothing + alone + one
    total.backward()
    assert [loss.item() for loss in (nothing, alone, one)] == [0.0] * 3
    assert x.grad is not None
    assert not x.grad.any()
