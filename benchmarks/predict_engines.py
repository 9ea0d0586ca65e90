"""What `benchmarks.predict` compares, each in a process of its own, which works when it is told to.

A worker reads JSON lists of texts from standard input, a line each, and answers with a line: the seconds it took, and
the most memory the process has held. So rivals take turns in one run, and each has its own memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Engine = Callable[[list[str]], object]


def engine(name: str, models: dict[str, str]) -> Engine:
    """Return the function that classifies texts as the engine of that name does."""
    if name.startswith("pipeline"):
        from transformers import pipeline

        import ganbert  # noqa: F401 - makes the model known to transformers

        classify: Any = pipeline("text-classification", models["torch"], truncation=True)
        _, _, batch_size = name.partition(" ")
        return lambda texts: classify(texts, **({"batch_size": int(batch_size)} if batch_size else {}))
    from ganbert import Predictor

    kind, _, precision = name.partition(" ")
    folder = models["torch"] if kind == "ganbert" else models[precision]
    return Predictor.load(Path(folder), precision=precision).predict


def peak_megabytes() -> float:
    """Return the most memory this program has held, in MB (Linux; ru_maxrss would count the program before it)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024 / 1e6


class Worker:
    """An engine in a process of its own."""

    def __init__(self, name: str, models: dict[str, str]) -> None:
        self.name, self.rates, self.megabytes = name, list[float](), 0.0
        command = [sys.executable, "-m", "benchmarks.predict_engines", name, json.dumps(models)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def run(self, texts: Sequence[str], keep: bool = True) -> float:
        """Classify texts and return the rows of a second."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(texts)) + "\n")
        self._process.stdin.flush()
        seconds, self.megabytes = json.loads(self._process.stdout.readline())
        rate = len(texts) / float(seconds)
        if keep:
            self.rates.append(rate)
        return rate

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    """Work until standard input ends."""
    classify = engine(sys.argv[1], json.loads(sys.argv[2]))
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        texts = json.loads(line)
        began = time.perf_counter()
        classify(texts)
        print(json.dumps([time.perf_counter() - began, peak_megabytes()]), file=answers, flush=True)


if __name__ == "__main__":
    main()
