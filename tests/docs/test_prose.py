"""The prose can be read at one go: no sentence of README or site is longer than 35 words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, REPOSITORY, name_of

MOST_WORDS = 35
TEXTS = sorted({*PAGES, *(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "CHANGELOG.md"})


def sentences_of(markdown: str) -> list[str]:
    """Return the sentences of a page: those of its paragraphs, list items and table cells, without its code."""
    text = re.sub(r"^```.*?^```$|<!--.*?-->|^ {4,}.*?$|^---$.*?^---$", "\n\n", markdown, flags=re.M | re.S)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)  # a link is its words
    text = re.sub(r"`[^`]*`", "CODE", text)  # a word, whatever stands in it
    text = re.sub(r"^(#+ |[-*] |\d+\. |:::)", "\n\n", text, flags=re.M)
    parts = [part for block in re.split(r"\n\s*\n", text) for part in cells(block)]
    return [sentence for part in parts for sentence in re.split(r"(?<=[.!?])[\"*)]*\s+(?=[\"*(]*[A-Z\d])", part)]


def cells(block: str) -> list[str]:
    """Return the cells of a table, or the paragraph that it is not."""
    return re.split(r"(?<!\\)\||\n", block) if block.lstrip().startswith("|") else [" ".join(block.split())]


def n_words(sentence: str) -> int:
    """Return how many words a sentence has; signs between numbers are none."""
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_no_sentence_is_too_long(page: Path) -> None:
    long = [s for s in sentences_of(page.read_text(encoding="utf-8")) if n_words(s) > MOST_WORDS]
    assert not long, "\n\n".join(f"{n_words(sentence)} words: {sentence}" for sentence in long)


def test_readme_is_at_most_120_lines() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_sentences_are_found_where_they_stand() -> None:
    page = "# A title\n\nOne is [here](a.md). Two\nis `a. B` there.\n\n- an item\n- another. And more\n\n"
    page += "| a | b c |\n|---|---|\n\n"
    page += "```sh\nno prose. None\n```\n"
    assert [s for s in sentences_of(page) if n_words(s)] == [
        "A title", "One is here.", "Two is CODE there.", "an item", "another.", "And more", " a ", " b c ",
    ]  # fmt: skip
