"""`ganbert predict`: a table in, the same table with labels, confidence and novelty out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options
from ganbert.cli.option_groups import MachineGroup, PredictedTableGroup, expand_groups
from ganbert.errors import InputError
from ganbert.wording import printable


@expand_groups
def command(
    model: options.Model,
    file: Annotated[Path, typer.Argument(help=f"Table of texts ({options.FORMATS}).", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Table to write, in the format of its ending; - is standard output.")
    ],
    overwrite: options.Overwrite = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add one column for each class with its probability.")
    ] = False,
    batch_size: options.BatchSize = None,
    *,
    tables: PredictedTableGroup,
    machine: MachineGroup,
    as_json: options.Json = False,
) -> None:
    """Classify every row of a table, of any size: rows are read, classified and written as they come.

    Adds the columns `predicted_label`, `confidence` (probability of that label) and `novelty` (how much the row looks
    like none of the training texts, from 0 to 1; empty if the model was trained without unlabelled texts).

    Examples:

        ganbert predict model new.csv --output predictions.csv

        cat new.csv | ganbert predict model - --output - > predictions.csv
    """
    options.quiet_libraries()
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from ganbert.data.rows import check_tables
    from ganbert.data.tables import check_table_output
    from ganbert.predict.files import predict_file
    from ganbert.predict.predictor import Predictor

    table_options = tables.table_options(model)
    if as_json and str(output) == "-":
        raise InputError("--json and --output - both want standard output: name an output file")
    check_table_output(output, inputs=[file], overwrite=overwrite, format=tables.table_format)
    check_tables([], table_options, unlabelled=[file])
    predictor = Predictor.load(model, batch_size, **vars(machine))
    console = Console(stderr=True)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.completed:,} rows"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # elsewhere it would leave an empty line
    )
    with bar:
        rows = bar.add_task("rows", total=None)

        def advance(n: int) -> None:
            if bar.tasks[rows].completed == 0:  # not before: wrong input is one line
                console.print(f"Computing on {predictor.description}.", highlight=False)
            bar.advance(rows, n)

        counts = predict_file(
            predictor,
            file,
            output,
            table_options,
            on_rows=advance,
            probabilities=probabilities,
            overwrite=overwrite,
        )
    for note in counts.notes:
        print(printable(note), file=sys.stderr)
    if as_json:
        options.print_json(
            {
                "output": str(output),
                "n": counts.n,
                "skipped_empty": counts.n_skipped,
                "skipped_blank": counts.n_blank,
                "cut": counts.texts.n_cut,
                "mostly_unknown": counts.texts.n_unknown,
            }
        )
        return
    skipped = f"; {counts.n_skipped} without text were left out" if counts.n_skipped else ""
    skipped += f"; {counts.n_blank} blank lines were passed over" if counts.n_blank else ""
    to = "standard output" if str(output) == "-" else printable(output)
    print(f"{counts.n} rows written to {to}{skipped}", file=sys.stderr if str(output) == "-" else sys.stdout)
