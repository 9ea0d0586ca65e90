"""`ganbert evaluate`: a model's figures on a labelled table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options
from ganbert.wording import printable


def command(
    model: options.Model,
    file: Annotated[Path, typer.Argument(help=f"Labelled table ({options.FORMATS}).", show_default=False)],
    batch_size: options.BatchSize = None,
    text_column: options.RememberedTextColumn = None,
    text_pair_column: options.TextPairColumn = None,
    label_column: options.RememberedLabelColumn = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    table_format: options.TableFormat = "csv",
    normalize_labels: options.NormalizeLabels = False,
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
    from ganbert.data.rows import check_tables

    table_options = options.table_options_of(
        model,
        text_column,
        text_pair_column,
        label_column,
        encoding=encoding,
        skip_empty=skip_empty,
        allow_unseen=allow_unseen,
        delimiter=delimiter,
        normalize_labels=normalize_labels,
        format=table_format,
    )
    check_tables([], table_options, labelled=[file])

    from ganbert.data.corpus import read_labelled
    from ganbert.predict.predictor import Predictor

    predictor = Predictor.load(model, batch_size, device=device, precision=precision, threads=threads)
    rows = read_labelled(file, table_options, predictor.label_names)
    for note in rows.notes:
        print(printable(note), file=sys.stderr)
    print(f"Computing on {predictor.description}.", file=sys.stderr)
    predictions = predictor.predict_rows(rows.dataset, progress=True)
    metrics = predictions.metrics(rows.dataset.with_format("numpy")["label"][:])
    for note in predictions.counts.notes(predictor.max_length):
        print(note, file=sys.stderr)
    if as_json:
        skipped = {"skipped_empty": rows.n_skipped, "skipped_blank": rows.n_blank}
        seen = {"cut": predictions.n_cut, "mostly_unknown": predictions.n_unknown}
        options.print_json(metrics.as_dict() | skipped | seen)
    else:
        console = Console()
        print_metrics(console, {str(model): (metrics, None, None)})
        print_per_class(console, metrics)
        if metrics.n_unseen:
            console.print(f"{metrics.n_unseen} rows have a label the model never saw; they count as errors.")
