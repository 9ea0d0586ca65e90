"""`ganbert train`: tables in, a model folder out."""

from __future__ import annotations

import itertools
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbert.cli import options
from ganbert.cli.option_groups import ClassNamesGroup, MachineGroup, RecipeGroup, TableGroup, expand_groups
from ganbert.errors import InputError
from ganbert.wording import printable

if TYPE_CHECKING:
    from ganbert.data.rows import TableOptions
    from ganbert.training.report import TrainingResult


@expand_groups
def command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help=f"Tables ({options.FORMATS}) in which unlabelled rows have an empty label.", show_default=False
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the model.")] = Path("model"),
    labelled: options.Labelled = None,
    unlabelled: options.Unlabelled = None,
    validation: Annotated[Path | None, typer.Option(help="Table to choose the best checkpoint by.")] = None,
    validation_fraction: Annotated[
        float | None, typer.Option(min=0.0, max=0.9, help="Or: this share of each class's labelled rows.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Table to measure the finished model on, once.")] = None,
    encoder: options.Encoder = "minilm",
    teacher_encoder: options.TeacherEncoder = None,
    *,
    names: ClassNamesGroup,
    recipe: RecipeGroup,
    seed: options.Seed = 0,
    early_stopping: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many validations without a better accuracy.")
    ] = None,
    machine: MachineGroup,
    micro_batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Rows in memory at once; slower, same results.", rich_help_panel="Machine"),
    ] = None,
    gradient_checkpointing: Annotated[
        bool,
        typer.Option("--gradient-checkpointing", help="Less memory, slower, same results.", rich_help_panel="Machine"),
    ] = False,
    compiled: Annotated[
        bool,
        typer.Option("--compile", help="Minutes of torch.compile first, faster steps then.", rich_help_panel="Machine"),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the output folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model or run in the output folder.")
    ] = False,
    report_to: Annotated[str, typer.Option(help="Tracker: tensorboard, trackio, wandb, mlflow, ...")] = "none",
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Upload the model to this repository of the Hugging Face Hub; a new one is private, as the model card "
            "quotes a few training texts.",
            show_default=False,
        ),
    ] = None,
    tables: TableGroup,
    table_format: options.TableFormat = "csv",
    as_json: options.Json = False,
) -> None:
    """Train a classifier on labelled and unlabelled texts.

    Examples:

        ganbert train messages.csv --test test.csv --output model

        ganbert train --labeled few.csv --unlabeled many.jsonl.gz --validation-fraction 0.2

        ganbert train --unlabeled many.csv --class-names names.json --test test.csv

        ganbert train data.parquet --recipe paper --encoder google-bert/bert-base-cased --set epochs=5

    Stopped runs go on with `--resume`.
    """
    options.quiet_libraries()
    if not (files or labelled or (unlabelled and names.file)):
        raise InputError("no table: name a FILE, or --unlabeled FILE with --labeled FILE or --class-names FILE")
    if validation is not None and validation_fraction is not None:
        raise InputError("--validation and --validation-fraction: give one of the two")
    if early_stopping is not None and validation is None and validation_fraction is None:
        raise InputError("--early-stopping needs --validation or --validation-fraction")
    from ganbert.data.rows import check_tables

    table_options = tables.table_options(format=table_format)
    check_tables(files or [], table_options, labelled or [], unlabelled or [], validation, test)
    class_names = names.checked()

    # From here on libraries that take seconds to import.
    from transformers.integrations.integration_utils import get_available_reporting_integrations

    from ganbert.data.corpus import read_corpus
    from ganbert.runtime import choose_compute, is_main_process
    from ganbert.storage.hub import check_repo_id, push_folder
    from ganbert.training.run_folder import check_output
    from ganbert.training.train import train

    compute = choose_compute(**vars(machine))
    trackers = get_available_reporting_integrations()
    if report_to not in ("none", "all", *trackers):
        raise InputError(
            f"--report-to {report_to!r}: not installed, or no tracker that transformers knows (tensorboard, trackio, "
            f"wandb, mlflow, ...); installed: {', '.join(trackers) or 'none'}"
        )
    inputs = [*(files or []), *(labelled or []), *(unlabelled or []), *filter(None, (validation, test, names.file))]
    encoders = [encoder, *filter(None, [teacher_encoder])]
    check_output(output, resume=resume, overwrite=overwrite, inputs=[*map(str, inputs), *encoders])
    if push_to_hub is not None:  # not after an hour of training
        check_repo_id(push_to_hub)
    chosen = recipe.chosen()
    corpus = read_corpus(
        files or [],
        table_options,
        labelled=labelled or [],
        unlabelled=unlabelled or [],
        validation=validation,
        test=test,
        class_names=class_names,
    )
    if validation_fraction is not None:
        corpus = corpus.hold_out(validation_fraction, seed)
    result = train(
        chosen,
        corpus,
        output,
        encoder=encoder,
        teacher_encoder=teacher_encoder,
        seed=seed,
        compute=compute,
        micro_batch_size=micro_batch_size,
        gradient_checkpointing=gradient_checkpointing,
        compiled=compiled,
        early_stopping=early_stopping,
        resume=resume,
        overwrite=overwrite,
        report_to=report_to,
    )
    if not is_main_process():
        return
    if as_json:
        options.print_json(_summary(result, recipe.recipe))
    else:
        _print_summary(
            result, table_options, [*([test] if test else []), *(files or []), *(labelled or []), *(unlabelled or [])]
        )
    if push_to_hub is not None:  # the model is finished and named above, whatever becomes of the upload
        address = push_folder(output, push_to_hub)
        print(f"Uploaded to {printable(address)}", file=sys.stderr)


