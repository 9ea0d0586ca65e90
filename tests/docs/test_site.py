"""The site builds without a warning, and its reference holds every public name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganbert
from tests.docs.pages import REPOSITORY


def test_the_python_reference_has_every_public_name_once() -> None:
    page = (REPOSITORY / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    documented = re.findall(r"^::: ganbert\.(\w+)$", page, re.MULTILINE)
    assert sorted(documented) == sorted({*ganbert.__all__} - {"__version__"})


def test_the_site_builds_without_a_warning_and_shows_every_command_and_option(tmp_path: Path) -> None:
    pytest.importorskip("mkdocstrings", reason="mkdocs-material and mkdocstrings (extra docs) are not installed")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=REPOSITORY,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    commands = (tmp_path / "reference" / "cli" / "index.html").read_text(encoding="utf-8")
    for text in ("ganbert train", "ganbert demo", "--micro-batch-size", "--text-pair-column"):
        assert text in commands
    for page, text in (("changelog", "First version"), ("contributing", "Add a thing")):
        assert text in (tmp_path / page / "index.html").read_text(encoding="utf-8")
