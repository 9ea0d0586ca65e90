"""What a process of the pool is asked for. Apart, so that whoever asks need not import what it takes to answer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any


def work(kind: str, number: int, root: str) -> dict[str, Any]:
    """Carry out one case and return its verdict as a dict."""
    from tests.torture.cases import Case
    from tests.torture.kinds import carry_out

    return asdict(carry_out(Case(kind, number), Path(root)))
