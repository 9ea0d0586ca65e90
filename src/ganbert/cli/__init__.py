"""The command `ganbert`: one module a subcommand, each of which parses, calls and prints."""

from __future__ import annotations

import sys

import typer

from ganbert.cli import compare, curve, demo, evaluate, export, predict, train
from ganbert.errors import InputError, RunError
from ganbert.version import __version__

app = typer.Typer(
    name="ganbert",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Text classification from a few labelled and many unlabelled texts.

    A first look, on a sample that comes along:  **ganbert demo**

    Your own texts:  **ganbert train messages.csv --test test.csv --output model**,
    where the column `text` holds the texts and the column `label` the labels, empty where there is none.
    """,
)
app.command("train")(train.command)
app.command("evaluate")(evaluate.command)
app.command("predict")(predict.command)
app.command("compare")(compare.command)
app.command("curve")(curve.command)
app.command("export")(export.command)
app.command("demo")(demo.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ganbert {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Options of `ganbert` itself."""


def main() -> None:
    """Run the command; wrong input is one line and exit status 2, a failed run one line and exit status 1."""
    try:
        app()
    except InputError as error:
        print(f"ganbert: {error}", file=sys.stderr)
        sys.exit(2)
    except RunError as error:
        print(f"ganbert: {error}", file=sys.stderr)
        sys.exit(128 + signal_number if (signal_number := getattr(error, "signal_number", 0)) else 1)
    except KeyboardInterrupt:
        print("ganbert: stopped", file=sys.stderr)
        sys.exit(130)
