"""The kinds of cases, and how one is carried out: in a fork, with a folder of its own, in limited time and memory."""

from __future__ import annotations

import json
import os
import random
import resource
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

# All that cases import, so that a fork has it: these lines take the seconds that a case then does not.
import matplotlib.pyplot  # noqa: F401
import openpyxl  # noqa: F401
import pandas  # noqa: F401
import tqdm.std  # type: ignore[import-untyped]

import ganbert.cli
import ganbert.data.corpus
import ganbert.predict.export
import ganbert.predict.files
import ganbert.predict.predictor
import ganbert.predict.torch_backend
import ganbert.training.train  # noqa: F401
from tests.torture import configs, faults, folders, kills, settings, tables
from tests.torture.bases import Bases
from tests.torture.cases import Case, Failure, Verdict
from tests.torture.forks import in_fork

# Its lock between processes would be left behind by each fork that makes one.
tqdm.std.TqdmDefaultWriteLock.mp_lock = None

Check = Callable[[random.Random, Path, Bases], str]

KINDS: dict[str, Check] = {
    "table": tables.check,
    "config": configs.check,
    "setting": settings.check,
    "folder": folders.check,
    "kill": kills.check,
    "fault": faults.check,
}
SECONDS = 300.0
MEMORY = 4 * 2**30
"""Bytes that a case may take above what the imports took; a configuration of 10^9 layers wants more."""


def carry_out(case: Case, root: Path) -> Verdict:
    """Carry out a case and return the verdict, whatever happens.

    Args:
        case: which one.
        root: folder of the bases, shared by all cases of a campaign.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as place:
        report = Path(place) / "verdict.json"
        folder = Path(place) / "case"
        folder.mkdir()
        try:
            ended = in_fork(lambda: _judge(case, folder, root, report), seconds=SECONDS, new_session=True)
            verdict = Verdict(**json.loads(report.read_text())) if report.exists() else _died(case, ended.said)
        except Failure as failure:
            verdict = Verdict(case.kind, case.number, False, failure.how, failure.detail)
    return Verdict(**{**asdict(verdict), "seconds": round(time.monotonic() - began, 3)})


def _judge(case: Case, folder: Path, root: Path, report: Path) -> None:
    _limit_memory()
    os.chdir(folder)
    tempfile.tempdir = str(folder)
    try:
        verdict = Verdict(case.kind, case.number, True, KINDS[case.kind](case.random(), folder, Bases(root)))
    except Failure as failure:
        verdict = Verdict(case.kind, case.number, False, failure.how, failure.detail)
    except BaseException:  # of the harness itself, which is a failure all the same
        verdict = Verdict(case.kind, case.number, False, "the case itself fails", traceback.format_exc())
    report.write_text(json.dumps(asdict(verdict)))


def _died(case: Case, said: str) -> Verdict:
    return Verdict(case.kind, case.number, False, "the process died", said[-4000:])


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
