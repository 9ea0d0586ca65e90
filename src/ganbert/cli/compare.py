"""`ganbert compare`: the same data through several methods at equal budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options
from ganbert.compare.budget import Budget
from ganbert.compare.output import check_folder
from ganbert.compare.task_names import TASK_NAMES
from ganbert.errors import InputError


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
    methods: options.Methods = "tfidf,embed,bert-tuned,default",
    against: options.Against = None,
    seeds: options.Seeds = 5,
    budgets: options.Budgets = None,
    balanced: options.Balanced = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for results.jsonl, the plot, report.html and summary.md.")
    ] = Path("comparison"),
    data_root: options.DataRoot = None,
    encoder: options.Encoder = "minilm",
    max_length: options.MaxLength = None,
    epochs: options.Epochs = None,
    max_steps: options.MaxSteps = None,
    engine: options.Engine = "local",
    jobs: options.Jobs = 1,
    address: options.Address = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    text_column: options.TextColumn = "text",
    text_pair_column: options.TextPairColumn = None,
    label_column: options.LabelColumn = "label",
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    none_label: options.NoneLabel = None,
    normalize_labels: options.NormalizeLabels = False,
    skip_empty: options.SkipEmpty = False,
    allow_unseen: options.AllowUnseen = False,
    as_json: options.Json = False,
) -> None:
    """Measure methods side by side on your own table, or on tasks: same rows, same encoder, equally many steps.

    Results are written as each run ends. Started again, it does only what is missing.

    Examples:

        ganbert compare messages.csv

        ganbert compare messages.csv --test test.csv --methods tfidf,setfit,bert-tuned,default --seeds 3

        ganbert compare messages.csv --test test.csv --labels 50,100,50%

        ganbert compare qc-coarse sst5 --labels 1% --methods bert,gan-bert
    """
    names = [name for name in files or [] if name in TASK_NAMES and not Path(name).exists()]
    paths = [Path(name) for name in files or [] if name not in names]
    tables = [*paths, *(labelled or []), *(unlabelled or []), *([test] if test else [])]
    if names and len(tables) > 0:
        raise InputError(f"{names[0]!r} is a task with rows of its own: compare tasks and files in two commands")
    if names and budgets is None:
        raise InputError(f"{names[0]!r}: a task needs a label budget, as --labels 1%")
    if missing := [path for path in paths if not path.exists()]:
        raise InputError("no such file or folder, and no task (" + ", ".join(TASK_NAMES) + ")", path=missing[0])
    if not (names or paths or labelled):
        raise InputError("no table: name a FILE, or --labeled FILE with --unlabeled FILE")
    chosen = Budget.parse_all(budgets or "100%")
    options.check_engine(engine, jobs, address)
    check_folder(output, tables)
    options.quiet_libraries()
    from ganbert.data.rows import TableOptions, check_tables

    table_options = TableOptions(
        text_column,
        text_pair_column,
        label_column,
        encoding,
        skip_empty,
        allow_unseen,
        delimiter,
        tuple(none_label or ()),
        normalize_labels,
    )
    for path in (*paths, *(labelled or []), *(unlabelled or []), *([test] if test else [])):
        if str(path) == "-" or (path.exists() and not (path.is_file() or path.is_dir())):
            raise InputError("a comparison reads its tables more than once: write this one to a file", path=path)
    check_tables(paths, table_options, labelled or [], unlabelled or [], test=test)

    # From here on libraries that take seconds to import.
    from ganbert.cli.comparison import carry_out_and_show
    from ganbert.compare.measure import runs_of
    from ganbert.compare.sources import Source, TableSource, TaskSource

    sources: list[Source] = [TaskSource(name, data_root) for name in names]
    if not names:
        sources = [TableSource(tuple(paths), tuple(labelled or ()), tuple(unlabelled or ()), test, table_options)]
    runs = runs_of(
        sources,
        options.method_names(methods, against),
        chosen,
        seeds,
        encoder=encoder,
        balanced=balanced,
        max_length=max_length,
        epochs=epochs,
        max_steps=max_steps,
        device=device,
        precision=precision,
        threads=threads,
    )
    carry_out_and_show(
        runs,
        output,
        options.engine(engine, jobs, address, threads, device),
        jobs=jobs,
        against=against,
        as_json=as_json,
    )
