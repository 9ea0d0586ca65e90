"""What table readers and writers share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def to_json(value: Any) -> str:
    """Return `value` as JSON on one line; what JSON has no word for (NaN, dates) becomes null or text."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # JSON has no NaN and no Infinity
        return to_json(json.loads(json.dumps(value, default=str), parse_constant=lambda _: None))


def is_gzip(path: Path) -> bool:
    """Whether the ending says so."""
    return path.name.lower().endswith(".gz")


def one_line(error: Exception) -> str:
    """Return what an error says, on one line and without the path that is named beside it."""
    return " ".join(str((isinstance(error, OSError) and error.strerror) or error).split())
