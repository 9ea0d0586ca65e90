"""`ganbert compare`: the same data through several methods at equal budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options
from ganbert.cli.option_groups import ComparisonGroup, EngineGroup, MachineGroup, TableGroup, expand_groups
from ganbert.compare.tasks import TASKS
from ganbert.errors import InputError


@expand_groups
def command(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help=f"Tables ({options.FORMATS}) in which unlabelled rows have an empty label; or tasks, as qc-coarse.",
            show_default=False,
        ),
    ] = None,
    labelled: options.Labelled = None,
    unlabelled: options.Unlabelled = None,
    test: Annotated[
        Path | None, typer.Option(help="Table to measure on; without it, cross-validation over the labelled rows.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for results.jsonl, the plot, report.html and summary.md.")
    ] = Path("comparison"),
    *,
    comparison: ComparisonGroup,
    engine: EngineGroup,
    machine: MachineGroup,
    table: TableGroup,
    as_json: options.Json = False,
) -> None:
    """Measure methods side by side on your own table, or on tasks: same rows, same encoder, equally many steps.

    Results are written as each run ends. Started again, it does only what is missing.

    Examples:

        ganbert compare messages.csv

        ganbert compare messages.csv --test test.csv --methods tfidf,setfit,bert-tuned,default --seeds 3

        ganbert compare messages.csv --test test.csv --labels 50,100,50%

        ganbert compare messages.csv --test test.csv --labels 50 --selection random,suggest --names labels

        ganbert compare messages.csv --test test.csv --encoders minilm,sentence-transformers/all-mpnet-base-v2

        ganbert compare qc-coarse sst5 --labels 1% --methods bert,gan-bert
    """
    names = [name for name in files or [] if name in TASKS and not Path(name).exists()]
    paths = [Path(name) for name in files or [] if name not in names]
    tables = [*paths, *(labelled or []), *(unlabelled or []), *([test] if test else [])]
    if names and len(tables) > 0:
        raise InputError(f"{names[0]!r} is a task with rows of its own: compare tasks and files in two commands")
    if names and comparison.budgets is None:
        raise InputError(f"{names[0]!r}: a task needs a label budget, as --labels 1%")
    if missing := [path for path in paths if not path.exists()]:
        raise InputError("no such file or folder, and no task (" + ", ".join(TASKS) + ")", path=missing[0])
    if not (names or paths or labelled):
        raise InputError("no table: name a FILE, or --labeled FILE with --unlabeled FILE")
    comparison.chosen_budgets(names)
    comparison.check()
    engine.check()
    from ganbert.compare.store import check_folder

    check_folder(output, tables)
    options.quiet_libraries()
    from ganbert.data.rows import check_tables

    table_options = table.table_options()
    for path in tables:
        if str(path) == "-" or (path.exists() and not (path.is_file() or path.is_dir())):
            raise InputError("a comparison reads its tables more than once: write this one to a file", path=path)
    check_tables(paths, table_options, labelled or [], unlabelled or [], test=test)

    # From here on libraries that take seconds to import.
    from ganbert.cli.run_comparison import carry_out_and_show
    from ganbert.compare.row_sources import RowSource, TableRows, TaskRows

    sources: list[RowSource] = [TaskRows(name, comparison.data_root) for name in names]
    if not names:
        sources = [TableRows(tuple(paths), tuple(labelled or ()), tuple(unlabelled or ()), test, table_options)]
    runs = comparison.runs(sources, machine)
    carry_out_and_show(
        runs, output, engine.start(machine), jobs=engine.jobs, against=comparison.against, as_json=as_json
    )
