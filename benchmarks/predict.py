"""How fast a trained model answers: `ganbert predict`'s engine and exported models against what people use otherwise.

    python -m benchmarks.predict --models /tmp/models --output results/benchmarks/predict.json

Texts are the questions of QC over and over. Things compared take turns in one run, and a figure is the median of the
turns. Measured are rows a second and memory of every engine at its own batches (`engines`); the forward pass alone on
the very same batches, of a GAN-BERT and of transformers' classifier (`forward`) and of exported models (`batches`); how
long a command takes to begin (`cold start`); and what bfloat16 and int8 cost in accuracy, with models trained briefly.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.predict_engines import Worker
from ganbert import DEFAULT, Predictor, train
from ganbert.cli.options import quiet_libraries
from ganbert.compare.runs import provenance
from ganbert.compare.tasks import task_named
from ganbert.data.corpus import read_corpus, read_labelled
from ganbert.data.rows import TableOptions
from ganbert.data.tokens import Batch, Tokens, length_batches
from ganbert.model.encoders import load_pretrained_encoder, load_tokenizer
from ganbert.predict.backends import Backend, open_folder
from ganbert.predict.export import export_model
from ganbert.predict.torch_backend import TorchModel, load_model
from ganbert.runtime import choose_compute

PIPELINES = ("pipeline", *(f"pipeline {n}" for n in (8, 32, 64, 128)))
OURS = ("ganbert bfloat16", "ganbert float32", "onnx float32", "onnx int8")
PIPELINE_ROWS = 1000
TASKS = {"qc": "qc-coarse", "sst5": "sst5"}
N_ROWS, N_LABELLED = 4000, 2000
"""Of which the models are trained: enough for a model that knows its task, whose accuracy has something to lose."""


def models_of(task: str, data: Path, models: Path, steps: int) -> dict[str, str]:
    """Train for some steps, export, and return the folders; those that are there already are kept."""
    folders = {kind: models / f"{task}-{kind}" for kind in ("torch", "float32", "int8")}
    if not (folders["torch"] / "model.safetensors").exists():
        with tempfile.TemporaryDirectory() as scratch:
            rows = task_named(TASKS[task]).load("train", data).select(range(N_ROWS))
            table = Path(scratch) / "train.jsonl"
            lines = [
                json.dumps({"text": row["text"], "label": row["label"] if i < N_LABELLED else None})
                for i, row in enumerate(rows)
            ]
            table.write_text("\n".join(lines), encoding="utf-8")
            corpus = read_corpus([table])
            recipe = DEFAULT.with_settings({"max_steps": str(steps), "max_length": "64", "looks_needed": "0"})
            result = train(recipe, corpus, folders["torch"], progress=False, overwrite=True)
            assert result.recipe.adversarial
    for kind in ("float32", "int8"):
        if not folders[kind].exists():
            export_model(folders["torch"], folders[kind], int8=kind == "int8")
    return {kind: str(folder) for kind, folder in folders.items()}


def engines(texts: list[str], models: dict[str, str], rounds: int) -> dict[str, dict[str, Any]]:
    """Return rows a second, and memory, of each engine with the batches it makes itself."""
    workers = [Worker(name, models) for name in OURS + PIPELINES]
    share = len(texts) // rounds
    for turn in range(rounds):
        for worker in workers[:: 1 if turn % 2 else -1]:
            if turn == 0:
                worker.run(texts[:200], keep=False)  # what is made once
            size = PIPELINE_ROWS if worker.name in PIPELINES else share
            print(f"  {worker.name}: {worker.run(texts[turn * share :][:size]):.0f} rows/s", file=sys.stderr)
    for worker in workers:
        worker.close()
    return {
        w.name: {"rows_per_s": float(np.median(w.rates)), "peak_mb": w.megabytes, "rates": w.rates} for w in workers
    }


def batches_of(texts: list[str], folder: str) -> list[Batch]:
    """Return texts as the engine batches them."""
    tokens = Tokens.of(load_tokenizer(folder))
    ids = tokens(texts)
    lengths = [len(row) for row in ids["input_ids"]]
    plan = length_batches(lengths, lambda length: 1024 // length, tokens.format.max_length)
    return [tokens.pad(ids, rows, length) for rows, length in plan]


def forward_ratio(batches: list[Batch], folder: str, turns: int) -> dict[str, Any]:
    """Return the time of our model over that of BertForSequenceClassification, float32, batch by batch in turn."""
    ours, _ = load_model(Path(folder))
    encoder = load_pretrained_encoder("minilm", ours.config.encoder)
    theirs = BertForSequenceClassification(cast(BertConfig, encoder.config))
    theirs.bert.load_state_dict(encoder.state_dict(), strict=False)
    seconds: dict[str, list[float]] = {"ganbert": [], "bert": []}
    pair = {"ganbert": ours.train(False), "bert": theirs.train(False)}
    with torch.inference_mode():
        for turn in range(turns + 1):
            for i, batch in enumerate(batches):
                tensors = {name: torch.from_numpy(column) for name, column in batch.items()}
                for name in list(pair)[:: 1 if (turn + i) % 2 else -1]:
                    began = time.perf_counter()
                    pair[name](**tensors)
                    if turn:  # the first one prepares the shapes
                        seconds[name].append(time.perf_counter() - began)
    paired = np.array(seconds["ganbert"]) / np.array(seconds["bert"])
    return {
        "ratio": float(np.median(paired)),
        "ratio_of_medians": float(np.median(seconds["ganbert"]) / np.median(seconds["bert"])),
        "quartiles": np.quantile(paired, [0.25, 0.75]).tolist(),
        "n": len(paired),
    }


def batch_rates(batches: list[Batch], models: dict[str, str], rounds: int) -> dict[str, dict[str, Any]]:
    """Return real rows a second of each model on the same batches, with the threads of the engine."""
    torch_model, _ = load_model(Path(models["torch"]))
    backends: dict[str, Backend] = {
        "torch float32": TorchModel(torch_model, choose_compute(precision="float32")),
        "torch bfloat16": TorchModel(torch_model, choose_compute(precision="bfloat16")),
        **{f"onnx {kind}": open_folder(Path(models[kind]))[0] for kind in ("float32", "int8")},
    }
    rates: dict[str, list[float]] = {name: [] for name in backends}
    n = sum(len(batch["input_ids"]) for batch in batches)
    for turn in range(rounds + 1):
        for name in list(backends)[:: 1 if turn % 2 else -1]:
            backend = backends[name]
            with ThreadPoolExecutor(backend.workers, initializer=backend.start_worker) as pool:
                began = time.perf_counter()
                list(pool.map(backend, batches))
                if turn:
                    rates[name].append(n / (time.perf_counter() - began))
            backend.stop_workers()
    return {name: {"rows_per_s": float(np.median(r)), "rates": r} for name, r in rates.items()}


def cold_starts(models: dict[str, str], turns: int) -> dict[str, float]:
    """Return median seconds of whole commands."""
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "one.csv"
        table.write_text("text\nWhere is it ?\n", encoding="utf-8")
        target = ["--output", str(Path(scratch) / "out.csv"), "--overwrite"]
        once = "import ganbert, sys, transformers as t; t.pipeline('text-classification', sys.argv[1])('Why ?')"
        commands = {
            "ganbert --help": ["-m", "ganbert", "--help"],
            "ganbert predict": ["-m", "ganbert", "predict", models["torch"], str(table), *target],
            "ganbert predict, ONNX int8": ["-m", "ganbert", "predict", models["int8"], str(table), *target],
            "pipeline": ["-c", once, models["torch"]],
            "nothing but the imports of torch and transformers' BERT": [
                "-c",
                "import torch; from transformers import AutoTokenizer, BertModel",
            ],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(turns + 1):
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run([sys.executable, *command], check=True, capture_output=True)
                if turn:  # the first one reads files that are then in memory
                    seconds[name].append(time.perf_counter() - began)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def precisions(task: str, data: Path, models: dict[str, str]) -> dict[str, dict[str, float]]:
    """Return, for each precision, the accuracy on the task's test rows, and how far it moves their probabilities."""
    load: dict[str, Callable[[], Predictor]] = {
        "torch float32": partial(Predictor.load, Path(models["torch"]), precision="float32"),
        "torch bfloat16": partial(Predictor.load, Path(models["torch"]), precision="bfloat16"),
        "onnx float32": partial(Predictor.load, Path(models["float32"])),
        "onnx int8": partial(Predictor.load, Path(models["int8"])),
    }
    local = task_named(TASKS[task]).local
    options = TableOptions(label_column=local.label)
    found: dict[str, dict[str, float]] = {}
    reference: NDArray[np.float32] | None = None
    for name, make in load.items():
        predictor = make()
        rows = read_labelled(data / local.test, options, predictor.label_names)
        test = rows.dataset
        probabilities = predictor.predict(test["text"][:]).probabilities
        reference = probabilities if reference is None else reference
        moved = np.abs(probabilities - reference).max(axis=1)
        found[name] = {
            "accuracy": predictor.measure(test).accuracy,
            "moved_99_percent_of_rows_less_than": float(np.quantile(moved, 0.99)),
            "moved_most": float(moved.max()),
        }
    return found


