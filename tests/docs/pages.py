"""The pages of the documentation: which they are, and the code blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
GUIDES = sorted(
    path
    for path in (REPOSITORY / "docs").rglob("*.md")
    if path.is_relative_to(REPOSITORY / "docs" / "results") is False
)
"""Pages of the site without the results: those record the commands of campaigns that took days."""
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *GUIDES]

_FENCE = re.compile(r"^```(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->\n\Z")
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        line: where it begins, for whoever has to mend it.
        language: the word behind the fence.
        title: the file that the block shows; a page's reader saves it under that name.
        text: what stands in it.
        not_run: why the tests do not run it, from a comment in the line before; None if they do.
    """

    line: int
    language: str
    title: str | None
    text: str
    not_run: str | None

    @property
    def is_example(self) -> bool:
        """Whether it shows a file of `examples/`, which a test of its own runs."""
        return self.text.startswith("--8<--")


def name_of(page: Path) -> str:
    """Return a page's path in the repository, the name of its test."""
    return page.relative_to(REPOSITORY).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in their order."""
    source = page.read_text(encoding="utf-8")
    blocks = []
    for fence in _FENCE.finditer(source):
        before = source[: fence.start()]
        reason, title = _NOT_RUN.search(before), _TITLE.search(fence[1])
        blocks.append(
            Block(
                before.count("\n") + 1,
                (re.findall(r"\w+", fence[1]) or [""])[0],
                title and title[1],
                fence[2],
                reason and reason[1],
            )
        )
    return blocks


def commands_of(text: str) -> list[str]:
    """Return the commands of a shell block, one a line; a line that ends with a backslash goes on in the next."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]
