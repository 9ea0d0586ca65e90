"""Which arithmetic the machine does natively."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def computes_bfloat16_natively() -> bool:
    """Whether matrix products in bfloat16 run on their own units here, and so are faster than in float32."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def use_bfloat16(precision: Precision) -> bool:
    """Return whether to train in bfloat16 (weights, losses and the heads stay float32)."""
    return computes_bfloat16_natively() if precision == "auto" else precision == "bfloat16"
