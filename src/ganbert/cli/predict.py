"""`ganbert predict`: a table in, the same table with labels, confidence and novelty out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options
from ganbert.terminal import printable


def command(
    model: options.Model,
    file: Annotated[Path, typer.Argument(help=f"Table of texts ({options.FORMATS}).", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Table to write, in the format of its ending.")],
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows computed at once; else chosen by their length.", show_default=False)
    ] = None,
    text_column: options.TextColumn = "text",
    text_pair_column: options.TextPairColumn = None,
    encoding: options.Encoding = "utf-8",
    skip_empty: options.SkipEmpty = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Classify every row of a table, of any size: rows are read, classified and written as they come.

    Adds the columns `predicted_label`, `confidence` (probability of that label) and `novelty` (how much the row looks
    like none of the training texts, from 0 to 1; empty if the model was trained without unlabelled texts).

    Example:

        ganbert predict model new.csv --output predictions.csv
    """
    options.quiet_libraries()
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from ganbert.data.rows import TableOptions
    from ganbert.data.tables import check_ending
    from ganbert.inference.files import predict_file
    from ganbert.inference.predictor import Predictor

    check_ending(output)
    predictor = Predictor.load(model, batch_size, device=device, precision=precision, threads=threads)
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
            TableOptions(text_column, text_pair_column, encoding=encoding, skip_empty=skip_empty),
            on_rows=advance,
        )
    if as_json:
        options.print_json({"output": str(output), "n": counts.n, "skipped_empty": counts.n_skipped})
    else:
        skipped = f"; {counts.n_skipped} without text were left out" if counts.n_skipped else ""
        print(f"{counts.n} rows written to {printable(output)}{skipped}")
