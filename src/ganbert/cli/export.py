"""`ganbert export`: a trained model in a form that runs without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options
from ganbert.predict.backends import export_formats
from ganbert.wording import printable


def command(
    model: options.Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write, new or empty.")],
    to: Annotated[str, typer.Option("--format", help=f"Format of the model: {', '.join(export_formats())}.")] = "onnx",
    int8: Annotated[
        bool, typer.Option("--int8", help="8-bit integers for the encoder's matrices: smaller, and faster on a CPU.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write a model as an ONNX graph, from token ids to probabilities and novelty, to be run without PyTorch.

    `ganbert predict` and `ganbert evaluate` take the folder as they take any model, without PyTorch and transformers.

    Example:

        ganbert export model --format onnx --int8 --output model-onnx
    """
    options.quiet_libraries()
    from ganbert.predict.export import export_model

    folder = export_model(model, output, to, int8=int8)
    size = sum(file.stat().st_size for file in folder.iterdir())
    if as_json:
        options.print_json({"output": str(folder), "format": to, "int8": int8, "bytes": size})
    else:
        name = printable(folder)
        print(f"{name} written, {size / 1e6:.0f} MB; it is used as any model: ganbert predict {name} FILE")
