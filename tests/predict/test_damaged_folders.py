"""Damaged model and encoder folders: each is refused in one line that says why, before anything is computed."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from ganbert import GanBertForSequenceClassification, InputError
from ganbert.data.corpus import corpus_of_texts
from ganbert.model.encoders import load_tokenizer
from ganbert.predict.predictor import Predictor
from ganbert.storage.folders import seal
from ganbert.training.fit import build_model
from ganbert.training.recipe import DEFAULT
from tests.conftest import Run

Damage = Callable[[Path], None]

CORPUS = corpus_of_texts(["cat", "red", "saw"], [0, 1, -100], ["animal", "colour"])
QUERY = "layer.1.attention.self.query.weight"
MANY_LEVELS = "[" * 100_000 + "]" * 100_000


def edit(name: str = "config.json", **changes: Any) -> Damage:
    """Change fields of a JSON file; `encoder__x` is the field x of the part `encoder`, `...` takes a field out."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        for key, value in changes.items():
            *parts, last = key.split("__")
            place = content
            for part in parts:
                place = place[part]
            if value is ...:
                place.pop(last)
            else:
                place[last] = value
        (folder / name).write_text(json.dumps(content))

    return damage


def text(name: str, content: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)

    return damage


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Damage:
    """Change the weights, of which `change` gets the dictionary."""

    def damage(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors", {"format": "pt"})

    return damage


def name_of(state: dict[str, torch.Tensor], ending: str = QUERY) -> str:
    return next(name for name in state if name.endswith(ending))


def set_to(value: float) -> Damage:
    return weights(lambda state: state[name_of(state)][3, 3].fill_(value))


def cut(length: int) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:length])

    return damage


def header(content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(len(content).to_bytes(8, "little") + content)

    return damage


def both(*damages: Damage) -> Damage:
    def damage(folder: Path) -> None:
        for harm in damages:
            harm(folder)

    return damage


def remove(*names: str) -> Damage:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def index(shard: Callable[[Path], str]) -> Damage:
    """Move the weights out of the folder, and name them in an index."""

    def damage(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        outside = folder.parent / "outside.safetensors"
        (folder / "model.safetensors").rename(outside)
        weight_map = dict.fromkeys(state, shard(folder))
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))

    return damage


def external(place: str) -> Damage:
    """Have the weights of a graph in a file of their own, which lies in the folder above, and name them at `place`."""

    def damage(folder: Path) -> None:
        import onnx

        graph = onnx.load(folder / "model.onnx")
        onnx.save(graph, folder / "model.onnx", save_as_external_data=True, location="weights.data", size_threshold=0)
        (folder / "weights.data").rename(folder.parent / "weights.data")
        graph = onnx.load(folder / "model.onnx", load_external_data=False)
        for tensor in graph.graph.initializer:
            for entry in tensor.external_data:
                entry.value = place if entry.key == "location" else entry.value
        (folder / "model.onnx").write_bytes(graph.SerializeToString())

    return damage


