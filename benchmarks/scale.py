"""What grows with the rows: time and peak memory of getting ready to train, and of predicting.

    python -m benchmarks.scale                       # 10^3 to 10^6 rows
    python -m benchmarks.scale --largest 100000
    python -m benchmarks.scale --full                # minilm predicts 10^6 rows too: that takes long

Rows are the questions of QC over and over, with a running number so that no two are the same, as CSV. Three things are
measured, each in a process of its own: `set-up`, all that `train()` does before its first step (reading, checking,
tokenising, batching); `set-up again`, the same when these texts have been tokenised before; and `ganbert predict`.
Prediction with all of minilm is slow on a CPU, so its memory is followed to 10^6 rows with minilm's first layer alone.

Peak memory is the kernel's `ru_maxrss`. It counts pages of mapped files too, which it can take back at any time.
Each measurement is in the output as soon as it ends; started again, the script does only what is missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIZES = (10**3, 10**4, 10**5, 10**6)
N_LABELLED = 100
MINILM, FIRST_LAYER = "minilm", "minilm, first layer"
Run = dict[str, Any]

# This process imports nothing big: what it uses at its peak is counted as its children's (ru_maxrss outlives exec).


def write_table(data: Path, target: Path, rows: int) -> None:
    """Write a CSV of `rows` different rows, of which the first `N_LABELLED` have a label."""
    with gzip.open(data / "train.jsonl.gz", "rt", encoding="utf-8") as file:
        questions = [json.loads(line) for line in file]
    with target.open("w", encoding="utf-8") as out:
        out.write("text,label\n")
        for i, question in zip(range(rows), itertools.cycle(questions), strict=False):
            text = question["text"].replace('"', '""')
            out.write(f'"{text} {i}",{question["coarse"] if i < N_LABELLED else ""}\n')


def make_model(folder: Path, n_layers: int | None) -> None:
    """Save minilm, or its first layers, with new heads: what they say does not matter here."""
    from ganbert.cli.options import quiet_libraries

    quiet_libraries()
    from transformers import AutoModel

    from ganbert import DEFAULT, GanBertForSequenceClassification
    from ganbert.model.encoders import load_tokenizer, resolve_encoder

    shape = {"num_hidden_layers": n_layers} if n_layers else {}
    encoder = AutoModel.from_pretrained(resolve_encoder(MINILM), **shape)
    encoder.save_pretrained(folder / "encoder")
    model = GanBertForSequenceClassification.from_encoder(str(folder / "encoder"), num_labels=6, pooling="mean")
    model.save_pretrained(folder)
    tokenizer = load_tokenizer(MINILM)
    tokenizer.model_max_length = DEFAULT.max_length
    tokenizer.save_pretrained(folder)


def set_up(table: Path, output: Path) -> None:
    """Train, and stop where the first step would begin."""
    from ganbert import DEFAULT, GanBertTrainer, train
    from ganbert.cli.options import quiet_libraries
    from ganbert.data.corpus import read_corpus

    class FirstStepError(Exception):
        pass

    def first_step(*_: Any, **__: Any) -> None:
        raise FirstStepError

    quiet_libraries()
    GanBertTrainer.training_step = first_step  # type: ignore[assignment]
    try:
        recipe = dataclasses.replace(DEFAULT, teacher_share=0.0)  # the set-up of one run
        corpus = read_corpus([table])
        train(recipe, corpus, output, progress=False, overwrite=True)
    except FirstStepError:
        return
    raise AssertionError("no step was taken")


def child(*arguments: str, **environment: str) -> tuple[float, float]:
    """Run Python with `arguments` and return its seconds and the MiB of its peak."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], env=os.environ | environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(arguments)}")
    return time.perf_counter() - began, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def description() -> dict[str, Any]:
    """Return the machine and versions, asked in another process because it imports torch."""
    code = "import json; from ganbert.compare.runs import provenance; print(json.dumps(provenance()))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    described: dict[str, Any] = json.loads(answer.stdout)
    return described


