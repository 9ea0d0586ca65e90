"""What the arithmetic runs on: device, precision and threads, chosen by what the machine does natively, or as told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from ganbert.errors import InputError
from ganbert.threads import check_threads

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class Compute:
    """Where and how a model is computed; `str()` of it is what a person is told.

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
        name = torch.cuda.get_device_name(self.device) if self.device == "cuda" else self.device
        return f"{name}, {self.precision}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def choose_compute(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Compute:
    """Choose what is "auto" or None, and set the number of threads of this process.

    Args:
        device: "auto" (an accelerator if there is one), "cpu", "cuda", "mps", ...; which of several cards
            is set as ever, by CUDA_VISIBLE_DEVICES.
        precision: "auto" (bfloat16 where it is native), "float32" or "bfloat16".
        threads: None takes as many as torch finds useful.

    Raises:
        InputError: there is no such device or precision here.
    """
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
    if device == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if device == "cpu" and hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
