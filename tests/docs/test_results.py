"""The results pages say what the rows in `results/` give: tables, the picture, and figures quoted in the text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.pages import blocks, picture
from benchmarks.pages.statements import PLUS_MINUS, STATEMENTS, plain
from benchmarks.rows import REPOSITORY, RESULTS

pytestmark = pytest.mark.skipif(not RESULTS.exists(), reason="the rows are in the repository, not in the sdist")

PAGES = [page for page in blocks.pages() if blocks.names(page.read_text(encoding="utf-8"))]


def name_of(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def outside_tables(text: str) -> str:
    return blocks.BLOCK.sub("", text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_table_of_a_page_is_what_the_rows_give(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == blocks.filled(text), "run `make results`"


def test_a_figure_changed_by_hand_is_put_right() -> None:
    text = (REPOSITORY / "docs" / "results" / "default.md").read_text(encoding="utf-8")
    changed = text.replace("+8.4 ± 9.7", "+9.4 ± 9.7")
    assert changed != text
    assert blocks.filled(changed) == text


def test_every_table_stands_on_exactly_one_page() -> None:
    used = Counter(name for page in PAGES for name in blocks.names(page.read_text(encoding="utf-8")))
    assert used == Counter(blocks.TABLES.keys())


def test_every_marker_has_its_end() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("<!-- table: ") == text.count("<!-- end -->") == len(blocks.names(text)), name_of(page)


@pytest.mark.parametrize("path", picture.PICTURES, ids=name_of)
def test_a_picture_is_of_the_rows(path: Path) -> None:
    of_rows = picture.PICTURES[path]
    assert picture.drawn_of(path) == (of_rows.digest() if of_rows.rows() else None), "run `make results`"


@pytest.mark.parametrize("page", STATEMENTS)
def test_a_page_quotes_what_the_rows_give(page: str) -> None:
    text = plain(outside_tables((REPOSITORY / page).read_text(encoding="utf-8")))
    assert [phrase for phrase in STATEMENTS[page]() if phrase not in text] == []


def test_every_figure_with_an_interval_is_of_a_table_or_a_checked_statement() -> None:
    known = {found for name in blocks.TABLES for found in PLUS_MINUS.findall(blocks.made(name))}
    known |= {found for phrases in STATEMENTS.values() for phrase in phrases() for found in PLUS_MINUS.findall(phrase)}
    quoted = {
        (name_of(page), found)
        for page in (REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md"))
        for found in PLUS_MINUS.findall(outside_tables(page.read_text(encoding="utf-8")))
    }
    assert {(page, found) for page, found in quoted if found not in known} == set()
    assert {"README.md", "docs/results/default.md", "docs/results/ablation.md"} <= {page for page, _ in quoted}


def test_rows_stand_in_the_repository_once() -> None:
    beside = [path for kind in ("*.jsonl", "*.jsonl.gz") for path in (REPOSITORY / "docs").rglob(kind)]
    names = Counter(path.relative_to(RESULTS).as_posix().removesuffix(".gz") for path in RESULTS.rglob("*.jsonl*"))
    assert beside == []
    assert names.most_common(1)[0][1] == 1
