"""What every raw result names: machine, versions, commit."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import torch
import transformers

from ganbert.version import __version__


def provenance() -> dict[str, str | int]:
    """Return processor or GPU, threads, versions, and the commit of the checkout if this is one."""
    cpu = str(torch.cpu.get_capabilities().get("cpu_name", platform.processor()))
    return {
        "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "ganbert": __version__,
        "commit": COMMIT,
    }


def _commit() -> str:
    folder = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD:./"], cwd=folder, capture_output=True, text=True, check=True
        )
        found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or installed into somebody else's repository
        return ""
    return found.stdout.strip()


COMMIT = _commit()
"""Asked when the process begins: it runs what it has loaded, whatever the checkout moves on to."""
