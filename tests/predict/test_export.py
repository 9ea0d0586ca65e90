"""Exported models: what onnxruntime computes is what torch computes, for every shape of batch, and without torch."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertTokenizer, PreTrainedTokenizerBase

import ganbert
from ganbert.data.tokens import Batch
from ganbert.errors import InputError, RunError
from ganbert.model.encoders import load_tokenizer
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.model.tokenizers import TextCounts
from ganbert.predict.backends import class_names_of, columns_of
from ganbert.predict.export import _check_output, export_model
from ganbert.predict.onnx_backend import SLOW_OPTIMIZERS
from ganbert.predict.predictor import Predictor
from ganbert.predict.torch_backend import TorchModel
from ganbert.storage.folders import WEIGHTS, seal
from tests.conftest import FILLER, TOOLS, VOCABULARY, tiny_tokenizer
from tests.model.test_modeling import FAMILIES, build

if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")):
    pytest.skip("onnx or onnxscript (extra train) is not installed", allow_module_level=True)

TEXTS = ["the saw", "a", *(" ".join((FILLER + TOOLS)[i : i + n]) for i, n in enumerate((3, 9, 1, 6, 4, 12, 2)))]
NAMES = {0: "animal", 1: "colour", 2: "tool"}


def bert_tokenizer() -> PreTrainedTokenizerBase:
    """Return a tokenizer with token types."""
    return BertTokenizer(vocab={word: i for i, word in enumerate([*VOCABULARY, "[MASK]"])}, model_max_length=40)


def save(folder: Path, family: str = "bert", **config: Any) -> GanBertForSequenceClassification:
    """Write a model folder with random heads that tell rows apart, and return the model."""
    model = build(FAMILIES[family], id2label=NAMES, label2id={name: i for i, name in NAMES.items()}, **config)
    model.train(False)
    with torch.no_grad():
        for parameter in model.parameters():  # weights as freshly made give nearly the same for every text
            if parameter.dim() > 1:
                parameter.mul_(2)
    model.save_pretrained(folder)
    (bert_tokenizer() if family == "bert" else tiny_tokenizer()).save_pretrained(folder)
    return model


def batches(has_types: bool) -> list[Batch]:
    """Return batches of several shapes, with padding on either side."""
    rng, made = np.random.default_rng(0), []
    for b, t, side in product((1, 2, 5), (1, 2, 9, 33), ("right", "left")):
        place = np.arange(t) if side == "right" else np.arange(t)[::-1]
        mask = (place < rng.integers(1, t + 1, (b, 1))).astype(np.int64)
        batch = {"input_ids": rng.integers(0, 100, (b, t)), "attention_mask": mask}
        made.append(batch | ({"token_type_ids": rng.integers(0, 2, (b, t))} if has_types else {}))
    return made


@pytest.mark.parametrize(
    ("family", "pooling"),
    [("bert", "cls"), ("bert", "pooler"), ("distilbert", "mean"), ("modernbert", "cls"), ("gpt2", "last")],
)
def test_the_graph_computes_what_torch_computes(family: str, pooling: str, tmp_path: Path) -> None:
    import onnxruntime

    model = TorchModel(save(tmp_path / "model", family, pooling=pooling))

    export_model(tmp_path / "model", tmp_path / "onnx")

    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["probabilities", "novelty"]
    seen = []
    for batch in batches(has_types=family == "bert"):
        probabilities, novelty = model(batch)
        found = session.run(None, batch)
        np.testing.assert_allclose(found[0], probabilities, atol=1e-4)
        assert novelty is not None
        np.testing.assert_allclose(found[1], novelty, atol=1e-4)
        assert (found[0].dtype, found[0].shape, found[1].shape) == (np.float32, (len(probabilities), 3), novelty.shape)
        seen.append(probabilities)
    assert np.ptp(np.concatenate(seen), axis=0).max() > 0.05  # not one answer for everything


def test_the_folder_is_opened_and_predicts_as_the_model_does(tmp_path: Path) -> None:
    save(tmp_path / "model", text_pairs=True)

    folder = export_model(tmp_path / "model", tmp_path / "deep" / "onnx")

    assert folder == tmp_path / "deep" / "onnx"
    assert {"model.onnx", "config.json", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    assert [path.name for path in folder.parent.iterdir()] == ["onnx"]  # nothing is left of the work
    pairs = [text + " here" * 30 for text in TEXTS[::-1]]  # cut at 40 tokens
    expected = Predictor.load(tmp_path / "model", precision="float32").predict(TEXTS, pairs)
    for threads, batch_size in ((1, None), (2, 2)):
        found = Predictor.load(folder, batch_size, threads=threads).predict(TEXTS, pairs)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
        assert found.novelty is not None
        assert expected.novelty is not None
        np.testing.assert_allclose(found.novelty, expected.novelty, atol=1e-4)
        assert found.label_names == expected.label_names == ("animal", "colour", "tool")
    with pytest.raises(InputError, match="this model was trained on pairs of texts"):
        Predictor.load(folder).predict(TEXTS)


def test_a_model_without_fake_class_has_no_novelty(tmp_path: Path) -> None:
    save(tmp_path / "model", adversarial=False)

    found = Predictor.load(export_model(tmp_path / "model", tmp_path / "onnx")).predict(TEXTS)

    assert found.novelty is None
    expected = Predictor.load(tmp_path / "model", precision="float32").predict(TEXTS)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)


@pytest.fixture(scope="module", params=["bert"])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder and what was exported from it: `torch`, `float32` and `int8`."""
    scratch = tmp_path_factory.mktemp("exported")
    save(scratch / "torch", request.param)
    export_model(scratch / "torch", scratch / "float32")
    export_model(scratch / "torch", scratch / "int8", int8=True)
    return {path.name: path for path in scratch.iterdir()}


