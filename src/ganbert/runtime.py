"""Where and how a model is computed: device, precision, threads, processes and seeds; and how quiet libraries are.

torch is imported by the functions that need it: an exported model is used without it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ganbert.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Precision = Literal["auto", "float32", "bfloat16"]

MOST_THREADS = max(64, 4 * (os.cpu_count() or 1))
"""More would only wait for each other; with thousands, the system refuses to start another."""


SEEDS = 2**32
"""Seeds are 0 to one less than this: NumPy takes no larger one."""


@dataclass(frozen=True)
class Compute:
    """Where and how a model is computed; `str()` of it is for people.

    Attributes:
        device: as torch names it, such as "cpu" or "cuda".
        bfloat16: whether the encoder computes in bfloat16; weights in training, heads and losses stay float32.
        threads: of the processor, within one operation.
    """

    device: str
    bfloat16: bool
    threads: int

    @property
    def precision(self) -> Precision:
        """The precision in the words of `--precision`."""
        return "bfloat16" if self.bfloat16 else "float32"

    def __str__(self) -> str:
        import torch

        name = torch.cuda.get_device_name(self.device) if self.device == "cuda" else self.device
        return f"{name}, {self.precision}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def choose_compute(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Compute:
    """Choose what is "auto" or None, and set the number of threads of this process.

    Args:
        device: "auto" (an accelerator if there is one), "cpu", "cuda", "mps", ...; CUDA_VISIBLE_DEVICES chooses
            among several cards.
        precision: "auto" (bfloat16 where it is native), "float32" or "bfloat16".
        threads: None takes as many as torch finds useful.

    Raises:
        InputError: there is no such device or precision here.
    """
    import torch

    if precision not in get_args(Precision):
        raise InputError(f"--precision {precision!r}: choose one of {', '.join(get_args(Precision))}")
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    available = {"cpu"} | ({accelerator.type} if accelerator else set())
    if device == "auto":
        device = accelerator.type if accelerator else "cpu"
    elif device not in available:
        raise InputError(f"--device {device!r}: there is none here; choose auto or {' or '.join(sorted(available))}")
    check_threads(threads)
    if threads is not None:
        torch.set_num_threads(threads)
    bfloat16 = computes_bfloat16_natively(device) if precision == "auto" else precision == "bfloat16"
    return Compute(device, bfloat16, torch.get_num_threads())


def computes_bfloat16_natively(device: str) -> bool:
    """Whether matrix products in bfloat16 run on their own units here, and so are faster than in float32."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if device == "cpu" and hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def check_threads(threads: int | None) -> None:
    """Raise `InputError` for an impossible number of threads; None is as many as are useful."""
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InputError(f"--threads {threads}: at least 1, and here at most {MOST_THREADS}")


def is_main_process() -> bool:
    """Whether this process is the one that prints and writes; torchrun and accelerate number them in RANK."""
    return os.environ.get("RANK", "0") == "0"


def n_processes() -> int:
    """Return how many processes train together."""
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_number() -> int:
    """Return which of them this one is, from 0."""
    import torch.distributed as dist

    return dist.get_rank() if n_processes() > 1 else 0


def own_rows(rows: list[int]) -> list[int]:
    """Return this process's share of the rows of a batch: every n-th, so that all get short and long texts."""
    return rows[process_number() :: n_processes()]


def any_process(condition: bool, device: torch.device) -> bool:
    """Whether the condition holds in any process; all of them must ask."""
    if n_processes() == 1:
        return condition
    import torch
    import torch.distributed as dist

    flag = torch.tensor(float(condition), device=device)
    dist.all_reduce(flag)
    return bool(flag > 0)


def rows_of_all(x: Tensor) -> Tensor:
    """Join what each process has for its own rows, [b / n, ...], to [b, ...] in the order of the batch; differentiable.

    Each process encodes its share of a batch. The losses are means over rows of a kind and distances of means, so they
    are not sums of one loss for each process. Text vectors are few numbers: every process gets all of them and computes
    the loss of the whole batch. The gradients that the processes then average are those of one process with that batch.

    The gradient that reaches `x` is the sum of those of all processes.
    """
    if n_processes() == 1:
        return x
    import torch
    import torch.distributed as dist
    from torch.distributed.nn.functional import all_gather

    if x.requires_grad:
        parts = list(all_gather(x))
    else:
        parts = [torch.empty_like(x) for _ in range(n_processes())]
        dist.all_gather(parts, x.contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)


def drawn_seed(seed: Any) -> int:
    """Return a seed as a number below 2^32.

    Args:
        seed: such a number, or what it is drawn from: a `RandomState`, a `Generator`, or None, NumPy's global numbers.

    Raises:
        ValueError: it is none of these, or a number out of bounds.
    """
    if isinstance(seed, (int, np.integer)):
        if not 0 <= seed < SEEDS:
            raise ValueError(f"seed={seed}: must be 0 or above and below 2^32")
        return int(seed)
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(SEEDS))
    from sklearn.utils import check_random_state

    return int(check_random_state(seed).randint(2**31 - 1))


@contextmanager
def global_random_numbers_kept() -> Iterator[None]:
    """Leave the global random numbers of Python, NumPy and torch as they were; a run sets them all to its seed."""
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    cards = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=cards):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def random_numbers_of(seed: int, device: torch.device) -> Iterator[None]:
    """Draw what is random in this block from `seed`, and leave torch's global random numbers as they were.

    Args:
        seed: 0 or above, below 2^32.
        device: a processor or CUDA device, on which they are drawn.
    """
    import torch

    on_card = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_card else []):
        torch.default_generator.manual_seed(seed)
        if on_card:
            torch.cuda.manual_seed(seed)
        yield


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hide progress bars and notes of `datasets` and `transformers` in this block; afterwards all is as before."""
    import datasets  # here, because not all that imports this needs them
    from transformers.utils import logging

    loggers = (logging, datasets.utils.logging)
    levels = [logger.get_verbosity() for logger in loggers]
    bars = (
        (datasets.are_progress_bars_disabled(), datasets.disable_progress_bars, datasets.enable_progress_bars),
        (not logging.is_progress_bar_enabled(), logging.disable_progress_bar, logging.enable_progress_bar),
    )
    for logger in loggers:
        logger.set_verbosity_error()
    for hidden, hide, _ in bars:
        if not hidden:
            hide()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.set_verbosity(level)
        for hidden, _, show in bars:
            if not hidden:
                show()
