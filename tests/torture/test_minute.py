"""A minute of the campaign, always the same; `make torture` runs an hour of it with fresh seeds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COUNTS = {"tables": 400, "configs": 25, "settings": 8, "folders": 25, "kills": 4, "faults": 3}


def test_a_minute_of_torture_breaks_no_promise(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    counts = [argument for kind, n in COUNTS.items() for argument in (f"--{kind}", str(n))]

    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", *counts, "--seed", "17", "--jobs", "1", "--rows", rows],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )

    verdicts = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    assert [verdict for verdict in verdicts if not verdict["held"]] == [], done.stdout
    assert len(verdicts) == sum(COUNTS.values()), done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    # Refusing everything would hold as well, and be worth nothing.
    held = {(verdict["kind"], verdict["how"]) for verdict in verdicts}
    assert held >= {("table", "equal"), ("config", "equal"), ("setting", "trained"), ("kill", "resumed")}
