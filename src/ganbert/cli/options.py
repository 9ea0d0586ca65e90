"""Options that several subcommands share, and how they talk to a person."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ganbert.data import formats
from ganbert.errors import InputError

TextColumn = Annotated[str, typer.Option(help="Column of the texts.", rich_help_panel="Tables")]
TextPairColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of second texts, for pairs; a column text_pair is taken by itself.", rich_help_panel="Tables"
    ),
]
LabelColumn = Annotated[
    str,
    typer.Option(
        help="Column of the labels, words or numbers; an empty cell is an unlabelled row.", rich_help_panel="Tables"
    ),
]
RememberedTextColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of the texts; else the one the model was trained on.", show_default=False, rich_help_panel="Tables"
    ),
]
RememberedLabelColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of the labels; else the one the model was trained on.",
        show_default=False,
        rich_help_panel="Tables",
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help="What separates the fields of a CSV file, as ';' or tab; else a comma, or what the header shows.",
        show_default=False,
        rich_help_panel="Tables",
    ),
]
NoneLabel = Annotated[
    list[str] | None,
    typer.Option(help='Label that means "no label"; repeatable.', show_default=False, rich_help_panel="Tables"),
]
NormalizeLabels = Annotated[
    bool,
    typer.Option(
        "--normalize-labels",
        help="Merge labels that differ only in case, outer or invisible space, or Unicode form.",
        rich_help_panel="Tables",
    ),
]
Encoding = Annotated[str, typer.Option(help="Encoding of text files, such as latin-1.", rich_help_panel="Tables")]
SkipEmpty = Annotated[
    bool, typer.Option("--skip-empty", help="Drop and count rows without text.", rich_help_panel="Tables")
]
AllowUnseen = Annotated[
    bool,
    typer.Option(
        "--allow-unseen",
        help="Accept test and validation rows whose label no training row has: they count as errors.",
        rich_help_panel="Tables",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel="Machine")]
Precision = Annotated[
    str, typer.Option(help="auto (bfloat16 where it is native), float32 or bfloat16.", rich_help_panel="Machine")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the processor.", rich_help_panel="Machine")]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Rows computed at once; else chosen by their length.", show_default=False)
]
TableFormat = Annotated[
    str,
    typer.Option(
        "--format", help=f"Format of standard input and output: {', '.join(formats.FORMATS)}.", rich_help_panel="Tables"
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Fixes initial weights, order, noise and dropout.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output, nothing else there.")]
Model = Annotated[Path, typer.Argument(help="Model folder that `ganbert train` left.", show_default=False)]


def _at_most(option: str, most: float) -> Callable[[float | None], float | None]:
    """Return a callback that refuses a larger number, or nan, in one line."""

    def check(value: float | None) -> float | None:
        if value is not None and not value <= most:
            raise InputError(f"{option} {value:g}: at most {most:,}")
        return value

    return check


Encoder = Annotated[str, typer.Option(help="Hugging Face name or folder of the encoder, or minilm.")]
TeacherEncoder = Annotated[
    str | None,
    typer.Option(help="Encoder of the teacher, where it is to be another one, perhaps larger.", show_default=False),
]
Methods = Annotated[
    str,
    typer.Option(
        help="Names, as bert,gan-bert; with other choices of the recipe, as gan-bert:noise=uniform+pooling=mean; "
        "or a method of your own, as package.module:name."
    ),
]
Seeds = Annotated[
    int,
    typer.Option(min=1, callback=_at_most("--seeds", 1000), help="Repetitions, each with rows and weights of its own."),
]
Encoders = Annotated[
    str,
    typer.Option(
        "--encoder",
        "--encoders",
        metavar="LIST",
        help="Hugging Face name or folder of the encoder, or minilm; several with commas.",
    ),
]
Selections = Annotated[
    str,
    typer.Option(
        "--selection",
        metavar="LIST",
        help="Which rows have a label: random, suggest (what ganbert suggest proposes) or a strategy of it; several "
        "with commas.",
    ),
]
KnownNames = Annotated[
    str,
    typer.Option(
        "--names",
        "--class-names",
        metavar="LIST",
        help="What methods may know of the classes' names: none, labels (the labels in words) or a FILE; several with "
        "commas.",
    ),
]
Budgets = Annotated[
    str | None,
    typer.Option(
        "--labels",
        "--budgets",
        metavar="LIST",
        help="How many labels to keep, as 100 or 10%, or a task's published subset, as few_5; several with commas.",
        show_default=False,
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(envvar="GANBERT_DATA", help="Folder of local copies of the tasks; without it they are downloaded."),
]
Balanced = Annotated[bool, typer.Option("--balanced", help="Draw labelled rows class by class.")]
Labelled = Annotated[
    list[Path] | None, typer.Option("--labeled", "--labelled", help="Table in which every row has a label.")
]
Unlabelled = Annotated[
    list[Path] | None, typer.Option("--unlabeled", "--unlabelled", help="Table whose labels are not looked at.")
]
ClassNames = Annotated[
    str,
    typer.Option(
        "--class-names",
        metavar="FILE|auto|none",
        help="What classes are called in words: a file (JSON, YAML, or a table of label and text), or auto: labels "
        "that are words. A class that the file names needs no labelled row.",
    ),
]
MaxLength = Annotated[int | None, typer.Option(min=3, help="Tokens kept of a text.")]
Epochs = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        callback=_at_most("--epochs", 10**6),
        help="Epochs of the paper's GAN-BERT, which set everyone's steps.",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        help="Method to measure all others against; without it the plain fine-tune that belongs to each.",
        show_default=False,
    ),
]
MaxSteps = Annotated[
    int | None,
    typer.Option(min=1, callback=_at_most("--max-steps", 10**9), help="Optimiser steps of everyone, instead."),
]
Engine = Annotated[str, typer.Option(help="local, or ray (a cluster).", rich_help_panel="Machine")]
Jobs = Annotated[
    int,
    typer.Option(
        min=1,
        callback=_at_most("--jobs", 256),
        help="Runs at once, each in its own process.",
        rich_help_panel="Machine",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(help="Of the Ray cluster; else that of the environment, or this machine.", rich_help_panel="Machine"),
]

FORMATS = f"{formats.names()}, or a datasets folder; - is standard input"


def quiet_libraries() -> None:
    """Keep notes and progress bars of the libraries off the screen; ours say what a person needs."""
    # By the environment, which they read when they are imported: not every command imports them, and it takes long.
    quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "DATASETS_VERBOSITY": "error"}
    if not sys.stderr.isatty():
        quiet["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    for name, value in {"TOKENIZERS_PARALLELISM": "true", **quiet}.items():
        os.environ.setdefault(name, value)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it is told where no folder of its own can be written
    if "transformers" in sys.modules or "datasets" in sys.modules:  # too late for that
        _quiet_imported_libraries()


def _quiet_imported_libraries() -> None:
    import datasets
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    datasets.utils.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()


def print_json(value: Any) -> None:
    """Print one JSON object, in ASCII where standard output is not UTF-8."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(value, ensure_ascii=not is_utf8))
