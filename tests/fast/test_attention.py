"""Attention with dropout: the textbook's result for the mask that was drawn, forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganbert.fast import attention
from ganbert.fast.attention import attention_with_dropout
from ganbert.fast.dropout import keep_mask, kept_share

P, SCALING = 0.3, 0.5


def inputs(dtype: torch.dtype, b: int = 6, t: int = 7) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, key and value [b, 2, t, 4] in the order of memory that encoders give them, and a mask [b, 1, t, t]."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(b, t, 2, 4, dtype=torch.float64, generator=generator).to(dtype).transpose(1, 2).requires_grad_()
        for _ in range(3)
    )
    mask = torch.rand(b, 1, t, t, generator=generator) > 0.3
    mask[:, :, :, 0] = True
    return query, key, value, mask


def textbook(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, rows_at_once: int) -> Tensor:
    """The same with one mask over all rows, drawn as the parts draw it."""
    scores = (query * SCALING @ key.transpose(2, 3)).masked_fill(~mask, float("-inf"))
    kept = torch.cat([keep_mask(part.shape, P) for part in scores.split(rows_at_once)]) != 0
    return ((scores.softmax(dim=-1) * kept / kept_share(P)) @ value).transpose(1, 2)


@pytest.mark.parametrize("rows_at_once", [1, 4, 6])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5), (torch.bfloat16, 0.04)])
def test_it_computes_what_the_textbook_says(
    dtype: torch.dtype, tolerance: float, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "SCORES_AT_ONCE", rows_at_once * 2 * 7 * 7)
    query, key, value, mask = inputs(dtype)
    exact_query, exact_key, exact_value = (x.detach().double().requires_grad_() for x in (query, key, value))
    weights = torch.randn(6, 7, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    torch.manual_seed(1)
    output = attention_with_dropout(query, key, value, mask, P, SCALING)
    (output * weights.to(dtype)).sum().backward()
    torch.manual_seed(1)
    reference = textbook(exact_query, exact_key, exact_value, mask, rows_at_once)
    (reference * weights).sum().backward()

    assert output.dtype == dtype
    torch.testing.assert_close(output.double(), reference, rtol=tolerance, atol=tolerance)
    for x, y in ((query, exact_query), (key, exact_key), (value, exact_value)):
        assert x.grad is not None
        assert y.grad is not None
        torch.testing.assert_close(x.grad.double(), y.grad, rtol=tolerance, atol=tolerance)


def test_its_gradient_is_that_of_its_result() -> None:
    query, key, value, mask = inputs(torch.float64, b=2, t=3)

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        torch.manual_seed(1)
        return attention_with_dropout(query, key, value, mask, P, SCALING)

    assert torch.autograd.gradcheck(attend, (query, key, value))


def test_one_mask_for_all_rows_and_queries_is_enough() -> None:
    query, key, value, _ = inputs(torch.float32)
    mask = torch.arange(7).view(1, 1, 1, 7) < 5
    torch.manual_seed(1)
    found = attention_with_dropout(query, key, value, mask, P, SCALING)
    torch.manual_seed(1)
    torch.testing.assert_close(found, attention_with_dropout(query, key, value, mask.expand(6, 1, 7, 7), P, SCALING))
    found.sum().backward()
    assert value.grad is not None
    assert (value.grad[:, :, 5:] == 0).all()
    assert (value.grad[:, :, :5] != 0).any()


def test_a_query_that_may_look_nowhere_gives_finite_numbers() -> None:
    query, key, value, mask = inputs(torch.bfloat16)
    mask[2] = False
    output = attention_with_dropout(query, key, value, mask, P, SCALING)
    output.sum().backward()
    assert output.isfinite().all()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (query, key, value))


def test_under_autocast_it_computes_in_the_lower_precision() -> None:
    query, key, value, mask = inputs(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        output = attention_with_dropout(query, key, value, mask, P, SCALING)
        assert output.dtype == torch.bfloat16
        output.float().sum().backward()
    assert query.grad is not None
    assert query.grad.dtype == torch.float32
