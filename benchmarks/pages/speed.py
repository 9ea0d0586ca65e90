"""Tables of docs/performance.md and docs/reliability.md: speed, memory, and what the last campaign of faults found."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from benchmarks.rows import RESULTS, Row, benchmark, read, table
from ganbert.compare.intervals import Estimate

QC, NEWSGROUPS, BASE = (
    f"{encoder}, {task}, {length} tokens at most, batch of 64"
    for encoder, task, length in (("minilm", "qc", 64), ("minilm", "20n", 256), ("base", "qc", 64))
)
AIMS = (
    (
        "qc",
        "training QC (64 tokens at most), examples a second, against (a), "
        "a loop written like the PyTorch port of GAN-BERT",
        "10x", "15x", "train_step",
    ),
    (
        "trainer",
        "the same against (b), `transformers.Trainer` with dynamic padding, which trains no adversary",
        "3x", "5x", "train_step",
    ),
    ("20n", "training 20 Newsgroups at 256 tokens, against (a)", "4x", "6x", "train_step"),
    ("rate", "share of the bfloat16 matrix rate that real tokens use, QC", "35%", "50%", "train_step"),
    ("cost", "a GAN-BERT step against a plain step of the same batch", "1.05x", "1.02x", "adversary_cost"),
    (
        "fast",
        "accuracy of the fast path minus that of float32, padded, in no order "
        "(QC coarse, 55 labels, 5 seeds, 50 steps)",
        "no difference beyond its interval", "", "fast_path",
    ),
    ("forward", "forward pass against `BertForSequenceClassification`, same batches", "1.00 ± 0.03", "", "predict"),
    ("predict", "`predict`, 10^5 short texts, against `pipeline` at its best batch size", "3x", "6x", "predict"),
    ("int8", "int8 ONNX against float32 torch, same batches", "2x", "4x", "predict"),
    ("lost", "what int8 costs in accuracy, QC and SST-5 test sets", "0.5 points", "", "predict"),
    ("memory", "peak memory of `predict` at 10^6 rows over that at 10^4", "1.1x", "1.0x", "scale"),
    ("help", "`ganbert --help`", "0.4 s", "0.2 s", "predict"),
    ("one row", "`ganbert predict` on one row", "4 s", "2 s", "predict"),
)  # fmt: skip
"""What was aimed at before anything was built: key, what, at least, target, and the benchmark that measures it."""

HALVES = {"6cb8eb8": "first half", "be88ffe": "second half"}
"""The two halves of the last campaign, by the commit that they tested."""


def times_as_fast(setting: str, other: str) -> str:
    """Return how many times the examples a second of a plain loop (a) or `Trainer` (b) ganbert trains on."""
    figures = {name[0]: of["examples_per_second"] for name, of in benchmark("train_step")[setting]["figures"].items()}
    return f"{figures['c'] / figures[other]:.1f}x"


def matrix_rate(setting: str) -> str:
    """Return the share of the bfloat16 matrix rate that training uses."""
    return f"{100 * benchmark('train_step')[setting]['figures']['c: ganbert']['share_of_matrix_rate']:.0f}%"


def fast_path_gain() -> Estimate:
    """Return the accuracy of the fast path less that of float32, padded, in no order."""
    by_path: dict[str, dict[int, float]] = {"fast": {}, "slow": {}}
    for row in benchmark("fast_path"):
        by_path[row["method"]][row["seed"]] = row["accuracy"]
    return Estimate.of([by_path["fast"][seed] - by_path["slow"][seed] for seed in sorted(by_path["slow"])])


def aims() -> str:
    """What was aimed at and what was found."""
    predict, cost, gain = benchmark("predict"), benchmark("adversary_cost"), fast_path_gain()
    engines, batches, cold_start = predict["engines"], predict["batches"], predict["cold_start"]
    pipeline = max(of["rows_per_s"] for name, of in engines.items() if name.startswith("pipeline"))
    qc, sst5 = (
        100 * (of["torch float32"]["accuracy"] - of["onnx int8"]["accuracy"])
        for of in (predict["precisions"]["qc"], predict["precisions"]["sst5"])
    )
    memory = {row["rows"]: row["peak_mib"] for row in benchmark("scale") if "first layer" in row["encoder"]}
    assert gain.low is not None
    assert gain.high is not None
    found = {
        "qc": f"**{times_as_fast(QC, 'a')}**",
        "trainer": f"**{times_as_fast(QC, 'b')}**",
        "20n": f"**{times_as_fast(NEWSGROUPS, 'a')}** ((b): {times_as_fast(NEWSGROUPS, 'b')})",
        "rate": f"**{matrix_rate(QC)}**, not reached: [what limits it](#what-a-step-is-made-of-now)",
        "cost": "**{:.3f}x** (quartiles {:.2f} to {:.2f})".format(cost["ratio"], *cost["quartiles"]),
        "fast": f"**{100 * gain.mean:+.1f} points**, 95% interval {100 * gain.low:.1f} to {100 * gain.high:+.1f}",
        "forward": "**{:.3f}** (quartiles {:.2f} to {:.2f})".format(
            predict["forward"]["ratio"], *predict["forward"]["quartiles"]
        ),
        "predict": f"**{engines['ganbert bfloat16']['rows_per_s'] / pipeline:.1f}x**",
        "int8": f"**{batches['onnx int8']['rows_per_s'] / batches['torch float32']['rows_per_s']:.1f}x**",
        "lost": f"**{qc:.1f} and {sst5:.1f} points**",
        "memory": f"**{memory[10**6] / memory[10**4]:.2f}x** (first layer of MiniLM)",
        "help": f"**{cold_start['ganbert --help']:.2f} s**",
        "one row": f"**{cold_start['ganbert predict']:.1f} s**, not reached: [what limits it](#cold-start). "
        f"Exported to ONNX: {cold_start['ganbert predict, ONNX int8']:.1f} s",
    }
    lines = [[what, least, target, found[key], f"`{by}`"] for key, what, least, target, by in AIMS]
    return table(["", "at least", "target", "found", "by"], lines, left=5)


def engines() -> str:
    """Rows a second of each engine with the batches it makes itself."""
    of_engine = benchmark("predict")["engines"]
    one = of_engine["pipeline 64"]["rows_per_s"]
    lines = [
        [name, f"{of['rows_per_s']:.0f}", f"{of['rows_per_s'] / one:.2f}", f"{of['peak_mb']:.0f}"]
        for name, of in of_engine.items()
    ]
    return table(["engine", "rows/s", "against pipeline 64", "peak MB"], lines)


def precisions() -> str:
    """Rows a second on the very same batches, accuracy, and how far probabilities move."""
    predict = benchmark("predict")
    lines = []
    for name, of in predict["batches"].items():
        moved = [
            f"{100 * of_task[name]['accuracy']:.1f}%, {of_task[name]['moved_99_percent_of_rows_less_than']:.3f}"
            for of_task in (predict["precisions"]["qc"], predict["precisions"]["sst5"])
        ]
        ratio = of["rows_per_s"] / predict["batches"]["torch float32"]["rows_per_s"]
        lines.append([name, f"{of['rows_per_s']:.0f}", f"{ratio:.2f}", *moved])
    return table(["", "rows/s", "against torch float32", "QC", "SST-5"], lines)


def scale() -> str:
    """Seconds and peak memory of whole commands by rows."""
    lines = {
        "set-up of training": ("set-up", "minilm"),
        "the same when the texts are tokenised already": ("set-up again", "minilm"),
        "`ganbert predict`": ("predict", "minilm"),
        "`ganbert predict`, MiniLM's first layer": ("predict", "minilm, first layer"),
    }
    sizes = (10**3, 10**4, 10**5, 10**6)
    measured: dict[tuple[str, str, int], Row] = {
        (row["what"], row["encoder"], row["rows"]): row for row in benchmark("scale")
    }
    body = []
    for name, key in lines.items():
        cells = [measured.get((*key, size)) for size in sizes]
        body.append([name, *(f"{c['seconds']:.0f} s, {c['peak_mib']:.0f} MiB" if c else "not run" for c in cells)])
    return table(["", *(f"10^{np.log10(size):.0f} rows" for size in sizes)], body)


def cold_start() -> str:
    """Seconds of whole commands."""
    seconds: dict[str, Any] = benchmark("predict")["cold_start"]
    names = {
        "ganbert --help": "`ganbert --help`",
        "ganbert predict": "`ganbert predict`, one row",
        "ganbert predict, ONNX int8": "the same with a model exported to ONNX",
        "pipeline": "`pipeline`, one row",
        "nothing but the imports of torch and transformers' BERT": (
            "`import torch; from transformers import AutoTokenizer, BertModel`, and nothing else"
        ),
    }
    return table(["", "seconds"], [[name, f"{seconds[key]:.2f}"] for key, name in names.items()])


def campaign() -> str:
    """Cases tried, held and failed in each half of the last campaign."""
    verdicts = read(RESULTS / "torture.jsonl.gz")
    counts = Counter((row["commit"], row["kind"], row["held"]) for row in verdicts)
    lines = []
    for kind in ("table", "config", "setting", "folder", "kill", "fault"):
        line: list[object] = [kind]
        for commit in HALVES:
            held, failed = counts[commit, kind, True], counts[commit, kind, False]
            line += [f"{held + failed:,}", f"{held:,}", f"{failed:,}"]
        lines.append(line)
    columns = [f"{what}, {half}" for half in HALVES.values() for what in ("tried", "held", "failed")]
    return table(["kind", *columns], lines)
