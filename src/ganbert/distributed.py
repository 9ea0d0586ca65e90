"""Training in several processes: each encodes its share of a batch, and the game is played on the whole batch.

The losses are means over rows of a kind and distances of means, so they do not fall apart into one for each process.
Text vectors are few numbers: every process gets all of them, computes the loss of the whole batch, and the gradients
that the processes then average are those of one process with the same batch.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather

from ganbert.folders import is_main_process as is_main_process


def n_processes() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_number() -> int:
    """Return which of them this one is, from 0."""
    return dist.get_rank() if n_processes() > 1 else 0


def own_rows(rows: list[int]) -> list[int]:
    """Return this process's share of the rows of a batch: every n-th, so that all get short and long texts."""
    return rows[process_number() :: n_processes()]


def any_process(condition: bool, device: torch.device) -> bool:
    """Whether the condition holds in any process; all of them must ask."""
    if n_processes() == 1:
        return condition
    flag = torch.tensor(float(condition), device=device)
    dist.all_reduce(flag)
    return bool(flag > 0)


def rows_of_all(x: Tensor) -> Tensor:
    """Join what each process has for its own rows, [b / n, ...], to [b, ...] in the order of the batch; differentiable.

    The gradient that reaches `x` is the sum of those of all processes.
    """
    if n_processes() == 1:
        return x
    if x.requires_grad:
        parts = list(all_gather(x))
    else:
        parts = [torch.empty_like(x) for _ in range(n_processes())]
        dist.all_gather(parts, x.contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)
