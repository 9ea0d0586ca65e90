"""`ganbert demo` where it does not come to its end; tests/integration runs all of it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from ganbert.errors import InterruptedRunError
from tests.conftest import Run


def test_a_stopped_demo_does_not_speak_of_a_way_to_resume_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise InterruptedRunError("a checkpoint is saved: --resume", signal.SIGTERM)

    monkeypatch.setattr("ganbert.training.train.train", interrupted)

    stopped = run("demo", "--output", tmp_path / "model")

    assert stopped.status == 128 + signal.SIGTERM
    assert "stopped; the same command begins anew" in stopped.err
    assert "--resume" not in stopped.err


def test_a_demo_replaces_no_other_model_unasked(run: Run, trained: Path) -> None:
    outcome = run("demo", "--output", trained)

    assert outcome.status == 2
    assert "holds a finished model: choose another folder, or --overwrite" in outcome.err