@pytest.mark.parametrize("folders", ["bert", "gpt2"], indirect=True)
def test_int8_is_smaller_and_close(folders: dict[str, Path]) -> None:
    import onnx

    whole, folder = folders["float32"], folders["int8"]
    nodes = onnx.load(folder / "model.onnx").graph.node
    assert sum(node.op_type == "MatMulInteger" for node in nodes) >= 2 * 4  # four or six matrices in each of two layers
    assert (folder / "model.onnx").stat().st_size < 0.75 * (whole / "model.onnx").stat().st_size
    texts = [" ".join(row) for row in np.random.default_rng(0).choice(VOCABULARY[4:], (200, 6))]
    expected, found = Predictor.load(whole).predict(texts), Predictor.load(folder).predict(texts)
    assert 0 < np.abs(found.probabilities - expected.probabilities).max() < 0.05
    assert np.mean([a == b for a, b in zip(found.labels, expected.labels, strict=True)]) > 0.9


WITHOUT_TORCH = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "datasets", "sklearn", "pandas"):
            raise ImportError(f"{name} is not to be imported")
sys.meta_path.insert(0, Refuse())
from pathlib import Path
from ganbert.predict.onnx_backend import SLOW_OPTIMIZERS
from ganbert.predict.predictor import Predictor
predictions = Predictor.load(Path(sys.argv[1])).predict(json.loads(sys.argv[2]))
print(json.dumps([predictions.probabilities.tolist(), predictions.novelty.tolist(), predictions.labels]))
"""


def test_an_exported_model_predicts_without_torch_and_transformers(folders: dict[str, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(folders["float32"]), json.dumps(TEXTS)],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    probabilities, novelty, labels = json.loads(done.stdout)
    expected = Predictor.load(folders["torch"], precision="float32").predict(TEXTS)
    np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-4)
    assert expected.novelty is not None
    np.testing.assert_allclose(novelty, expected.novelty, atol=1e-4)
    assert labels == expected.labels


def test_an_exported_model_is_evaluated_without_torch_and_transformers(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    table = tmp_path / "test.csv"
    table.write_text("".join(f"{row}\n" for row in ("text,label", "the saw,tool", "the cat,animal", "red,colour")))
    evaluate = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*{'torch', 'transformers'} & set(sys.modules), file=sys.stderr, sep='\\n'))\n"
        "from ganbert.cli import main\n"
        "main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", evaluate, "evaluate", str(folders["float32"]), str(table), "--json"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert not {"torch", "transformers"} & set(done.stderr.splitlines())
    expected = Predictor.load(folders["torch"], precision="float32").predict(["the saw", "the cat", "red"]).labels
    assert json.loads(done.stdout)["accuracy"] == np.mean(np.array(expected) == ["tool", "animal", "colour"])


def test_what_was_fixed_by_the_export_cannot_be_chosen(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["int8"], tmp_path / "int8")

    assert Predictor.load(folder, precision="int8", threads=2).description == "cpu, ONNX int8, 2 threads"
    with pytest.raises(InputError, match="--precision 'bfloat16': this model was exported in int8"):
        Predictor.load(folder, precision="bfloat16")
    with pytest.raises(InputError, match="--device 'cuda': exported models are computed on the cpu"):
        Predictor.load(folder, device="cuda")
    with pytest.raises(InputError, match="is exported already"):
        export_model(folder, tmp_path / "again")
    (folder / "model.onnx").write_bytes(b"no graph")
    (folder / "manifest.json").unlink()  # it would tell of another checksum
    with pytest.raises(InputError, match=r"model\.onnx: cannot be opened as an ONNX model"):
        Predictor.load(folder)


def test_the_graph_tells_nothing_of_the_machine_it_was_written_on(folders: dict[str, Path]) -> None:
    for kind in ("float32", "int8"):
        content = (folders[kind] / "model.onnx").read_bytes()
        assert str(Path(ganbert.__file__).parent).encode() not in content
        assert b"site-packages" not in content


def test_onnxruntime_still_knows_the_optimiser_that_is_switched_off(folders: dict[str, Path], tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    def fused(switched_off: list[str]) -> int:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        options.log_severity_level = 4
        graph = str(folders["float32"] / "model.onnx")
        onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=switched_off
        )
        nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
        return sum(node.op_type == "SkipLayerNormalization" for node in nodes)

    assert fused([]) > 0
    assert fused(SLOW_OPTIMIZERS) == 0


def test_an_encoder_that_cannot_be_translated_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "model")

    def fail(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("aten::magic\nis unknown")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(RunError, match=r"^bert cannot be exported to ONNX \(aten::magic is unknown\)$"):
        export_model(tmp_path / "model", tmp_path / "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_graph_with_a_fixed_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "model")
    monkeypatch.setattr(
        torch.onnx,
        "export",
        lambda *args, real=torch.onnx.export, **kwargs: real(*args, **kwargs | {"dynamic_shapes": None}),
    )

    with pytest.raises(RunError, match="the graph cannot be computed"):
        export_model(tmp_path / "model", tmp_path / "onnx")


def test_wrong_numbers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "model")
    monkeypatch.setattr("ganbert.predict.onnx_backend._TOLERANCE", -1)

    with pytest.raises(RunError, match="the graph is wrong: its probabilities differ from the model's by"):
        export_model(tmp_path / "model", tmp_path / "onnx")


def test_what_a_killed_export_left_is_not_in_the_way(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    (output / ".export-a1b2c3d4").mkdir(parents=True)
    (output / "model.onnx").write_text("graph")
    with pytest.raises(InputError, match="is not empty"):
        _check_output(output)  # this graph may be anybody's

    seal(output, ["model.onnx"])  # an export lists what it wrote before it moves the files, the config last
    _check_output(output)
    (output / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        _check_output(output)
    (output / "notes.txt").unlink()
    (output / "config.json").write_text("{}")
    with pytest.raises(InputError, match="is not empty"):
        _check_output(output)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights_of_a_model_that_lost_its_config_are_not_taken_for_an_export(tmp_path: Path, weights: str) -> None:
    (tmp_path / weights).write_text("{}")
    seal(tmp_path, [weights])
    with pytest.raises(InputError, match="is not empty"):
        _check_output(tmp_path)


def test_names_of_columns_and_the_unknown_token_stand_in_the_exported_folder(tiny_encoder: str, tmp_path: Path) -> None:
    model = GanBertForSequenceClassification.from_encoder(
        tiny_encoder, num_labels=2, columns={"text": "message", "label": "intent"}, class_names=[["a word"], []]
    )
    model.save_pretrained(tmp_path / "model")
    load_tokenizer(tiny_encoder).save_pretrained(tmp_path / "model")

    folder = export_model(tmp_path / "model", tmp_path / "onnx")
    predictor = Predictor.load(str(folder))

    assert columns_of(folder) == {"text": "message", "label": "intent"}
    assert class_names_of(folder) == {"LABEL_0": ("a word",)}
    assert predictor.predict(["qwertz", "the cat", "cat " * 100]).counts == TextCounts(3, 1, 1)
