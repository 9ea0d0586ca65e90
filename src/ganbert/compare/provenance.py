"""What every raw result names: machine, versions, commit."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import numpy as np
import sklearn
import torch
import transformers

from ganbert import __version__


def provenance(device: str | None = None) -> dict[str, str | int]:
    """Return the machine (its GPU, unless `device` is another), threads, versions, and the commit of this checkout."""
    cpu = str(torch.cpu.get_capabilities().get("cpu_name", platform.processor()))
    on_gpu = torch.cuda.is_available() and device in (None, "cuda")
    return {
        "machine": torch.cuda.get_device_name() if on_gpu else cpu,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
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
