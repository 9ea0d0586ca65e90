"""Does dropout on attention weights matter? The default recipe with the encoder's own share of it, and with none.

    python -m benchmarks.attention_dropout --data ../shared/data --output results/benchmarks/attention_dropout.jsonl

Without that dropout torch's own kernel computes attention on a processor. Five tasks with few labels, several seeds,
300 steps. Measured are development rows: nothing in this reads a test set. Each finished run is a line of the output;
started again, the script does only what is missing. Differences come with 95% intervals, Student's t over seeds.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from ganbert.cli.options import quiet_libraries
from ganbert.compare.intervals import Estimate
from ganbert.compare.row_sources import TaskRows
from ganbert.compare.runs import Run
from ganbert.model.encoders import resolve_encoder
from ganbert.runtime import choose_compute
from ganbert.storage.folders import scratch

CELLS = {"qc-coarse": "1%", "qc-fine": "2%", "sst5": "1%", "mnli-m": "0.1%", "20n-stripped": "1%"}
"""Label budgets by task: the development cells of docs/results/experiments.md."""

ARMS = ("with", "without")


@contextmanager
def without_attention_dropout(encoder: str) -> Iterator[str]:
    """Yield a folder with a copy of a BERT encoder whose configuration has no dropout on attention weights."""
    with scratch() as folder:
        shutil.copytree(resolve_encoder(encoder), folder / "encoder")
        path = folder / "encoder" / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        assert config["attention_probs_dropout_prob"] > 0
        path.write_text(json.dumps(config | {"attention_probs_dropout_prob": 0.0}), encoding="utf-8")
        yield str(folder / "encoder")


def read(output: Path) -> pd.DataFrame:
    """Return the finished runs."""
    lines = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
    return pd.DataFrame(
        [json.loads(line) for line in lines], columns=None if lines else ["task", "seed", "attention_dropout"]
    )


def measure(data: Path, output: Path, seeds: int, steps: int) -> None:
    """Carry out what is missing, the first seed of everything before the second of anything."""
    done = set(read(output)[["task", "seed", "attention_dropout"]].itertuples(index=False, name=None))
    precision = choose_compute().precision
    with without_attention_dropout("minilm") as none:
        encoders = dict(zip(ARMS, ("minilm", none), strict=True))
        wanted = [(task, seed, arm) for seed in range(seeds) for task in CELLS for arm in ARMS]
        for task, seed, arm in [one for one in wanted if one not in done]:
            source = TaskRows(task, data, part="dev")
            run = Run(
                source, "default", CELLS[task], seed, encoders[arm], max_length=64, max_steps=steps, precision=precision
            )
            record = run()
            with output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record | {"encoder": "minilm", "attention_dropout": arm}) + "\n")
            print(task, seed, arm, f"accuracy {record['accuracy']:.3f}, ECE {record['ece']:.3f}", flush=True)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a line for each cell, and one for the mean over cells of the seeds that have them all, in percent."""
    rows = rows.assign(cell=rows["task"] + " " + rows["budget"])
    rows = rows[rows.groupby("cell")["attention_dropout"].transform("nunique") == len(ARMS)]
    figures = rows.pivot_table(index="seed", columns=["cell", "attention_dropout"], values=["accuracy", "ece"])
    seconds = rows.pivot_table(index="cell", columns="attention_dropout", values="seconds")
    lines = []
    for cell in [*rows["cell"].unique(), "mean of cells"] if len(rows) else []:
        line = {"cell": cell}
        for figure in ("accuracy", "ece"):
            both = figures[figure] if cell == "mean of cells" else figures[figure][[cell]]
            means = both.dropna().T.groupby(level="attention_dropout").mean().T
            line |= {f"{figure} {arm}": f"{means[arm].mean() * 100:.1f}" for arm in ARMS}
            less = (means["without"] - means["with"]).to_list()
            line[f"{figure}, without less with"] = Estimate.of(less).percent("+") if less else ""
        taken = seconds if cell == "mean of cells" else seconds.loc[[cell]]
        line |= {"seeds": str(len(means)), "seconds": f"{(taken['without'] / taken['with']).mean():.2f}x"}
        lines.append(line)
    return pd.DataFrame(lines)


def main() -> None:
    """Measure what is missing and print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/attention_dropout.jsonl"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    arguments = parser.parse_args()
    quiet_libraries()
    if not arguments.table:
        measure(arguments.data, arguments.output, arguments.seeds, arguments.steps)
    print(table(read(arguments.output)).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
