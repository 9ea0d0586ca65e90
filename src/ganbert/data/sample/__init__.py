"""The built-in sample: short messages to an online shop in eight intents, written by hand for this project."""

from __future__ import annotations

from pathlib import Path

TRAIN = Path(__file__).parent / "messages.csv"
"""Columns `text` and `label`: 64 labelled messages, 8 of each intent; all others have an empty label."""
TEST = Path(__file__).parent / "messages_test.csv"
"""Columns `text` and `label`, all labelled."""
