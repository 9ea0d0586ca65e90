"""The command `ganbert`: one module a subcommand, each of which parses, calls and prints."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from itertools import pairwise
from types import FrameType
from typing import Any

import typer

from ganbert import __version__
from ganbert.cli import compare, curve, demo, evaluate, export, predict, suggest, train
from ganbert.cli.streams import tolerant_streams
from ganbert.errors import InputError, RunError
from ganbert.extras import extras_named
from ganbert.storage.disk import why_not_written
from ganbert.wording import printable

LEAVES_FILES = frozenset({"suggest", "train", "predict", "compare", "curve", "export", "demo"})
"""Commands whose product is a file or folder: it is complete even where their last words could not be printed."""
MESSAGE_LENGTH = 500
"""Characters kept of what a library says."""

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Base of what typer raises for options it cannot take; typer exports only this subclass of it."""

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
app.command("suggest")(suggest.command)
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


class _TerminatedError(BaseException):
    """SIGTERM came, where nothing else was prepared for it."""


def main() -> None:
    """Run the command: wrong input is one line and exit status 2, whatever else fails one line and exit status 1."""
    with tolerant_streams() as output:
        status = _status_of_command()
        if output is not None:
            output.flush()
            if output.lost is not None:
                status = status or _status_of_lost_output(output.lost)
    sys.exit(status)


def _status_of_command() -> int:
    """Run the command, tell what went wrong, and return the exit status."""
    before = _on_sigterm(_terminate)
    try:
        with extras_named():
            status = app(standalone_mode=False)  # the exit status where an option asks for the end, as --help does
        if status == 130:  # typer's word for Ctrl-C
            _tell("stopped")
        return status if isinstance(status, int) else 0
    except SystemExit as end:  # typer's way out of a closed pipe
        pipe_closed = isinstance(end.__context__, BrokenPipeError)
        return 141 if pipe_closed else end.code if isinstance(end.code, int) else int(end.code is not None)
    except _UsageError as error:
        return _tell_usage(error)
    except InputError as error:
        _tell(error)
        return 2
    except RunError as error:
        _tell(error)
        return 128 + number if (number := getattr(error, "signal_number", 0)) else 1
    except KeyboardInterrupt:
        _tell("stopped")
        return 130
    except _TerminatedError:
        _tell("stopped")
        return 143
    except Exception as error:  # of a library, for a cause that nobody foresaw
        _tell(error, f"{_in_words(error)} ({type(error).__name__}); GANBERT_DEBUG=1 shows the traceback")
        return 1
    finally:
        _on_sigterm(before)


def _tell_usage(error: Any) -> int:
    """Tell in one line what is wrong with an option; a command without any arguments shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        message = " ".join(error.format_message().split()).rstrip(".")
        _tell(f"{message[:1].lower()}{message[1:]} ({error.ctx.command_path if error.ctx else 'ganbert'} --help)")
    return 2


def _status_of_lost_output(error: OSError) -> int:
    """Return the exit status of a command that went well, but for what it printed."""
    if error.errno != errno.EPIPE:  # who closes a pipe has seen enough
        _tell(f"standard output cannot be written: {(error.strerror or str(error)).lower()}")
    to_output = [f"{option} {value}" for option, value in pairwise(sys.argv)] + sys.argv
    printed = {"--output -", "-o -", "--output=-", "-o-"} & set(to_output)
    if sys.argv[1:2] and sys.argv[1] in LEAVES_FILES and not printed:
        return 0
    return 141 if error.errno == errno.EPIPE else 1


def _tell(error: object, message: str | None = None) -> None:
    """Print one line, or the lines that we made ourselves: what was put into them is escaped."""
    if isinstance(error, BaseException) and os.environ.get("GANBERT_DEBUG", "0") not in ("", "0"):
        traceback.print_exception(error)
    lines = (str(error) if message is None else message).split("\n")
    print("ganbert:", "\n".join(map(printable, lines)), file=sys.stderr)


def _in_words(error: Exception) -> str:
    if (reason := why_not_written(error)) is not None:
        return f"cannot write: {reason}"
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError) and error.strerror is not None and error.filename is not None:
        return f"{error.filename}: {error.strerror.lower()}"
    return " ".join(str(error).split())[:MESSAGE_LENGTH] or "failed"


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _TerminatedError


def _on_sigterm(handler: Any) -> Any:
    """Set what SIGTERM does, where this thread may, and return what it did before."""
    try:
        return signal.signal(signal.SIGTERM, handler)
    except (ValueError, TypeError):  # not the main thread, or a handler that Python did not set
        return None
