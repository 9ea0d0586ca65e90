"""`ganbert suggest`: a pile of texts in, a table of the rows to label next out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbert.cli import options
from ganbert.cli.option_groups import ClassNamesGroup, MachineGroup, PoolGroup, expand_groups
from ganbert.errors import InputError
from ganbert.wording import counted, printable, quoted

if TYPE_CHECKING:
    from ganbert.select.suggest import Suggestions


@expand_groups
def command(
    pool: Annotated[
        Path,
        typer.Argument(
            help=f"Table of texts ({options.FORMATS.partition(';')[0]}); rows that have a label are learned from.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Table to write, in the format of its ending; - is standard output.")
    ],
    labelled: Annotated[
        list[Path] | None,
        typer.Option("--labeled", "--labelled", help="Table with what you have labelled so far; can be repeated."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Model folder whose probabilities are to be used.", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("-n", "--rows", min=1, help="How many rows.")] = 20,
    strategy: Annotated[
        str,
        typer.Option(
            help="How to choose: auto, random, facility-location, typical, coverage, margin, badge or cluster-margin."
        ),
    ] = "auto",
    encoder: options.Encoder = "minilm",
    max_length: Annotated[int, typer.Option(min=3, help="Tokens of a text that the encoder reads.")] = 128,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Fixes what is drawn at random.")] = 0,
    overwrite: options.Overwrite = False,
    *,
    names: ClassNamesGroup,
    tables: PoolGroup,
    machine: MachineGroup,
    as_json: options.Json = False,
) -> None:
    """Say which rows of a table to label next.

    Writes them with all their columns, the most telling first, and adds an empty column of labels if there is none,
    `reason`, `guess` (the most probable class) and `confidence` (its probability). It needs no label to begin with.

    Examples:

        ganbert suggest pool.csv --output next.csv

        ganbert suggest pool.csv --labeled next.csv --output next2.csv
    """
    options.quiet_libraries()
    from ganbert.data.rows import check_tables
    from ganbert.data.tables import check_table_output

    table_options = tables.table_options(model)
    if as_json and str(output) == "-":
        raise InputError("--json and --output - both want standard output: name an output file")
    if str(pool) == "-" or (pool.exists() and not (pool.is_file() or pool.is_dir())):
        raise InputError("the pool is read more than once: write it to a file", path=pool)
    class_names = names.checked()
    inputs = [pool, *(labelled or []), *([names.file] if names.file else [])]
    check_table_output(output, inputs=inputs, overwrite=overwrite, format=tables.table_format)
    check_tables(labelled or [], table_options, [], [pool])

    # From here on libraries that take seconds to import.
    from ganbert.runtime import choose_compute
    from ganbert.select.files import write_suggestions
    from ganbert.select.suggest import suggest

    suggestions = suggest(
        pool,
        labelled,
        n,
        class_names=class_names,
        model=model,
        encoder=encoder,
        strategy=strategy,
        seed=seed,
        max_length=max_length,
        options=table_options,
        compute=choose_compute(**vars(machine)),
        progress=True,
    )
    write_suggestions(suggestions, pool, output, table_options, overwrite=overwrite)
    for note in suggestions.notes:
        print(printable(note), file=sys.stderr)
    if as_json:
        options.print_json(
            {"output": str(output), "n": len(suggestions.rows), "strategy": suggestions.strategy, **suggestions.counts}
        )
    else:
        _print_summary(suggestions, output, table_options.label_column)


def _print_summary(suggestions: Suggestions, output: Path, column: str) -> None:
    """Say what was done and what comes next; on standard error if the rows themselves went to standard output."""
    to_output = str(output) == "-"
    stream = sys.stderr if to_output else sys.stdout
    n, where = len(suggestions.rows), "standard output" if to_output else printable(output)
    print(f"{counted(n, 'row')} to label written to {where}; strategy: {suggestions.strategy}", file=stream)
    if n and not to_output:
        print(f"Fill in the column {quoted(column)}, and give the file with --labeled next time.")
