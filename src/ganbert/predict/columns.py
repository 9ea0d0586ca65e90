"""The names of the columns that a model was trained on, read from its folder without torch."""

from __future__ import annotations

import json
from pathlib import Path

from ganbert.errors import InputError


def columns_of(folder: Path) -> dict[str, str]:
    """Return what the columns `text`, `text_pair` and `label` were called in the table a model was trained on.

    Returns:
        Those that are known: none for a model that was trained on texts in memory or by an older version.

    Raises:
        InputError: `folder` is no model folder.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise InputError("is no model folder: it has no config.json", path=folder)
    try:
        columns = json.loads(path.read_text(encoding="utf-8")).get("columns")
    except (OSError, ValueError, AttributeError, RecursionError):  # told in full where the model is opened
        return {}
    if not isinstance(columns, dict):
        return {}
    return {name: column for name, column in columns.items() if isinstance(column, str)}
