"""What classes are called in words: read from a file, or taken from the labels themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from ganbert.errors import InputError

ClassNames: TypeAlias = Mapping[str, tuple[str, ...]]
"""A label to the texts that say what its class is called, at least one."""


def read_class_names(path: str | os.PathLike[str]) -> ClassNames:
    """Read a JSON object, `{"label": "text"}` or `{"label": ["text", "text"]}`; `InputError` if it is none."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", path=Path(path)) from error
    if not isinstance(content, dict):
        raise InputError("is no JSON object", path=Path(path))
    return {label: (text,) if isinstance(text, str) else tuple(text) for label, text in content.items()}


def words_of(labels: Iterable[str]) -> ClassNames:
    """Return a text for each label that is words: `card_arrival` is "card arrival", `sci.space` is "sci space"."""
    parts = {label: "".join(c if c.isalpha() else " " for c in label).split() for label in labels}
    return {
        label: (" ".join(words),)
        for label, words in parts.items()
        if any(len(word) > 1 and not word.isupper() for word in words) and not any(c.isdigit() for c in label)
    }
