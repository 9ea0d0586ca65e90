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
    """Return the commit of this checkout, `-dirty` where files differ from it; empty where this is none."""
    here = Path(__file__)
    try:
        for command in (("ls-files", "--error-unmatch", here.name), ("describe", "--always", "--dirty", "--exclude=*")):
            found = subprocess.run(["git", *command], cwd=here.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or installed beneath somebody else's repository
        return ""
    return found.stdout.strip()


COMMIT = _commit()
"""Asked when the process begins: it runs what it has loaded, whatever the checkout moves on to."""
