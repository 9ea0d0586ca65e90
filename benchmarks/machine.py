"""What every raw result names: machine, versions, commit."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import torch
import transformers

import ganbert


def description() -> dict[str, str | int]:
    """Return processor or GPU, threads, versions and the commit of this checkout."""
    root = Path(__file__).parents[1]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True)
    cpu = str(torch.cpu.get_capabilities().get("cpu_name", platform.processor()))
    return {
        "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "ganbert": ganbert.__version__,
        "commit": commit.stdout.strip(),
    }
