"""Each program in `examples/` does what it says; run with few steps and a smaller encoder."""

from __future__ import annotations

import importlib.util
import json
import urllib.error
import urllib.request
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ganbert import Predictor
from tests.conftest import Run
from tests.docs.pages import REPOSITORY

EXAMPLES = REPOSITORY / "examples"

pytestmark = pytest.mark.usefixtures("small_minilm")


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# With so few steps the default is a plain fine-tune, and says so.
@pytest.mark.filterwarnings("ignore:The unlabelled rows are not used:UserWarning")
def test_the_estimator_trains_on_a_pandas_table_and_its_folder_predicts(tmp_path: Path) -> None:
    table = example("pandas_estimator").main(tmp_path / "model", max_steps=2)
    assert list(table) == ["text", "label", "predicted", "confidence"]
    found = Predictor.load(tmp_path / "model").predict(table["text"].tolist())
    assert found.labels == table["predicted"].tolist()


def test_the_trainer_runs_by_itself_and_calls_back(
    tmp_path: Path, package_of_one_layer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = str(next(package_of_one_layer.glob("*/model")))
    figures = example("trainer_callbacks").main(encoder, tmp_path / "model", max_steps=2)
    assert 0 <= figures["eval_accuracy"] <= 1
    assert "step 2: taken for invented: real 0." in capsys.readouterr().out
    assert Predictor.load(tmp_path / "model").predict(["where is my parcel?"]).novelty is not None


def post(url: str, body: bytes) -> tuple[int, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data=body), timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_server_answers_requests_as_the_predictor_does_and_refuses_others(tmp_path: Path, run: Run) -> None:
    assert run("demo", "--output", tmp_path / "model", "--max-steps", "2").status == 0
    texts = ["where is my parcel?", "can i pay with paypal", ""]
    with example("serve").server(str(tmp_path / "model"), port=0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        status, answer = post(f"{url}/predict", json.dumps({"texts": texts}).encode())
        refused = [post(f"{url}/predict", body)[0] for body in (b"", b"[]", b'{"texts": "one"}', b'{"texts": [1]}')]
        missing, _ = post(f"{url}/other", b"{}")
        server.shutdown()
    found = Predictor.load(tmp_path / "model").predict(texts)
    assert status == 200
    assert answer["labels"] == found.labels
    assert answer["confidence"] == pytest.approx(found.confidence.tolist(), abs=1e-3)
    assert refused == [400] * 4
    assert missing == 404


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("max_steps=150", "max_steps=2")
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}, kernel_name="python3"
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("track_order" in str(output) for output in outputs)
    assert Predictor.load(tmp_path / "model").predict(["where is my parcel?"]).labels


def test_every_example_has_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    for path in EXAMPLES.iterdir():
        if path.suffix in (".py", ".ipynb"):
            assert any(f'{word}"' in tests for word in (path.name, path.stem)), path.name
