"""What every raw result names: machine, versions, commit."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import torch
import transformers

import ganbert

ROOT = Path(__file__).parents[1]
# Asked when the process begins: it runs what it has loaded, whatever the checkout moves on to.
COMMIT = subprocess.run(
    ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
).stdout.strip()


def description() -> dict[str, str | int]:
    """Return processor or GPU, threads, versions and the commit of this checkout."""
    cpu = str(torch.cpu.get_capabilities().get("cpu_name", platform.processor()))
    return {
        "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "ganbert": ganbert.__version__,
        "commit": COMMIT,
    }
