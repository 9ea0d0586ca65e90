from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from ganbert.cli import options
from ganbert.cli.option_groups import ClassNamesGroup, MachineGroup, TableGroup, expand_groups
from ganbert.errors import InputError

seen: dict[str, Any] = {}


@dataclass(frozen=True)
class Colours:
    ink: Annotated[str, typer.Option(help="Of the letters.", rich_help_panel="Colours")] = "black"
    paper: Annotated[str | None, typer.Option("--paper", "--ground", rich_help_panel="Colours")] = None


@dataclass(frozen=True)
class Machine(MachineGroup):
    precision: options.Precision = "float32"


@expand_groups
def paint(
    file: Annotated[str, typer.Argument()],
    *,
    first: Annotated[int, typer.Option(min=1)] = 1,
    colours: Colours,
    machine: Machine,
    last: bool = False,
) -> None:
    """Paint a file."""
    seen.update(file=file, first=first, colours=colours, machine=machine, last=last)


def run(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(paint)
    return CliRunner().invoke(app, arguments)


def test_a_command_gets_each_group_as_one_object_with_the_options_given() -> None:
    assert run("a.txt", "--ink", "red", "--ground", "white", "--threads", "2", "--last").exit_code == 0
    assert seen == {
        "file": "a.txt",
        "first": 1,
        "colours": Colours("red", "white"),
        "machine": Machine("auto", "float32", 2),
        "last": True,
    }


def test_help_shows_the_options_of_a_group_in_its_place_and_panel() -> None:
    text = run("--help").output
    assert "Paint a file." in text
    places = [text.index(word) for word in ("--first", "--last", "Colours", "--ink", "--ground", "--device")]
    assert places == sorted(places)


def test_an_option_that_is_not_in_the_group_is_refused() -> None:
    assert run("a.txt", "--pen", "x").exit_code == 2


def test_the_table_group_says_how_tables_are_read() -> None:
    tables = TableGroup(text_column="body", none_label=["none", "?"], skip_empty=True)
    options = tables.table_options(format="tsv")
    assert (options.text_column, options.none_labels, options.skip_empty) == ("body", ("none", "?"), True)
    assert options.format == "tsv"


def test_the_group_of_class_names_says_which_file_and_checks_it(tmp_path: Path) -> None:
    assert (ClassNamesGroup().file, ClassNamesGroup().checked()) == (None, "auto")
    assert (ClassNamesGroup("none").file, ClassNamesGroup("none").checked()) == (None, None)
    names = tmp_path / "names.json"
    with pytest.raises(InputError, match="no such file"):
        ClassNamesGroup(str(names)).checked()
    names.write_text('{"a": "b"}', encoding="utf-8")
    assert ClassNamesGroup(str(names)).checked() == ClassNamesGroup(str(names)).file == names


def test_a_subclass_of_a_group_may_have_another_default_in_the_same_place() -> None:
    text = run("--help").output
    assert text.index("--device") < text.index("--precision") < text.index("--threads")
    run("a.txt", "--precision", "bfloat16")
    assert seen["machine"] == Machine("auto", "bfloat16", None)
    run("a.txt")
    assert seen["machine"] == Machine("auto", "float32", None)


@pytest.mark.parametrize("value", ["0", "x"])
def test_values_are_checked_as_those_of_any_option(value: str) -> None:
    assert run("a.txt", "--threads", value).exit_code == 2
