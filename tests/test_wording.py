"""Text of files is shown, and steers nothing."""

from __future__ import annotations

import pytest
from rich.text import Text

from ganbert.wording import markdown, printable, rich_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\x9b31mb", r"a\x9b31mb"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("evil\u202etxt.exe", r"evil\u202etxt.exe"),
        ("\ufeffa\u200bb\u00adc\u2066d", r"\ufeffa\u200bb\xadc\u2066d"),
        ("caf\udce9", r"caf\udce9"),
        ("nan\u200d", r"nan\u200d"),  # a joiner that joins nothing
        ("a\u200cb", r"a\u200cb"),
        ("\u200d", r"\u200d"),
    ],
)
def test_what_is_unseen_or_steers_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Straße, 東京, Ελλάδα, עברית, العربية, ไทย",
        "e\u0301",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
        "\u2764\ufe0f\u200d\U0001f525",  # a heart on fire
        "\U0001f469\U0001f3fd\u200d\U0001f680",  # an astronaut with a skin tone
        "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc",  # Persian
        "\u0915\u094d\u200d\u0937",  # Devanagari
    ],
)
def test_words_of_all_scripts_and_emoji_stay(text: str) -> None:
    assert printable(text) == text


def test_markup_of_rich_is_text() -> None:
    for text in ("[red]a[/]", "[/animal]", "a\\b"):
        assert Text.from_markup(rich_text(text)).plain == text
    assert Text.from_markup(rich_text("[b]\x1b[2J")).plain == r"[b]\x1b[2J"


def test_markdown_is_text() -> None:
    assert markdown("a|b") == r"a\|b"
    assert markdown("`x` <b> [a](b) *c* _d_ $e$ ~f~ &amp;\n# g") == (
        r"\`x\` \<b\> \[a\](b) \*c\* \_d\_ \$e\$ \~f\~ \&amp;\\n# g"
    )
    assert markdown("google-bert/bert-base-cased") == "google-bert/bert-base-cased"
