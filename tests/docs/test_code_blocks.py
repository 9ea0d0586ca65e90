"""Every code block of README and site does what the page says: it is run here, with fewer steps and a smaller encoder.

The blocks of a page run one after the other in an empty folder and one Python namespace, as a reader would run them:

- a block with a title is saved under that name;
- a `python` block is executed;
- each line of an `sh` block is a command: `ganbert ...` in this process, anything else by a shell.

The folder begins with tables that stand for a reader's own: `messages.csv`, `test.csv` and `new.csv` are made of some
rows of the built-in sample, which the sample itself shrinks to as well. A block after the comment
`<!-- not run: reason -->` is not run, but what it names must exist.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer

from ganbert.cli import app
from ganbert.data import sample
from tests.conftest import Run
from tests.docs.pages import GUIDES, PAGES, REPOSITORY, Block, blocks_of, commands_of, name_of

SHRINK = [
    # So few steps would make the default a plain fine-tune: looks_needed=0 keeps it what the page is about.
    (r"GanBertClassifier\(max_steps=\d+", 'GanBertClassifier(max_steps=4, settings={"looks_needed": 0.0}'),
    (r"replace\(DEFAULT, max_steps=\d+", "replace(DEFAULT, max_steps=4, looks_needed=0.0"),
    (r"^ganbert (train|compare|demo)((?!.*--max-steps).*)$", r"ganbert \1 --max-steps 4\2"),
    (r"--max-steps \d+", "--max-steps 4"),
    (r"^ganbert train(.*)$", r"ganbert train --set looks_needed=0\1"),
    (r"--seeds 5", "--seeds 2"),
    (r"--seeds 3", "--seeds 1"),
    (r"^ganbert compare((?!.*--methods).*)$", r"ganbert compare --methods tfidf,default\1"),
    (r"LabelledFolds\(3\)", "LabelledFolds(2)"),
    (r"^ganbert compare((?!.*--seeds).*)$", r"ganbert compare --seeds 1\1"),
]
"""All that is changed before a block is run: its steps, repetitions and methods become few."""

OF_OTHER_PROGRAMS = {
    "--nproc_per_node", "--use_fsdp",  # torchrun, accelerate
    "--data",  # curl
    "--only", "--case", "--tables", "--configs", "--settings", "--folders", "--kills", "--faults", "--seed", "--jobs",
    "--minutes",  # tests.torture
    "--task", "--rounds", "--steps", "--encoder",  # benchmarks
}  # fmt: skip
LANGUAGES = {"python", "sh", "csv", "json", "text"}

Command: Any = typer.main.get_command(app)


def shrunk(text: str) -> str:
    for pattern, replacement in SHRINK:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's folder, with a few tables in it."""
    train, test = pd.read_csv(sample.TRAIN), pd.read_csv(sample.TEST)
    of_a_reader = {
        "messages.csv": pd.concat([train.dropna(), train[train["label"].isna()].head(128)]),
        "test.csv": test.groupby("label").head(5),
        "new.csv": test[["text"]].head(5),
    }
    for name, table in of_a_reader.items():
        table.to_csv(tmp_path / name, index=False)
    monkeypatch.setattr(sample, "TRAIN", tmp_path / "messages.csv")
    monkeypatch.setattr(sample, "TEST", tmp_path / "test.csv")
    programs = tmp_path / ".programs"
    programs.mkdir()
    (programs / "ganbert").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ganbert "$@"\n')
    (programs / "ganbert").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setattr("ganbert.training.train.plot_training", lambda history, folder: None)  # a quarter of the time
    monkeypatch.chdir(tmp_path)
    return tmp_path


RUN = [page for page in PAGES if any(block.not_run is None for block in blocks_of(page))]


@pytest.mark.parametrize("page", RUN, ids=name_of)
@pytest.mark.usefixtures("small_minilm")
def test_the_blocks_of_a_page_run_in_their_order(page: Path, folder: Path, run: Run) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.not_run is not None or block.is_example or block.language == "text":
            continue
        place = f"{name_of(page)}, line {block.line}"
        if block.title is not None:
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(shrunk(block.text), place, "exec"), namespace)
        elif block.language == "sh":
            for command in commands_of(shrunk(block.text)):
                carry_out(command, run, place)
        else:
            pytest.fail(f"{place}: a {block.language} block needs a title, the name of the file that it shows")


def carry_out(command: str, run: Run, place: str) -> None:
    if command.startswith("ganbert ") and not set(command) & set("|<>&"):
        outcome = run(*shlex.split(command, comments=True)[1:])
        assert outcome.status == 0, f"{place}: {command}\n{outcome.err}"
    else:
        done = subprocess.run(command, shell=True, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{place}: {command}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_names_commands_options_and_extras_that_exist(page: Path) -> None:
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{name_of(page)}, line {block.line}: say what language this is"
        if block.is_example:
            assert (REPOSITORY / str(block.title)).is_file()
            assert block.text == f'--8<-- "{block.title}"\n'
        for command in commands_of(block.text) if block.not_run is not None and block.language == "sh" else []:
            check_command(shlex.split(command, comments=True), f"{name_of(page)}, line {block.line}: {command}")


def check_command(words: list[str], place: str) -> None:
    if "ganbert" in words:  # by itself, or behind torchrun
        name, *arguments = words[words.index("ganbert") + 1 :]
        Command.commands[name].make_context(name, arguments)
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(words[1:]) <= set(targets), place
    elif words[0] == "pip":
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = re.findall(r"\w+", re.sub(r".*\[(.*)\]", r"\1", words[-1]))
        assert set(extras) <= set(project["optional-dependencies"]), place
    elif words[:2] == ["python", "-m"]:
        module = REPOSITORY.joinpath(*words[2].split("."))
        assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file(), place
    else:
        assert words[0] in ("curl", ".venv/bin/pre-commit"), place


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", *GUIDES], ids=name_of)
def test_every_option_in_the_text_is_one_of_ganbert(page: Path) -> None:
    known = {option for command in Command.commands.values() for p in command.params for option in p.opts}
    code = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S))
    for words in code:
        if words.startswith("python -m benchmarks."):  # which have options of their own
            continue
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]+", words):
            assert option in known | OF_OTHER_PROGRAMS | {"--help", "--version"}, f"{name_of(page)}: {words}"


def test_few_blocks_are_not_run_and_nothing_is_shrunk_in_vain() -> None:
    blocks: list[Block] = [block for page in PAGES for block in blocks_of(page)]
    code = [block for block in blocks if block.language in ("python", "sh")]
    assert sum(block.not_run is not None for block in code) < len(code) / 3
    text = "\n".join(block.text for block in code)
    for pattern, _ in SHRINK:
        assert re.search(pattern, text, re.MULTILINE), pattern
