"""What the site holds beside its pages: the command reference, and links to the rest of the repository."""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[1]
PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Files at the root of the repository that are pages of the site."""
SOURCES = {page: source for source, page in PAGES.items()}
LINK = re.compile(r"\]\((?![a-z]+:|#|/)([^)#\s]+)([^)]*)\)")
COMMANDS = "<!-- commands -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand at the root of the repository."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(REPOSITORY / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the command reference where it belongs, and let links lead where they mean to.

    Links are written for readers of the repository. One that leaves the site goes to the repository's home; one to
    nothing at all stays, and mkdocs warns of it.
    """
    uri = page.file.src_uri
    folder = posixpath.dirname(SOURCES.get(uri, f"docs/{uri}"))

    def link_of_the_site(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[1]))
        target = PAGES.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(target) is not None:
            return f"]({posixpath.relpath(target, posixpath.dirname(uri) or '.')}{link[2]})"
        return f"]({config.extra['repository']}/blob/main/{path}{link[2]})" if (REPOSITORY / path).exists() else link[0]

    return LINK.sub(link_of_the_site, markdown.replace(COMMANDS, command_reference() if COMMANDS in markdown else ""))


def command_reference() -> str:
    """Return what typer says of `ganbert` and its subcommands, headings one level down."""
    command = [sys.executable, "-m", "typer", "ganbert.cli", "utils", "docs", "--name", "ganbert"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.sub(r"^#", "##", text, flags=re.MULTILINE)