def plan(largest: int, full: bool) -> list[tuple[str, str, int]]:
    """Return what is to be measured: its name, the encoder, and the rows."""
    wanted = []
    for rows in (size for size in SIZES if size <= largest):
        wanted += [("set-up", MINILM, rows), ("set-up again", MINILM, rows), ("predict", FIRST_LAYER, rows)]
        if rows < SIZES[-1] or full:
            wanted.append(("predict", MINILM, rows))
    return wanted


def measure(what: str, encoder: str, table: Path, scratch: Path) -> tuple[float, float]:
    """Take one measurement in a process of its own."""
    if what == "predict":
        model = scratch / encoder
        if not model.exists():
            child("-m", "benchmarks.scale", "--make-model", str(model), *(["--one-layer"] * (encoder == FIRST_LAYER)))
        target = ("--output", str(scratch / "out.csv"), "--overwrite")
        return child("-m", "ganbert", "predict", str(model), str(table), *target)
    cache = scratch / f"cache-{table.stem}"  # kept for "again"
    arguments = ("-m", "benchmarks.scale", "--set-up", str(table), str(scratch / "run"))
    if what == "set-up again" and not cache.exists():
        child(*arguments, HF_DATASETS_CACHE=str(cache))
    return child(*arguments, HF_DATASETS_CACHE=str(cache))


def run(data: Path, output: Path, largest: int, full: bool) -> list[Run]:
    """Measure what `output` lacks, and return all it then holds."""
    runs: list[Run] = json.loads(output.read_text(encoding="utf-8")) if output.exists() else []
    done = {(run["what"], run["encoder"], run["rows"]) for run in runs}
    missing = [wanted for wanted in plan(largest, full) if wanted not in done]
    described = description() if missing else {}
    with tempfile.TemporaryDirectory(prefix="ganbert-scale-") as scratch:
        for what, encoder, rows in missing:
            table = Path(scratch) / f"{rows}.csv"
            if not table.exists():
                write_table(data, table, rows)
            seconds, peak = measure(what, encoder, table, Path(scratch))
            print(f"{what}, {encoder}, {rows} rows: {seconds:.1f} s, {peak:.0f} MiB", file=sys.stderr)
            figures = {"seconds": round(seconds, 2), "peak_mib": round(peak, 1)}
            runs.append({"what": what, "encoder": encoder, "rows": rows, **figures, **described})
            text = json.dumps(runs, indent=1) + "\n"
            output.with_suffix(".part").write_text(text, encoding="utf-8")
            output.with_suffix(".part").replace(output)
    return runs


def show(runs: list[Run]) -> None:
    """Print seconds, rows a second, and peak memory with its ratio to the next smaller size."""
    from rich.console import Console
    from rich.table import Table

    table = Table("", "encoder", "rows", "seconds", "rows/s", "x", "peak MiB", "x")
    for column in table.columns[2:]:
        column.justify = "right"
    runs = sorted(runs, key=lambda run: (run["what"], run["encoder"], run["rows"]))
    for (what, encoder), group in itertools.groupby(runs, key=lambda run: (run["what"], run["encoder"])):
        before: Run | None = None
        for now in group:
            ratios = ["", ""]
            if before is not None:
                ratios = [f"{now[name] / before[name]:.2f}" for name in ("seconds", "peak_mib")]
            speed = f"{now['rows'] / now['seconds']:,.0f}"
            table.add_row(
                what, encoder, f"{now['rows']:,}", f"{now['seconds']:.1f}", speed,
                ratios[0], f"{now['peak_mib']:,.0f}", ratios[1],
            )  # fmt: skip
            before = now
        table.add_section()
    Console(width=110).print(table)


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/qc"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/scale.json"))
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="rows of the largest table")
    parser.add_argument("--full", action="store_true", help="predict the largest table with all of minilm too")
    parser.add_argument("--set-up", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make-model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one-layer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.set_up:
        set_up(*arguments.set_up)
    elif arguments.make_model:
        make_model(arguments.make_model, 1 if arguments.one_layer else None)
    else:
        show(run(arguments.data, arguments.output, arguments.largest, arguments.full))


if __name__ == "__main__":
    main()
