"""The teacher: an average of weights, what it says of unlabelled rows, and what is taken out of texts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig

from ganbert import GanBertConfig, GanBertForSequenceClassification, Recipe
from ganbert.training.teacher import MOMENTUM, Teacher, cut_off

K = 3


def make_student() -> GanBertForSequenceClassification:
    torch.manual_seed(0)
    encoder = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    model = GanBertForSequenceClassification(GanBertConfig(encoder=encoder, num_labels=K))
    with torch.no_grad():
        model.discriminator.output.weight.mul_(5)  # a new model is never sure of anything
    return model


def make_teacher(**choices: Any) -> Teacher:
    return Teacher(make_student(), Recipe(average=0.9, consistency_weight=1.0, **choices))


def make_batch(labels: list[int]) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    n = len(labels)
    return {
        "input_ids": torch.randint(5, 50, (n, 7)),
        "attention_mask": torch.ones(n, 7, dtype=torch.long),
        "labels": torch.tensor(labels),
    }


def probabilities(teacher: Teacher, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = teacher.model(batch["input_ids"], batch["attention_mask"]).logits
    return logits.softmax(dim=-1)


def test_it_averages_the_students_weights_and_forgets_the_first_ones_sooner() -> None:
    student = make_student()
    teacher = Teacher(student, Recipe(average=0.5))
    weight, average = student.discriminator.output.weight, teacher.model.discriminator.output.weight
    expected = weight.detach().clone()
    for step, decay in ((1, 2 / 11), (2, 3 / 12), (100, 0.5)):  # (1 + t) / (10 + t), at most 0.5
        with torch.no_grad():
            weight.add_(step)
        teacher.follow(student, step)
        expected = decay * expected + (1 - decay) * weight.detach()
        torch.testing.assert_close(average.detach(), expected)
    assert not average.requires_grad
    assert teacher.model.generator is None
    assert student.generator is not None


def test_it_says_what_it_thinks_of_unlabelled_rows_and_nothing_of_labelled_ones() -> None:
    teacher, batch = make_teacher(), make_batch([-100, 2, -100, 0])
    said = teacher.soft_targets(batch)
    torch.testing.assert_close(said[[0, 2]], probabilities(teacher, batch)[[0, 2]])
    assert not said[[1, 3]].any()
    assert not teacher.soft_targets(make_batch([0, 1, 2])).any()


def test_temperature_sharpens() -> None:
    batch = make_batch([-100] * 5)
    p = probabilities(make_teacher(), batch)
    squared = p**2 / (p**2).sum(dim=-1, keepdim=True)
    torch.testing.assert_close(make_teacher(temperature=0.5).soft_targets(batch), squared)
    hard = make_teacher(temperature=0.0).soft_targets(batch)
    assert hard.argmax(dim=-1).tolist() == p.argmax(dim=-1).tolist()
    assert hard.sum(dim=-1).tolist() == hard.amax(dim=-1).tolist() == [1.0] * 5


@pytest.mark.parametrize(("alignment", "wanted"), [("uniform", [1 / 3] * 3), ("labelled", [0.0, 0.5, 0.5])])
def test_alignment_makes_classes_as_frequent_as_wanted(alignment: str, wanted: list[float]) -> None:
    teacher, batch = make_teacher(alignment=alignment), make_batch([-100] * 60 + [1, 2])
    for _ in range(200):  # until the running shares have settled
        said = teacher.soft_targets(batch)
    torch.testing.assert_close(teacher.labelled, torch.tensor([0.0, 0.5, 0.5]), atol=1e-3, rtol=0)
    shares = said.sum(dim=0) / 60
    torch.testing.assert_close(shares, torch.tensor(wanted), atol=0.05, rtol=0)
    torch.testing.assert_close(said[:60].sum(dim=-1), torch.ones(60))
    unaligned = probabilities(teacher, batch)[:60].mean(dim=0)
    assert float((unaligned - torch.tensor(wanted)).abs().max()) > 0.05  # else nothing has been shown


def test_shares_are_running_means() -> None:
    teacher, batch = make_teacher(), make_batch([-100, -100, 1])
    teacher.soft_targets(batch)
    expected = MOMENTUM / K + (1 - MOMENTUM) * probabilities(teacher, batch)[:2].mean(dim=0)
    torch.testing.assert_close(teacher.predicted, expected)


def test_soft_confidence_counts_rows_less_where_the_teacher_is_less_sure_than_usual() -> None:
    teacher, batch = make_teacher(confidence="soft"), make_batch([-100] * 40)
    for _ in range(400):
        weights = teacher.soft_targets(batch).sum(dim=-1)
    top = probabilities(teacher, batch).amax(dim=-1)
    mean, variance = top.mean(), top.var(correction=0)
    expected = torch.exp(-2 * (top - mean).clamp(max=0) ** 2 / variance)  # two sigmas
    torch.testing.assert_close(weights, expected, atol=0.02, rtol=0)
    assert weights.min() < 0.5 < weights.max()


def test_cutting_keeps_first_and_last_tokens_and_other_rows() -> None:
    torch.manual_seed(0)
    mask = torch.ones(200, 12, dtype=torch.long)
    mask[:100, 8:] = 0  # padding on the right
    mask[100:, :3] = 0  # and on the left
    rows = torch.arange(200) % 2 == 0
    cut = cut_off(mask, rows, 0.3)
    assert (cut <= mask).all()
    assert (cut[~rows] == mask[~rows]).all()
    assert cut[:100, [0, 7]].all()
    assert cut[100:, [3, 11]].all()
    inner = torch.cat([cut[:100, 1:7][rows[:100]].flatten(), cut[100:, 4:11][rows[100:]].flatten()]).float()
    assert float(inner.mean()) == pytest.approx(0.7, abs=0.06)
