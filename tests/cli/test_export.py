"""`ganbert export`: the folder it leaves is used by the other commands as any model, and its refusals."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import write_toy
from tests.conftest import Run

if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")):
    pytest.skip("onnx or onnxscript (extra train) is not installed", allow_module_level=True)


def test_predict_and_evaluate_open_an_exported_folder(run: Run, trained: Path, tmp_path: Path) -> None:
    table, folder = write_toy(tmp_path / "in.csv", 45, 45, first=60), tmp_path / "onnx"

    exported = run("export", trained, "--format", "onnx", "--output", folder, "--json").result

    assert exported == {
        "output": str(folder),
        "format": "onnx",
        "int8": False,
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
    }
    rows = []
    for model, precision in ((trained, "float32"), (folder, "auto")):
        outcome = run(
            "predict", model, table, "--output", tmp_path / "out.parquet", "--precision", precision, "--overwrite"
        )
        assert outcome.status == 0, outcome.err
        rows.append(pd.read_parquet(tmp_path / "out.parquet"))
    assert outcome.err == "Computing on cpu, ONNX float32, 1 thread.\n"
    pd.testing.assert_frame_equal(rows[0], rows[1], atol=1e-4)
    figures = [
        run("evaluate", model, table, "--json", "--precision", precision).result
        for model, precision in ((trained, "float32"), (folder, "float32"))
    ]
    assert figures[0].pop("ece") == pytest.approx(figures[1].pop("ece"), abs=1e-4)
    assert figures[0] == figures[1]


def test_int8_is_told_and_kept(run: Run, trained: Path, tmp_path: Path) -> None:
    outcome = run("export", trained, "--int8", "--output", tmp_path / "int8")

    assert outcome.status == 0
    assert outcome.out.startswith(f"{tmp_path / 'int8'} written, ")
    assert outcome.err == ""
    table = write_toy(tmp_path / "in.csv", 45, 45, first=60)
    evaluated = run("evaluate", tmp_path / "int8", table)
    assert evaluated.err == "Computing on cpu, ONNX int8, 1 thread.\n"


def test_what_cannot_be_exported_is_one_line(run: Run, trained: Path, tiny_encoder: str, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "precious").touch()
    file = tmp_path / "file"
    file.touch()

    for model, output, problem in (
        (tmp_path / "nowhere", tmp_path / "out", f"{tmp_path / 'nowhere'}: is no model folder: it has no config.json"),
        (
            tiny_encoder,
            tmp_path / "out",
            f"{tiny_encoder}: cannot be opened as a ganbert model (its model_type is bert",
        ),
        (trained, full, f"{full}: is not empty"),
        (trained, file, f"{file}: cannot be used as a folder"),
    ):
        outcome = run("export", model, "--output", output)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert outcome.err.startswith(f"ganbert: {problem}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


def test_the_extra_is_named_where_it_is_missing(
    run: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else real(name))

    outcome = run("export", trained, "--output", tmp_path / "out")

    assert outcome.status == 2
    assert outcome.err == "ganbert: onnxscript is not installed: pip install 'ganbert[train]' brings it\n"


def test_another_format_is_refused(run: Run, trained: Path, tmp_path: Path) -> None:
    assert run("export", trained, "--format", "stone", "--output", tmp_path / "out").status == 2
