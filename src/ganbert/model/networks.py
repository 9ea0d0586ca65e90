"""The two heads of the paper's figure 1: a generator G of text vectors, and a discriminator D (section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganbert.model.config import GanBertConfig


class Generator(nn.Module):
    """G: noise z [b, noise_size] to invented text vectors [b, d]; one hidden layer (section 4)."""

    def __init__(self, config: GanBertConfig) -> None:
        super().__init__()
        self.noise_size, self.noise = config.noise_size, config.noise
        self.hidden = nn.Linear(config.noise_size, config.hidden_size)
        self.activation = nn.LeakyReLU(0.2)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)
        self.turn = 0  # batches that G was trained on; in a detached game they fix, with the seed, its random numbers

    def forward(self, z: Tensor) -> Tensor:
        """Return the text vectors [b, d] that G makes of `z` [b, noise_size]."""
        h: Tensor = self.output(self.dropout(self.activation(self.hidden(z))))
        return h

    def sample(self, n: int) -> Tensor:
        """Return `n` invented text vectors, [n, d]."""
        weight = self.hidden.weight
        z = torch.empty(n, self.noise_size, device=weight.device, dtype=weight.dtype)
        h: Tensor = self(z.normal_() if self.noise == "normal" else z.uniform_())
        return h


class Discriminator(nn.Module):
    """D: text vectors h [b, d] to logits [b, k+1], the fake class last; one hidden layer (section 4).

    With a detached game the fake class is a layer of its own, `fake_class`: the others are computed and initialised bit
    for bit as without it.
    """

    def __init__(self, config: GanBertConfig) -> None:
        super().__init__()
        self.feature_dropout = config.feature_dropout
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.hidden = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = nn.LeakyReLU(0.2)
        self.dropout = nn.Dropout(config.dropout)
        apart = config.adversarial and config.detached_game
        self.output = nn.Linear(config.hidden_size, len(config.label_names) + (config.adversarial and not apart))
        self.fake_class = nn.Linear(config.hidden_size, 1) if apart else None

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features f(x) [b, d] and the logits [b, k+1] of `h` [b, d]."""
        activation = self.activation(self.hidden(self.input_dropout(h)))
        dropped = self.dropout(activation)
        logits = self.output(dropped)
        if self.fake_class is not None:
            logits = torch.cat([logits, self.fake_class(dropped)], dim=-1)
        return (dropped if self.feature_dropout else activation), logits