def not_text(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe{}")


def linked(folder: Path) -> str:
    os.symlink(folder.parent / "outside.safetensors", folder / "part.safetensors")
    return "part.safetensors"


def deeper(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["extra"] = json.loads("[" * 300 + "]" * 300)
    (folder / "config.json").write_text(json.dumps(config))


OF_BOTH: dict[str, tuple[Damage, str]] = {
    # Weights.
    "a weight is missing": (weights(lambda s: s.pop(name_of(s))), rf"1 weight is missing: .*{QUERY}"),
    "a layer is missing": (
        weights(lambda s: [s.pop(n) for n in list(s) if "layer.1." in n]),
        r"16 weights are missing: \S+, \S+, \S+, \.\.\.",
    ),
    "all weights are missing": (weights(lambda s: s.clear()), "weights, and the files hold 0"),
    "nan": (set_to(float("nan")), rf"1 weight is not finite \(nan or infinite\): .*{QUERY}"),
    "infinite": (set_to(float("-inf")), "1 weight is not finite"),
    "another shape": (
        weights(lambda s: s.update({name_of(s): torch.zeros(32, 31)})),
        r"another shape than config.json describes: .* is \[32, 31\] in the file and \[32, 32\] by config.json",
    ),
    "whole numbers": (
        weights(lambda s: s.update({name_of(s): s[name_of(s)].to(torch.int32)})),
        rf"1 weight is stored as whole numbers: .*{QUERY}",
    ),
    "no weights": (remove("model.safetensors"), r"holds no weights \(model.safetensors\)"),
    "pickled": (pickled, r"pickled \(pytorch_model.bin\), .* convert it to safetensors where you trust it"),
    "empty": (cut(0), "model.safetensors is damaged"),
    "cut in the header": (cut(100), "model.safetensors is damaged"),
    "cut in the weights": (cut(20_000), "model.safetensors is damaged"),
    "hostile header: length": (header(b"{}" * 10), "model.safetensors is damaged"),
    "hostile header: deep": (header(b'{"a":' + b"[" * 50_000), "model.safetensors is damaged"),
    "index: parent": (index(lambda folder: "../outside.safetensors"), "names weights outside the folder"),
    "index: absolute": (index(lambda f: str(f.parent / "outside.safetensors")), "names weights outside the folder"),
    "index: link": (index(linked), "names weights outside the folder"),
    "index: lost": (index(lambda folder: "lost.safetensors"), r"1 of 1 files .* are missing \(lost.safetensors\)"),
    "index: torn": (
        both(remove("model.safetensors"), text("model.safetensors.index.json", "{")),
        "model.safetensors.index.json is not JSON",
    ),
    # The tokenizer.
    "no tokenizer.json": (remove("tokenizer.json"), "no tokenizer files: tokenizer.json.* is missing"),
    "no tokenizer": (
        remove("tokenizer.json", "tokenizer_config.json"),
        "no tokenizer files: tokenizer.json.* is missing",
    ),
    "torn tokenizer": (text("tokenizer.json", "{"), "folder"),
    "tokenizer without words": (
        edit("tokenizer.json", model__vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}),
        "knows no words",
    ),
    "tokenizer of another model": (edit("tokenizer.json", model__vocab__far=1000), r"ids up to 1,000, .* knows 26"),
    "length 0": (edit("tokenizer_config.json", model_max_length=0), "model_max_length=0 is no number of tokens"),
    "length -1": (edit("tokenizer_config.json", model_max_length=-1), "model_max_length=-1 is no number"),
    "length of a word": (edit("tokenizer_config.json", model_max_length="x"), "model_max_length='x' is no number"),
    "length 1": (edit("tokenizer_config.json", model_max_length=1), "model_max_length is 1, which leaves no room"),
    "length 2": (edit("tokenizer_config.json", model_max_length=2), "model_max_length is 2, which leaves no room"),
    # config.json.
    "torn config": (text("config.json", "{"), "config.json is not JSON"),
    "empty config": (text("config.json", ""), "config.json is not JSON"),
    "config of bytes": (not_text, "config.json is not JSON"),
    "config is a list": (text("config.json", "[1]"), "config.json holds a list"),
    "config is null": (text("config.json", "null"), "config.json holds a NoneType"),
    "endless config": (text("config.json", MANY_LEVELS), "config.json is nested too deeply"),
    "deep config": (deeper, "nested too deeply"),
    "no model type": (edit(model_type=...), "model_type|model type"),
}

OF_ENCODERS: dict[str, tuple[Damage, str]] = {
    "layers -1": (edit(num_hidden_layers=-1), "num_hidden_layers=-1: must be 1 or above"),
    "layers 10^9": (edit(num_hidden_layers=10**9), "must be at most 1,000"),
    "layers too few": (edit(num_hidden_layers=1), "the files hold more layers than config.json describes"),
    "layers too many": (edit(num_hidden_layers=3), "16 weights are missing"),
    "layers of text": (edit(num_hidden_layers="2"), "num_hidden_layers"),
    "size of text": (edit(hidden_size="x"), "hidden_size"),
    "size null": (edit(hidden_size=None), "hidden_size"),
    "size true": (edit(hidden_size=True), "hidden_size"),
    "size list": (edit(hidden_size=[32]), "hidden_size"),
    "size 0": (edit(hidden_size=0), "hidden_size=0"),
    "heads that do not divide": (edit(num_attention_heads=5), "not a multiple of the number of attention"),
    "vocabulary 10^12": (edit(vocab_size=10**12), "vocab_size=1000000000000"),
    "vocabulary 10^9": (edit(vocab_size=10**9), "config.json describes 32,0.* weights, and the files hold"),
    "positions 10^12": (edit(max_position_embeddings=10**12), "config.json describes"),
    "positions 10^30": (edit(max_position_embeddings=10**30), "no number of a model is so large"),
    "labels 10^12": (edit(num_labels=10**12), "num_labels=1000000000000"),
    "dropout 7": (edit(hidden_dropout_prob=7), "hidden_dropout_prob=7: must be from 0 to 1"),
    "dropout nan": (edit(hidden_dropout_prob=float("nan")), "hidden_dropout_prob: nan is not a number"),
    "epsilon -1": (edit(layer_norm_eps=-1.0), "layer_norm_eps=-1"),
    "activation": (edit(hidden_act="nothing"), "nothing"),
    "another kind": (edit(model_type="gpt2"), "missing|shape|describes"),
    "unknown kind": (edit(model_type="made-up"), "made-up"),
    "kind is a number": (edit(model_type=3), "the folder holds no encoder"),
    "quantised": (edit(quantization_config={"quant_method": "gptq", "bits": 4}), "its weights are quantised"),
    "kernels": (edit(attn_implementation="flash_attention_2"), "the folder holds no encoder.*[Ff]lash"),
    "code of its own": (edit(model_type="made-up", auto_map={"AutoConfig": "evil.Config"}), "custom code"),
    "type of weights": (edit(dtype="banana"), "banana"),
    "pooling is a list": (text("1_Pooling/config.json", "[]"), "1_Pooling/config.json holds a list"),
    "torn pooling": (text("1_Pooling/config.json", "{"), "1_Pooling/config.json is not JSON"),
}

OF_MODELS: dict[str, tuple[Damage, str]] = {
    "a head is missing": (
        weights(lambda s: s.pop("discriminator.output.bias")),
        "1 weight is missing: discriminator.output.bias",
    ),
    "no pooling": (edit(pooling=...), "does not state the pooling"),
    "chunks of true": (edit(encoder__chunk_size_feed_forward=True), "chunk_size_feed_forward=True: must be 0"),
    "layers -1": (edit(encoder__num_hidden_layers=-1), "num_hidden_layers=-1: must be 1 or above"),
    "layers 10^9": (edit(encoder__num_hidden_layers=10**9), "must be at most 1,000"),
    "layers too few": (edit(encoder__num_hidden_layers=1), "the files hold more layers"),
    "vocabulary 10^9": (edit(encoder__vocab_size=10**9), "config.json describes"),
    "no encoder": (edit(encoder=...), "describes|encoder"),
    "encoder is a list": (edit(encoder=[]), "encoder: list is no configuration"),
    "encoder of no kind": (edit(encoder__model_type=...), "encoder: .*model_type"),
    "encoder of images": (edit(encoder={"model_type": "vit"}), "vit is no text encoder"),
    "encoder's dropout": (edit(encoder__hidden_dropout_prob=7), "hidden_dropout_prob=7"),
    "other ids": (edit(id2label={"0": "a", "2": "b", "3": "c"}), "keys must be the whole numbers from 0 to 2"),
    "ids are words": (edit(id2label={"a": "a", "b": "b", "c": "c"}), "keys must be the whole numbers from 0 to"),
    "too few names": (edit(id2label={"0": "a", "1": "b"}, label2id=...), "shape than config.json describes"),
    "too many names": (edit(id2label={"0": "a", "1": "b", "2": "c", "3": "d"}, label2id=...), "another shape"),
    "a name twice": (edit(id2label={"0": "a", "1": "b", "2": "a"}, label2id=...), "two classes are named 'a'"),
    "a name is null": (edit(id2label={"0": "a", "1": None, "2": "c"}, label2id=...), "class 1 must have a name"),
    "a name is empty": (edit(id2label={"0": "a", "1": "", "2": "c"}, label2id=...), "class 1 must have a name"),
    "names in a list": (edit(id2label=["a", "b", "c"]), "id2label=.*: must name each class"),
    "no names": (edit(id2label=..., label2id=...), "another shape"),
    "names that disagree": (edit(label2id={"x": 0, "y": 1, "z": 2}), "label2id: is not the inverse of id2label"),
    "another number": (edit(num_labels=5), "num_labels=5: but id2label names 3 classes"),
    "pooling": (edit(pooling="max"), "pooling='max': choose one of cls, pooler, mean, last"),
    "pooling null": (edit(pooling=None), "pooling=None: choose one of"),
    "pooler that is gone": (edit(pooling="pooler"), "2 weights are missing: encoder.pooler.dense.bias"),
    "noise": (edit(noise=3), "noise=3: choose one of"),
    "noise of size 0": (edit(noise_size=0), "noise_size=0: must be a whole number from 1"),
    "noise of size -5": (edit(noise_size=-5), "noise_size=-5: must be"),
    "noise of size 10^12": (edit(noise_size=10**12), "noise_size=1000000000000: must be"),
    "dropout": (edit(dropout=7), "dropout=7: must be"),
    "dropout of text": (edit(dropout="0.1"), "dropout='0.1': must be"),
    "nan": (edit(real_weight=float("nan")), "real_weight: nan is not a number"),
    "infinite": (edit(real_weight=float("inf")), "real_weight=inf: must be a number, 0 or above and finite"),
    "switch of text": (edit(adversarial="yes"), "adversarial='yes': must be true or false"),
    "switch of 1": (edit(text_pairs=1), "text_pairs=1: must be true or false"),
    "no fake class": (edit(adversarial=False), "another shape"),
    "generator that is gone": (edit(has_generator=True), "4 weights are missing: generator"),
    "columns in a list": (edit(columns=["text"]), "columns=.*: must be null, or names"),
    "class names in a string": (edit(class_names="a"), "class_names='a': must be null, or a list of texts for each"),
    "class names of numbers": (edit(class_names=[["a"], [3]]), "class_names=.*: must be null, or a list of texts"),
    "too many class names": (edit(class_names=[["a"]] * 9), "class_names: names 9 classes, and id2label "),
    "columns of numbers": (edit(columns={"text": 3}), "columns=.*: must be null, or names"),
}


@pytest.fixture(scope="module")
def model(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "model"
    names = {0: "animal", 1: "colour", 2: "tool"}
    torch.manual_seed(0)
    GanBertForSequenceClassification.from_encoder(
        tiny_encoder, id2label=names, label2id={name: i for i, name in names.items()}, pooling="mean", dropout=0.2
    ).save_pretrained(folder)
    load_tokenizer(tiny_encoder).save_pretrained(folder)
    return folder


def refusal(folder: Path, use: Callable[[Path], object]) -> str:
    """Return the message with which `use` refuses the folder: one line, which names it."""
    with pytest.raises(InputError) as error:
        use(folder)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 700
    assert str(folder) in message
    return message


@pytest.mark.parametrize("damage", [*OF_BOTH, *OF_MODELS])
def test_a_damaged_model_folder_is_refused(
    damage: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harm, reason = (OF_BOTH | OF_MODELS)[damage]
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    harm(folder)
    monkeypatch.setattr(GanBertForSequenceClassification, "forward", forbidden)

    message = refusal(folder, lambda folder: Predictor.load(folder, precision="float32"))

    assert re.search(reason, message), message


@pytest.mark.parametrize("damage", [*OF_BOTH, *OF_ENCODERS])
def test_a_damaged_encoder_folder_is_refused(
    damage: str, tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harm, reason = (OF_BOTH | OF_ENCODERS)[damage]
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    harm(folder)
    monkeypatch.setattr(GanBertForSequenceClassification, "forward", forbidden)

    message = refusal(folder, lambda folder: build_model(str(folder), CORPUS, DEFAULT))

    assert re.search(reason, message), message
    assert "trust_remote_code=True" not in message or damage == "code of its own"


def forbidden(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("something was computed")


OF_EXPORTS: dict[str, tuple[Damage, str]] = {
    "no graph": (remove("model.onnx"), "no such file: the folder holds no exported model"),
    "weights lost": (external("weights.data"), "cannot be opened as an ONNX model"),
    "weights outside": (external("../weights.data"), "cannot be opened as an ONNX model"),
    "torn graph": (text("model.onnx", "{"), "cannot be opened as an ONNX model"),
    "empty graph": (text("model.onnx", ""), "cannot be opened as an ONNX model"),
    "no tokenizer": (remove("tokenizer.json"), "no tokenizer files: tokenizer.json is missing"),
    "torn tokenizer": (text("tokenizer.json", "{"), "tokenizer.json: cannot be opened as a tokenizer"),
    "torn config": (text("config.json", "{"), "config.json is not JSON"),
    "not exported": (edit(onnx=...), r"holds no weights \(model.safetensors\)"),
    "facts null": (edit(onnx=None), "onnx must be an object with int8"),
    "facts in a list": (edit(onnx=[1]), "onnx must be an object with int8"),
    "no precision": (edit(onnx__int8=...), "onnx.int8 must be true or false"),
    "no kind of tokenizer": (edit(onnx__rust_tokens="yes"), "onnx.rust_tokens must be true or false"),
    "no tokens": (edit(onnx__tokens=...), "onnx.tokens: must be an object with max_length"),
    "no length": (edit(onnx__tokens__max_length=...), "onnx.tokens: must be an object with max_length"),
    "length of text": (edit(onnx__tokens__max_length="64"), "max_length='64': must be a whole number from 1"),
    "length 0": (edit(onnx__tokens__max_length=0), "max_length=0: must be a whole number from 1"),
    "length 2": (edit(onnx__tokens__max_length=2), "max_length is 2, which leaves no room"),
    "side": (edit(onnx__tokens__pad_side="up"), "pad_side='up': must be left or right"),
    "padding null": (edit(onnx__tokens__pad_id=None), "pad_id=None: must be a whole number from 0"),
    "padding -1": (edit(onnx__tokens__pad_id=-1), "pad_id=-1: must be a whole number from 0"),
    "token types": (edit(onnx__tokens__type_pad_id=0), "takes or gives something else than config.json says"),
    "an unknown fact": (edit(onnx__tokens__colour=1), "onnx.tokens: must be an object"),
    "no names": (edit(id2label=...), "id2label is not stated"),
    "too few names": (edit(id2label={"0": "a", "1": "b"}, label2id=...), "gives 3 classes, and config.json names 2"),
    "a name twice": (edit(id2label={"0": "a", "1": "a", "2": "b"}, label2id=...), "two classes are named 'a'"),
    "no pairs": (edit(text_pairs=...), "text_pairs is not stated"),
    "pairs of text": (edit(text_pairs="no"), "text_pairs='no': must be true or false"),
    "no fake class": (edit(adversarial=False, has_generator=False), "something else than config.json says"),
}


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from ganbert.predict.export import export_model

    return export_model(model, tmp_path_factory.mktemp("exported") / "onnx")


@pytest.mark.parametrize("damage", OF_EXPORTS)
def test_a_damaged_export_is_refused(damage: str, exported: Path, tmp_path: Path) -> None:
    harm, reason = OF_EXPORTS[damage]
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    (folder / "manifest.json").unlink()  # it would tell of a changed graph before anything else does
    # One whose tokenizer is read by the library `tokenizers` alone, as those of all common encoders are.
    edit(onnx__rust_tokens=True)(folder)
    harm(folder)

    message = refusal(folder, Predictor.load)

    assert re.search(reason, message), message


def test_a_graph_of_another_checksum_is_refused(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)

    assert "model.onnx: is not as it was written" in refusal(folder, Predictor.load)


def test_a_flipped_bit_in_weights_is_refused_unless_they_were_saved_anew(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    seal(folder, ["config.json", "model.safetensors"])
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    assert "model.safetensors is not as it was written" in refusal(folder, Predictor.load)

    (folder / "manifest.json").unlink()
    opened = GanBertForSequenceClassification.from_pretrained(folder)
    seal(folder, ["config.json", "model.safetensors"])
    with torch.no_grad():
        opened.discriminator.output.bias.add_(1)
    opened.save_pretrained(folder)

    assert Predictor.load(folder).predict(["the cat"]).labels


def test_an_export_cannot_be_trained(exported: Path) -> None:
    message = refusal(exported, lambda folder: build_model(str(folder), CORPUS, DEFAULT))
    assert "it is an exported model, which cannot learn" in message


@pytest.mark.parametrize("damage", OF_MODELS)
def test_transformers_own_way_in_refuses_a_damaged_model_too(damage: str, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    OF_MODELS[damage][0](folder)

    with pytest.raises(ValueError, match=r"\w"):
        AutoModelForSequenceClassification.from_pretrained(folder)


def test_whole_folders_are_opened(model: Path, tiny_encoder: str) -> None:
    assert Predictor.load(str(model), precision="float32").label_names == ("animal", "colour", "tool")
    build_model(tiny_encoder, CORPUS, DEFAULT)


def test_the_command_refuses_in_one_line_with_status_2(
    run: Run, toy_table: Callable[..., Path], tiny_encoder: str, model: Path, tmp_path: Path
) -> None:
    encoder, broken = tmp_path / "encoder", tmp_path / "model"
    shutil.copytree(tiny_encoder, encoder)
    shutil.copytree(model, broken)
    remove("tokenizer.json", "tokenizer_config.json")(encoder)
    set_to(float("nan"))(broken)
    table, output = toy_table(), tmp_path / "out"

    for arguments in (
        ("train", table, "--encoder", encoder, "--output", output, "--max-steps", 1),
        ("predict", broken, table, "--output", tmp_path / "out.csv"),
        ("evaluate", broken, table),
    ):
        outcome = run(*arguments)
        assert outcome.status == 2
        assert outcome.out == ""
        assert outcome.err.count("\n") == 1
        assert outcome.err.startswith("ganbert: ")
    assert not output.exists()
    assert not (tmp_path / "out.csv").exists()


def test_shards_in_the_cache_of_the_hub_are_links_and_are_opened(tiny_encoder: str, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "abc", tmp_path / "models--a--b" / "blobs"
    shutil.copytree(tiny_encoder, snapshot)
    blobs.mkdir()
    state = load_file(snapshot / "model.safetensors")
    (snapshot / "model.safetensors").unlink()
    half = len(state) // 2
    weight_map: dict[str, str] = {}
    for i, names in enumerate(([*state][:half], [*state][half:])):
        save_file({name: state[name] for name in names}, blobs / f"blob{i}", {"format": "pt"})
        os.symlink(f"../../blobs/blob{i}", snapshot / f"part{i}.safetensors")
        weight_map |= dict.fromkeys(names, f"part{i}.safetensors")
    (snapshot / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))

    opened = GanBertForSequenceClassification.from_encoder(str(snapshot), num_labels=2)

    whole = GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=2)
    for name, weight in whole.encoder.state_dict().items():
        assert torch.equal(opened.encoder.state_dict()[name], weight)


def test_pickled_weights_are_not_unpickled(tiny_encoder: str, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "it-ran",))

    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Hostile()))

    with pytest.raises(InputError, match="pickled"):
        GanBertForSequenceClassification.from_encoder(str(folder), num_labels=2)
    assert not (tmp_path / "it-ran").exists()
