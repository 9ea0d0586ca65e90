"""Values in messages: short, on one line, told apart, and safe for the terminal or page that they are shown on.

Text that came from a file must not move the cursor, change colours or become markup.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINER, _NON_JOINER, _EMOJI_STYLE = "\u200d", "\u200c", "\ufe0f"
_VIRAMA = 9
"""Its canonical combining class, in all scripts of India."""


def printable(text: object) -> str:
    """Return `text` on one line, with control and invisible characters as escapes: `a\\x1b[31mb`.

    Letters of every script stay as they are, and so do the two joiners where they shape what is seen. Escaped are what
    moves a cursor, changes a colour or turns the direction of writing (categories Cc and Cf), lone surrogates (Cs), and
    the line and paragraph separators (Zl, Zp).
    """
    characters = str(text)
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _HIDDEN and not _joins(characters, i)
        else character
        for i, character in enumerate(characters)
    )


def rich_text(text: object) -> str:
    """Return `text` as `rich` shows it literally: nothing in it is markup, and nothing steers the terminal."""
    from rich.markup import escape

    return escape(printable(text))


def markdown(text: object) -> str:
    """Return `text` as Markdown shows it literally, in a line or a cell of a table."""
    return re.sub(r"([\\`*_\[\]<>&|~$])", r"\\\1", printable(text))


def _joins(text: str, i: int) -> bool:
    """Whether a joiner stands where it has a visible meaning: in an emoji, after a virama, in an Arabic word."""
    before, here, after = text[i - 1 : i], text[i], text[i + 1 : i + 2]
    if here not in (_JOINER, _NON_JOINER) or not before or not after:
        return False
    if unicodedata.combining(before) == _VIRAMA:  # RFC 5892, appendix A
        return True
    if here == _NON_JOINER:
        return unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL"
    is_emoji = unicodedata.category(before) in ("So", "Sk") or before == _EMOJI_STYLE
    return is_emoji and unicodedata.category(after) == "So"


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
