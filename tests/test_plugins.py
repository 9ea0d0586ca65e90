from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganbert.errors import InputError
from ganbert.plugins import Registry, found, imported


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package `own-words` with entry points under `ganbert.words`."""
    (tmp_path / "own_words.py").write_text("hello = 'bonjour'\nnumber = 3\n", encoding="utf-8")
    (tmp_path / "broken_words.py").write_text("import no_such_library\n", encoding="utf-8")
    information = tmp_path / "own_words-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: own-words\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(
        "[ganbert.words]\nhello = own_words:hello\nbye = own_words:hello\nnumber = own_words:number\n"
        "broken = broken_words:hello\nabsent = own_words:absent\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found.cache_clear()
    yield tmp_path
    found.cache_clear()
    for module in ("own_words", "broken_words"):
        sys.modules.pop(module, None)


def registry() -> Registry[str]:
    def accept(name: str, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is no word")
        return value

    return Registry("ganbert.words", {"bye": "au revoir"}, accept)


def test_entry_points_are_found_by_name_and_imported_only_when_called(package: Path) -> None:
    words = found("ganbert.words")
    assert set(words) == {"hello", "bye", "number", "broken", "absent"}
    assert "own_words" not in sys.modules
    assert words["hello"]() == "bonjour"


def test_a_registry_has_our_entries_first_and_no_other_replaces_them(package: Path) -> None:
    words = registry()
    assert list(words) == ["bye", "hello", "number", "broken", "absent"]
    assert len(words) == 5
    assert words["bye"] == "au revoir"
    assert words["hello"] == "bonjour"
    assert "hello" in words
    assert "salut" not in words
    with pytest.raises(KeyError):
        words["salut"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "broken",
            r"ganbert\.words broken = broken_words:hello of own-words cannot be imported: ModuleNotFoundError",
        ),
        ("absent", r"ganbert\.words absent = own_words:absent of own-words cannot be imported: AttributeError"),
        ("number", r"ganbert\.words number: 3 is no word"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_named(package: Path, name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        registry()[name]


def test_an_object_is_imported_by_module_and_name_from_the_current_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words_here.py").write_text("class Words:\n    hello = 'hallo'\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert imported("words_here:Words.hello") == "hallo"


@pytest.mark.parametrize("reference", ["no_such_module:x", "json:no_such_name", "not a module:x"])
def test_what_cannot_be_imported_is_named(reference: str) -> None:
    with pytest.raises(InputError, match=f"{reference} cannot be imported"):
        imported(reference)
