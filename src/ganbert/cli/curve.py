"""`ganbert curve`: learning curves over label budgets, the paper's figure 2."""

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
    tasks: Annotated[
        list[str],
        typer.Argument(metavar="TASK...", help="qc-coarse, qc-fine, sst5, 20n, 20n-stripped, mnli-m or mnli-mm."),
    ],
    budgets: options.Budgets = None,
    methods: options.Methods = "bert-epochs,bert,gan-bert,bert-tuned,default",
    against: options.Against = None,
    seeds: options.Seeds = 5,
    split: Annotated[
        str, typer.Option(help="Measure on the test set, or on dev, training rows set aside, for choosing settings.")
    ] = "test",
    balanced: options.Balanced = False,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Folder for results.jsonl, curve.png, curve.svg, report.html and summary.md."
        ),
    ] = Path("curve"),
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
    as_json: options.Json = False,
) -> None:
    """Measure methods on the paper's tasks, over label budgets and seeds.

    Without `--labels` it takes the label budgets of the paper.

    Results are written as each run ends. Started again, it does only what is missing; two may share a folder.

    Examples:

        ganbert curve qc-coarse --labels 1%,2% --methods bert,gan-bert --seeds 3

        ganbert curve qc-fine --methods gan-bert,gan-bert:noise=uniform,gan-bert:pooling=mean --split dev
    """
    if split not in ("test", "dev"):
        raise InputError(f"--split {split!r}: choose test or dev")
    chosen = Budget.parse_all(budgets) if budgets is not None else None
    for task in tasks:
        if task not in TASK_NAMES:
            raise InputError(f"no task {task!r}: choose one of {', '.join(TASK_NAMES)}")
    options.check_engine(engine, jobs, address)
    check_folder(output, [])

    # From here on libraries that take seconds to import.
    options.quiet_libraries()
    from ganbert.cli.comparison import carry_out_and_show
    from ganbert.compare.measure import runs_of
    from ganbert.compare.sources import TaskSource

    sources = [TaskSource(task, data_root, split) for task in tasks]  # type: ignore[arg-type]
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
