"""Dropout on a processor: torch draws masks one by one in a single thread, a fifth of the time of a training step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

_DRAWS = 2**16


def keep_mask(shape: torch.Size, p: float) -> Tensor:
    """Return int16 numbers of this shape, all bits 0 with probability `p`, to the nearest 1/65,536, and else all 1.

    Four elements share a draw of a generator that is seeded by torch's, so `torch.manual_seed` fixes them all.
    """
    kept = _kept(p) - _DRAWS // 2
    n = shape.numel()
    words = np.random.SFC64(torch.randint(2**62, (1,)).numpy()).random_raw(-(-n // 4))
    draws = torch.from_numpy(words.view(np.int16)[:n]).view(shape)  # uniform over -2**15 .. 2**15 - 1
    return draws.clamp_(kept - 1, kept).sub_(kept)  # below `kept`: -1; comparing would make bools, which are slow


def kept_share(p: float) -> float:
    """Return the probability that `keep_mask` keeps an element: 1 - p, to the nearest 1/65,536."""
    return _kept(p) / _DRAWS


def _kept(p: float) -> int:
    """Return how many of the 65,536 draws keep an element."""
    return min(max(round((1 - p) * _DRAWS), 1), _DRAWS - 1)


def dropout(x: Tensor, p: float) -> Tensor:
    """Zero each element of `x` with probability `p`, 0 < p < 1, and scale the others up accordingly."""
    scale = keep_mask(x.shape, p).to(x.dtype).mul_(-1 / kept_share(p))
    return x * scale


class FastDropout(nn.Dropout):
    """`nn.Dropout` by way of `dropout` above on a processor; other devices draw masks in parallel anyway."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply dropout in training."""
        drops = self.training and 0 < self.p < 1 and input.device.type == "cpu"
        return dropout(input, self.p) if drops else super().forward(input)


def use_fast_dropout(model: nn.Module) -> None:
    """Put `FastDropout` in the place of every `nn.Dropout`; neither has parameters, so nothing else changes."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, FastDropout(child.p).train(child.training))
