"""`ganbert curve`: learning curves over label budgets, the paper's figure 2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options
from ganbert.cli.option_groups import ComparisonGroup, EngineGroup, MachineGroup, expand_groups
from ganbert.compare.tasks import TASKS
from ganbert.errors import InputError


@dataclass(frozen=True)
class CurveGroup(ComparisonGroup):
    """The same, with the methods of the paper."""

    methods: options.Methods = "bert-epochs,bert,gan-bert,bert-tuned,default"


@expand_groups
def command(
    tasks: Annotated[
        list[str],
        typer.Argument(metavar="TASK...", help=f"{', '.join(TASKS.own)}, or a task of another package."),
    ],
    split: Annotated[
        str, typer.Option(help="Measure on the test set, or on dev, training rows set aside, for choosing settings.")
    ] = "test",
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Folder for results.jsonl, curve.png, curve.svg, report.html and summary.md."
        ),
    ] = Path("curve"),
    *,
    comparison: CurveGroup,
    engine: EngineGroup,
    machine: MachineGroup,
    as_json: options.Json = False,
) -> None:
    """Measure methods on the paper's tasks, over label budgets and seeds.

    Without `--labels` it takes the label budgets of the task, the paper's where it is the paper's.

    Results are written as each run ends. Started again, it does only what is missing; two may share a folder.

    Examples:

        ganbert curve qc-coarse --labels 1%,2% --methods bert,gan-bert --seeds 3

        ganbert curve qc-fine --methods gan-bert,gan-bert:noise=uniform,gan-bert:pooling=mean --split dev
    """
    if split not in ("test", "dev"):
        raise InputError(f"--split {split!r}: choose test or dev")
    for task in tasks:
        if task not in TASKS:
            raise InputError(f"no task {task!r}: choose one of {', '.join(TASKS)}")
    comparison.chosen_budgets(tasks)
    comparison.check()
    engine.check()
    from ganbert.compare.store import check_folder

    check_folder(output, [])

    # From here on libraries that take seconds to import.
    options.quiet_libraries()
    from ganbert.cli.run_comparison import carry_out_and_show
    from ganbert.compare.row_sources import TaskRows

    sources = [TaskRows(task, comparison.data_root, split) for task in tasks]  # type: ignore[arg-type]
    runs = comparison.runs(sources, machine)
    carry_out_and_show(
        runs, output, engine.start(machine), jobs=engine.jobs, against=comparison.against, as_json=as_json
    )
