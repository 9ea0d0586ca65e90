"""`ganbert evaluate`: a model's figures on a labelled table."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options


def command(
    model: options.Model,
    file: Annotated[Path, typer.Argument(help=f"Labelled table ({options.FORMATS}).", show_default=False)],
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows computed at once; else chosen by their length.", show_default=False)
    ] = None,
    text_column: options.TextColumn = "text",
    text_pair_column: options.TextPairColumn = None,
    label_column: options.LabelColumn = "label",
    encoding: options.Encoding = "utf-8",
    skip_empty: options.SkipEmpty = False,
    allow_unseen: options.AllowUnseen = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Measure a model on labelled rows: accuracy, F1, calibration, and each class.

    Example:

        ganbert evaluate model test.csv
    """
    options.quiet_libraries()
    from rich.console import Console

    from ganbert.cli.tables import print_metrics, print_per_class
    from ganbert.data.corpus import read_labelled
    from ganbert.data.rows import TableOptions
    from ganbert.inference.predictor import Predictor

    predictor = Predictor.load(model, batch_size, device=device, precision=precision, threads=threads)
    table_options = TableOptions(text_column, text_pair_column, label_column, encoding, skip_empty, allow_unseen)
    with tempfile.TemporaryDirectory(prefix="ganbert-", ignore_cleanup_errors=True) as workspace:
        dataset = read_labelled(file, table_options, predictor.label_names, Path(workspace)).dataset
        print(f"Computing on {predictor.description}.", file=sys.stderr)
        metrics = predictor.measure(dataset, progress=True)
    if as_json:
        options.print_json(metrics.as_dict())
    else:
        console = Console()
        print_metrics(console, {str(model): (metrics, None, None)})
        print_per_class(console, metrics)
        if metrics.n_unseen:
            console.print(f"{metrics.n_unseen} rows have a label the model never saw; they count as errors.")
