"""What a model decides: one of k classes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from ganbert.model import losses
from ganbert.model.problem import ONE_OF_K

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.5, 0.0], [1.0, 1.0, 3.0]])


def test_a_target_is_a_class_id_and_an_unknown_class_is_none() -> None:
    labels = np.array([0, -100, 2, 3])
    assert ONE_OF_K.is_labelled(labels).tolist() == [True, False, True, True]
    assert ONE_OF_K.is_labelled(torch.from_numpy(labels)).tolist() == [True, False, True, True]
    assert ONE_OF_K.learnable(labels, 3).tolist() == [0, -100, 2, -100]


def test_probabilities_add_up_to_one_and_the_largest_decides() -> None:
    p = ONE_OF_K.probabilities(LOGITS.bfloat16())
    assert p.dtype == torch.float32
    torch.testing.assert_close(p, LOGITS.exp() / LOGITS.exp().sum(dim=1, keepdim=True))
    assert ONE_OF_K.decide(p).tolist() == ONE_OF_K.decide(p.numpy()).tolist() == [0, 1, 2]


def test_the_losses_are_those_of_the_labelled_and_of_the_unlabelled_rows() -> None:
    labels, weights, soft = torch.tensor([0, -100, 1]), torch.tensor([0.5, 9.0, 1.5]), torch.full((3, 3), 1 / 3)
    log_p = LOGITS.log_softmax(dim=1)
    expected = -(0.5 * log_p[0, 0] + 1.5 * log_p[2, 1]) / 2
    assert float(ONE_OF_K.loss(LOGITS, labels, weights)) == pytest.approx(float(expected))
    assert float(ONE_OF_K.soft_loss(LOGITS, soft, ONE_OF_K.is_labelled(labels))) == pytest.approx(
        float(-log_p[1].mean())
    )
    assert ONE_OF_K.loss(LOGITS, labels) == losses.discriminator_supervised_loss(LOGITS, labels)


def test_it_decides_without_torch() -> None:
    code = (
        "import sys, numpy; sys.modules['torch'] = None; from ganbert.model.problem import ONE_OF_K;"
        "assert ONE_OF_K.decide(numpy.eye(3)).tolist() == [0, 1, 2]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
