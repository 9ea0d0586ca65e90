"""Dropout on a processor: the share, the scale, the gradient and the seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganbert.fast.dropout import FastDropout, dropout, use_fast_dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_zeroes_a_share_and_scales_the_rest(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(501, 401, dtype=dtype)
    out = dropout(x, p)
    assert out.dtype == dtype
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    torch.testing.assert_close(out[out != 0].unique(), torch.tensor([1 / (1 - p)], dtype=dtype), rtol=1e-2, atol=0)
    assert out.float().mean().item() == pytest.approx(1, abs=0.02)


def test_elements_are_drawn_independently() -> None:
    torch.manual_seed(0)
    kept = (dropout(torch.ones(4000, 8), 0.5) != 0).float()
    correlations = torch.corrcoef(kept.T) - torch.eye(8)
    assert correlations.abs().max() < 0.08  # five standard deviations of 4,000 independent pairs
    assert (dropout(torch.ones(4000, 8), 0.5) != kept).any()


def test_the_gradient_passes_where_the_value_did() -> None:
    x = torch.randn(33, 7, requires_grad=True)
    out = dropout(x, 0.3)
    out.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x, out)
    assert (x.grad == 0).any()


def test_the_seed_fixes_it() -> None:
    x = torch.randn(100)
    outs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        outs.append(dropout(x, 0.5))
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])


def test_it_replaces_every_dropout_of_a_model_and_nothing_else() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Dropout(0.2), nn.ReLU()), nn.Dropout(0.4)).eval()
    state = model.state_dict()
    x = torch.randn(3, 4)
    expected = model(x)
    use_fast_dropout(model)
    replaced = [module.p for module in model.modules() if isinstance(module, FastDropout)]
    assert replaced == [0.2, 0.4]
    assert model.state_dict().keys() == state.keys()
    torch.testing.assert_close(model(x), expected)  # evaluation: nothing is dropped
    model.train()
    assert (model(torch.ones(50, 4)) == 0).any()


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_ends_of_the_range_are_those_of_torch(p: float) -> None:
    x = torch.randn(5, 5)
    torch.testing.assert_close(FastDropout(p)(x), nn.Dropout(p)(x))


@pytest.mark.parametrize(("p", "kept"), [(1e-7, 1.0), (1 - 1e-7, 0.0)])
def test_a_share_too_small_to_draw_is_rounded(p: float, kept: float) -> None:
    torch.manual_seed(0)
    assert (dropout(torch.ones(2000), p) != 0).float().mean().item() == pytest.approx(kept, abs=0.01)