def report(result: dict[str, Any]) -> None:
    """Print what is to be read."""
    best = max(PIPELINES, key=lambda name: result["engines"][name]["rows_per_s"])
    reference = result["engines"][best]["rows_per_s"]
    print(f"engines                 rows/s   against the pipeline at its best ({best})   peak MB")
    for name, found in result["engines"].items():
        print(
            f"  {name:20} {found['rows_per_s']:8.0f}   {found['rows_per_s'] / reference:6.2f} {found['peak_mb']:42.0f}"
        )
    print("the same batches        rows/s   against torch float32")
    for name, found in result["batches"].items():
        ratio = found["rows_per_s"] / result["batches"]["torch float32"]["rows_per_s"]
        print(f"  {name:20} {found['rows_per_s']:8.0f}   {ratio:6.2f}")
    forward = result["forward"]
    print(
        f"forward, GAN-BERT / BertForSequenceClassification: {forward['ratio']:.3f} (quartiles {forward['quartiles']})"
    )
    for name, value in result["cold_start"].items():
        print(f"cold start, {name}: {value:.2f} s")
    for task, found in result["precisions"].items():
        for name, row in found.items():
            shift = f"99% of rows by less than {row['moved_99_percent_of_rows_less_than']:.3f}"
            print(f"{task}, {name}: accuracy {row['accuracy']:.2%}, probabilities moved, {shift}")


def main() -> None:
    """Measure, print, and write the raw figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", type=Path, default=Path("/tmp/ganbert-benchmark-models"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/predict.json"))
    parser.add_argument(
        "--rows", type=int, default=100_000, help="rows each of our engines classifies, over all rounds"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="optimiser steps of the models")
    arguments = parser.parse_args()
    quiet_libraries()
    models = {task: models_of(task, arguments.data, arguments.models, arguments.steps) for task in TASKS}
    questions = task_named("qc-coarse").load("train", arguments.data)["text"][:]
    order = np.random.default_rng(0).integers(0, len(questions), arguments.rows)
    texts = [questions[i] for i in order]
    batches = batches_of(texts[:2000], models["qc"]["torch"])
    result: dict[str, Any] = {
        "cold_start": cold_starts(models["qc"], arguments.rounds),
        "forward": forward_ratio(list(islice(batches, 1, None, 3)), models["qc"]["torch"], 2 * arguments.rounds),
        "batches": batch_rates(batches, models["qc"], arguments.rounds),
        "precisions": {task: precisions(task, arguments.data, models[task]) for task in TASKS},
        "engines": engines(texts, models["qc"], arguments.rounds),
        "rows": arguments.rows,
        **provenance(),
    }
    report(result)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
