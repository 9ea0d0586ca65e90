"""Labels, texts and numbers as they stand in messages: short, on one line, and told apart."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: "1 row", "2,000 rows", "3 classes"."""
    ending = "" if n == 1 else "es" if noun.endswith("s") else "s"
    return f"{n:,} {noun}{ending}"


def quoted(text: str, width: int = 40) -> str:
    """Return a text in quotes, cut to about `width` characters, with what cannot be printed as escapes."""
    return repr(text if len(text) <= width else text[: width - 3].rstrip() + "...")


def told_apart(labels: Iterable[str]) -> list[str]:
    """Return labels in quotes; those that differ only in their Unicode form look the same, so they are in ASCII."""
    names = list(labels)
    same = Counter(unicodedata.normalize("NFC", name) for name in names)
    return [ascii(name) if same[unicodedata.normalize("NFC", name)] > 1 else quoted(name) for name in names]


def shown(labels: Mapping[str, int] | Iterable[str], limit: int = 3) -> str:
    """Return up to `limit` labels, with their numbers of rows if these are given, and how many more there are."""
    counts: dict[str, int | None] = dict(labels) if isinstance(labels, Mapping) else dict.fromkeys(labels)
    first = dict(list(counts.items())[:limit])
    parts = [
        name if n is None else f"{name} ({counted(n, 'row')})"
        for name, n in zip(told_apart(first), first.values(), strict=True)
    ]
    more = len(counts) - limit
    return ", ".join(parts) + (f" and {more:,} more" if more > 0 else "")
