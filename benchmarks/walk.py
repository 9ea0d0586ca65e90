"""The walk of a row: which functions of ganbert run, in which files, and what is written, before its first gradient.

    python -m benchmarks.walk train messages.csv --output /tmp/model --max-steps 2
    python -m benchmarks.walk predict model messages.csv --output /tmp/predictions.csv

Takes the arguments of `ganbert` and runs it in this process. `train` is watched up to its first backward pass,
`predict` up to its end. Functions are those of the package that were called; comprehensions, lambdas and the bodies of
modules and classes are not counted. Writes are files that Python opened; files that Arrow opens itself are not seen.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from inspect import CO_NEWLOCALS
from pathlib import Path
from types import FrameType
from typing import Any


class _Walk:
    """Collects calls of functions of the package, and files opened for writing, until it is stopped."""

    def __init__(self, package: Path) -> None:
        self.package, self.functions, self.written, self.on = str(package), set[tuple[str, str]](), list[str](), True
        sys.addaudithook(self._audit)
        sys.setprofile(self._profile)
        threading.setprofile(self._profile)

    def stop(self) -> None:
        self.on = False
        sys.setprofile(None)
        threading.setprofile(None)

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        is_function = code.co_flags & CO_NEWLOCALS and not code.co_name.startswith("<")
        if event == "call" and is_function and code.co_filename.startswith(self.package):
            self.functions.add((code.co_filename.removeprefix(self.package + "/"), code.co_qualname))

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event == "open" and isinstance(arguments[0], str):
            path, mode, flags = arguments
            writes = (
                any(c in mode for c in "wax+") if isinstance(mode, str) else bool(flags & (os.O_WRONLY | os.O_RDWR))
            )
            if writes and not path.startswith(("/dev", "/proc")):
                self.written.append(path)


def main() -> None:
    """Run the command and print what was met as one JSON object."""
    import torch

    import ganbert

    arguments = sys.argv[1:]
    package = Path(ganbert.__file__).parent
    os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="walk-")  # texts are tokenised, not found in a cache
    walk = _Walk(package)
    backward: Any = torch.Tensor.backward

    def first_backward(*args: Any, **kwargs: Any) -> None:
        walk.stop()
        backward(*args, **kwargs)

    torch.Tensor.backward = first_backward  # type: ignore[method-assign]
    from ganbert.cli import main as command

    sys.argv = ["ganbert", *arguments]
    try:
        command()
    except SystemExit as end:
        if end.code:
            raise
    walk.stop()
    files = sorted({file for file, _ in walk.functions})
    counts = {"functions": len(walk.functions), "files": len(files), "writes": len(walk.written)}
    print(json.dumps(counts), file=sys.stderr)
    print(json.dumps({**counts, "called": sorted(walk.functions), "written": walk.written}, indent=1))


if __name__ == "__main__":
    main()
