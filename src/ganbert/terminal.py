"""What is safe to print: text that came from a file must not steer the terminal it is shown on."""

from __future__ import annotations

import unicodedata


def printable(text: object) -> str:
    """Return `text` on one line, with control and invisible characters as escapes: `a\\x1b[31mb`.

    Letters of every script stay as they are. Escaped are what moves a cursor or changes a colour (categories Cc and
    Cf), lone surrogates (Cs), and the line and paragraph separators (Zl, Zp).
    """
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in hidden else character
        for character in str(text)
    )
