"""The teacher: what it says of unlabelled rows, and that it never learns from the student."""

from __future__ import annotations

import torch
from transformers import BertConfig

from ganbert import GanBertConfig, GanBertForSequenceClassification
from ganbert.training.trainer import Teacher

K = 3


def make_model() -> GanBertForSequenceClassification:
    torch.manual_seed(0)
    encoder = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    return GanBertForSequenceClassification(GanBertConfig(encoder=encoder, num_labels=K))


def make_batch(labels: list[int]) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    n = len(labels)
    return {
        "input_ids": torch.randint(5, 50, (n, 7)),
        "attention_mask": torch.ones(n, 7, dtype=torch.long),
        "labels": torch.tensor(labels),
    }


def test_it_says_what_it_thinks_of_unlabelled_rows_and_nothing_of_labelled_ones() -> None:
    teacher, batch = Teacher(make_model(), torch.device("cpu")), make_batch([-100, 2, -100, 0])
    said = teacher.soft_targets(batch)
    expected = make_model().eval()(batch["input_ids"], batch["attention_mask"]).logits.softmax(dim=-1)
    torch.testing.assert_close(said[[0, 2]], expected[[0, 2]])
    assert not said[[1, 3]].any()
    assert not teacher.soft_targets(make_batch([0, 1, 2])).any()


def test_it_is_frozen_and_says_the_same_each_time() -> None:
    model, batch = make_model().train(), make_batch([-100] * 4)
    teacher = Teacher(model, torch.device("cpu"))
    said = teacher.soft_targets(batch)
    torch.testing.assert_close(teacher.soft_targets(batch), said)
    assert not said.requires_grad
    assert not any(p.requires_grad for p in teacher.model.parameters())