def _summary(result: TrainingResult, name: str) -> dict[str, object]:
    import dataclasses

    summary: dict[str, object] = {
        "output": str(result.output),
        "steps": result.steps,
        "seconds": round(result.seconds, 2),
        "recipe": {"name": name, **dataclasses.asdict(result.recipe)},
        "data": {
            **result.counts,
            "cut": result.n_cut,
            "mostly_unknown": result.n_unknown,
            "test_in_train": result.n_test_in_train,
        },
        "class_names": result.class_names,
        "fallback": result.fallback,
        "warnings": [*result.slips, *result.warnings],
    }
    if result.test is not None:
        summary["test"] = result.test.as_dict()
    return summary


def _print_summary(result: TrainingResult, table_options: TableOptions, tables: list[Path]) -> None:
    from rich.console import Console

    from ganbert.cli.metric_tables import print_metrics, print_per_class

    console = Console()
    console.print(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in result.counts.items() if number))
    if result.test is not None:
        print_metrics(console, {"test": (result.test, result.steps, result.seconds)})
        print_per_class(console, result.test)
    if result.fallback is not None:
        console.print(result.fallback, highlight=False, markup=False)
    # Not by rich, which breaks long lines and takes what stands in brackets for markup.
    print(f"Model: {printable(result.output)}  ({result.steps} steps in {result.seconds:.0f} s)")
    if readable := [table for table in tables if table.is_file()]:
        print(f"Next:  {printable(next_command(result.output, readable[0], table_options))}")


def next_command(model: Path, table: Path, table_options: TableOptions) -> str:
    """Return a command that can be run as it stands: predictions for one of the tables that were read."""
    words = ["ganbert", "predict", str(model), str(table), "--output", str(_free_name(Path("predictions.csv")))]
    for option, value, default in (
        ("--encoding", table_options.encoding, "utf-8"),
        ("--delimiter", table_options.delimiter, None),
    ):
        words += [option, value] if value is not None and value != default else []
    return shlex.join(words + ["--skip-empty"] * table_options.skip_empty)


def _free_name(path: Path) -> Path:
    """Return the path, or the first with a number before its ending that does not exist."""
    numbered = (path.with_stem(f"{path.stem}-{n}") for n in itertools.count(2))
    return next(candidate for candidate in itertools.chain([path], numbered) if not candidate.exists())
