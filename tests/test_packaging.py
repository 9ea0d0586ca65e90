"""What is published: the content of sdist and wheel, the page on the index, and the files around them."""

from __future__ import annotations

import email
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling import build

import ganbert

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        archive = folder / build.build_sdist(str(folder))
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / f"ganbert-{ganbert.__version__}"


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the source distribution."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(sdist)
        return zipfile.ZipFile(folder / build.build_wheel(str(folder)))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Any:
    """The wheel's metadata; its payload is the README as the index shows it."""
    return email.message_from_bytes(wheel.read(f"ganbert-{ganbert.__version__}.dist-info/METADATA"))


def test_the_sdist_holds_sources_tests_and_pages_and_no_results(sdist: Path) -> None:
    names = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    for folder in ("src", "tests", "examples", "docs"):
        here = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")}
        assert here <= names, folder
    pages = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")}
    assert pages | {"README.md", "CHANGELOG.md", "LICENSE", "CITATION.cff", "Makefile", "constraints.txt"} <= names
    assert not [name for name in names if name.startswith("results/") or name.endswith((".jsonl", ".jsonl.gz"))]
    assert sum(path.stat().st_size for path in sdist.rglob("*")) < 5_000_000


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    expected = {name for name in files if "__pycache__" not in name and ".egg-info" not in name}
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected


def test_the_page_on_the_index_links_to_whole_addresses(metadata: Any) -> None:
    page = metadata.get_payload()
    text = re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(\s*([^)\s]+)", text) + re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, flags=re.MULTILINE)
    links += re.findall(r"""(?:src|href|srcset)=["']([^"']+)""", text)
    assert len(links) > 3
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_links_into_the_repository_lead_to_files_of_this_version(metadata: Any) -> None:
    home = r"https://(?:raw\.githubusercontent\.com/ganbert/ganbert|github\.com/ganbert/ganbert/blob)"
    links = re.findall(rf"{home}/([^/]+)/([^)#\s]+)", metadata.get_payload())
    assert links
    for version, path in links:
        assert version == f"v{ganbert.__version__}"
        assert (ROOT / path).exists(), path


def test_one_version_is_stated_everywhere(metadata: Any) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = re.search(r"^## (\S+),", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert changelog is not None
    assert {metadata["Version"], str(citation["version"]), changelog[1]} == {ganbert.__version__}


def test_the_metadata_names_authors_licence_and_addresses(metadata: Any) -> None:
    assert metadata["Author"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {value.split(",")[0] for value in metadata.get_all("Project-URL")} >= {"Homepage", "Changelog", "Issues"}
    assert "Programming Language :: Python :: 3.13" in metadata.get_all("Classifier")


def test_the_citation_names_the_paper_and_has_what_its_format_asks_for() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    (paper,) = citation["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Croce", "Castellucci", "Basili"]
    assert paper["url"] == "https://aclanthology.org/2020.acl-main.191/"


@pytest.mark.parametrize("name", ["test", "publish"])
def test_workflows_pin_actions_call_targets_that_exist_and_hold_no_token(name: str) -> None:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    targets = set(re.findall(r"^([a-z.%-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    for job in workflow["jobs"].values():
        for step in job.get("steps", []):
            assert re.search(r"@(v\d+|release/v\d+)$", step.get("uses", "@v0"))
            command = step.get("run", "").replace("${{ matrix.versions }}", "lowest")
            assert set(re.findall(r"make ([a-z-]+)", command)) <= targets


def test_issue_forms_are_what_github_reads() -> None:
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert len(forms) == 2
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= form.keys()
        assert all(part["type"] == "textarea" and part["attributes"]["label"] for part in form["body"])
