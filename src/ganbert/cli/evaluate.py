"""`ganbert evaluate`: a model's figures on a labelled table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options
from ganbert.cli.option_groups import MachineGroup, TestedTableGroup, expand_groups
from ganbert.wording import printable


@expand_groups
def command(
    model: options.Model,
    file: Annotated[Path, typer.Argument(help=f"Labelled table ({options.FORMATS}).", show_default=False)],
    batch_size: options.BatchSize = None,
    *,
    tables: TestedTableGroup,
    machine: MachineGroup,
    as_json: options.Json = False,
) -> None:
    """Measure a model on labelled rows: accuracy, F1, calibration, and each class.

    Example:

        ganbert evaluate model test.csv
    """
    options.quiet_libraries()
    from rich.console import Console

    from ganbert.cli.metric_tables import print_metrics, print_per_class
    from ganbert.data.rows import check_tables

    table_options = tables.table_options(model)
    check_tables([], table_options, labelled=[file])

    from ganbert.data.corpus import read_labelled
    from ganbert.predict.predictor import Predictor

    predictor = Predictor.load(model, batch_size, **vars(machine))
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
