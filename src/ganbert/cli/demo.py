"""`ganbert demo`: the main job on the built-in sample, beside an equally long plain fine-tune."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbert.cli import options
from ganbert.storage.folders import scratch
from ganbert.wording import rich_text

N_SHOWN = 10
DEMO_FOLDER = Path("demo-model")
"""Where a demo replaces the one before; elsewhere it asks for --overwrite, as training does."""


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the model.")] = DEMO_FOLDER,
    overwrite: options.Overwrite = False,
    encoder: options.Encoder = "minilm",
    max_steps: Annotated[int, typer.Option(min=1, help="Optimiser steps of each of the two runs.")] = 150,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train on the built-in sample of messages to an online shop: 64 labelled, the others not, in 8 intents.

    Trains twice for equally many steps, with the default recipe and as a plain fine-tune of the labelled messages, and
    shows both on the test messages. One run each proves little; it is there to show how things look.
    """
    options.quiet_libraries()
    import dataclasses

    from rich.console import Console

    from ganbert.cli.metric_tables import print_metrics
    from ganbert.data import sample
    from ganbert.data.corpus import read_corpus
    from ganbert.errors import InterruptedRunError
    from ganbert.training.recipe import BERT_TUNED, DEFAULT
    from ganbert.training.run_folder import check_output
    from ganbert.training.train import train

    overwrite = overwrite or output == DEMO_FOLDER
    check_output(output, resume=False, overwrite=overwrite)
    console = Console(stderr=True)
    recipe, baseline = (dataclasses.replace(r, max_steps=max_steps) for r in (DEFAULT, BERT_TUNED))
    with scratch() as workspace:
        corpus = read_corpus([sample.TRAIN], test=sample.TEST)
        counts = corpus.counts()
        console.print(
            f"{counts['labelled']} labelled and {counts['unlabelled']} unlabelled messages, "
            f"{counts['classes']} intents, {counts['test']} test messages."
        )
        try:
            console.print(f"1/2  GAN-BERT, recipe default, {max_steps} steps")
            gan = train(recipe, corpus, output, encoder=encoder, seed=seed, overwrite=overwrite)
            console.print(f"2/2  plain fine-tune of the labelled messages, {max_steps} steps")
            plain = train(baseline, corpus, workspace / "plain", encoder=encoder, seed=seed, review=False)
        except InterruptedRunError as error:  # nothing here resumes a run
            raise InterruptedRunError("stopped; the same command begins anew", error.signal_number) from error
        assert gan.test is not None
        assert plain.test is not None
        test = corpus.test
        assert test is not None
        # Evenly spaced, so that several intents are seen.
        shown = test.select(range(0, len(test), max(1, len(test) // N_SHOWN))).select(range(min(N_SHOWN, len(test))))[:]
    if as_json:
        figures = {"ganbert": gan, "plain": plain}
        options.print_json(
            {"output": str(output)}
            | {
                name: {"steps": r.steps, "seconds": round(r.seconds, 2), "test": r.test.as_dict()}
                for name, r in figures.items()
                if r.test
            }
        )
        return
    out = Console()
    print_metrics(
        out,
        {
            "GAN-BERT": (gan.test, gan.steps, gan.seconds),
            "plain fine-tune": (plain.test, plain.steps, plain.seconds),
        },
    )
    _print_predictions(out, output, shown["text"], [corpus.label_names[i] for i in shown["label"]])
    name = rich_text(output)
    out.print(f"Model: {name}  (model card in {name}/README.md, plots in {name}/losses.png, health.png)")


def _print_predictions(console: object, model: Path, texts: list[str], truth: list[str]) -> None:
    """Show what the model in the folder, opened anew, makes of a few test messages."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from ganbert.predict.predictor import Predictor

    assert isinstance(console, Console)
    predictions = Predictor.load(model).predict(texts)
    # In 80 columns, with no label cut.
    table = Table("message", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("predicted", "confidence", "novelty", "true"):
        table.add_column(name, no_wrap=True)
    novelty = predictions.novelty if predictions.novelty is not None else [None] * len(texts)
    for text, label, confidence, new, true in zip(
        texts, predictions.labels, predictions.confidence, novelty, truth, strict=True
    ):
        colour = "green" if label == true else "red"
        table.add_row(
            rich_text(text),
            f"[{colour}]{rich_text(label)}[/]",
            f"{confidence:.2f}",
            "" if new is None else f"{new:.2f}",
            rich_text(true),
        )
    console.print(table)
