"""A trained model to one ONNX graph: token ids in, probabilities and novelty out."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbert.data.tokens import Batch, TokenFormat, rust_tokenizer
from ganbert.errors import InputError, RunError
from ganbert.extras import require
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.predict.onnx_backend import MODEL_FILE, OnnxModel, export_facts, read_export
from ganbert.predict.torch_backend import figures, load_model, load_model_tokenizer
from ganbert.storage import folders
from ganbert.storage.fields import EXPORT_KEY

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OPSET = 20
"""The first with Gelu as one operator, and well served by onnxruntime."""

_TOLERANCE = 1e-3
"""By how much the probabilities of a graph may differ from torch's before it is taken for a wrong translation."""


def export_onnx(folder: Path, output: Path, *, int8: bool = False) -> Path:
    """Write a model folder as an ONNX graph with everything that `Predictor.load` needs, and return its path.

    The graph `model.onnx` takes `input_ids`, `attention_mask` and, where the tokenizer makes them, `token_type_ids`,
    each [b, t] int64 with any b and t, and gives `probabilities` [b, k], p(y | x, y <= k), and `novelty` [b],
    p(k+1 | x); no `novelty` if the model has no fake class.

    Args:
        folder: what `ganbert train` left.
        output: a folder that does not exist or is empty.
        int8: store the encoder's matrices as 8-bit integers, a scale for each column, and multiply in integers.

    Raises:
        InputError: `folder` holds no model of ganbert, `output` cannot be written, or onnx or onnxscript is missing.
        RunError: the encoder cannot be translated.
    """
    require("onnx", "onnxscript")
    _check_output(output)
    if not (folder / "config.json").is_file():
        raise InputError("is no model folder: it has no config.json", path=folder)
    if read_export(folder) is not None:
        raise InputError("is exported already; give the folder that ganbert train left", path=folder)
    model = load_model(folder).train(False)
    tokenizer = load_model_tokenizer(folder, model)
    with folders.claimed(output):
        _check_output(output)  # again, now that nobody else writes
        folders.remove(output, _of_killed_export(output))
        with tempfile.TemporaryDirectory(prefix=".export-", dir=output, ignore_cleanup_errors=True) as scratch:
            part = Path(scratch)
            _write(model, tokenizer, part, int8)
            names = {path.name for path in part.iterdir()}
            folders.seal(part, names)
            # First the list of all files, and last the config, without which the folder is no model.
            for name in sorted(
                {*names, folders.MANIFEST}, key=lambda n: (n == "config.json") - (n == folders.MANIFEST)
            ):
                (part / name).replace(output / name)
    return output


class _Graph(nn.Module):
    """What is exported: the model with the softmax behind it."""

    def __init__(self, model: GanBertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return the probabilities, and the novelty if there is one."""
        probabilities, novelty = figures(self.model(input_ids, attention_mask, token_type_ids))
        return (probabilities,) if novelty is None else (probabilities, novelty)


def _check_output(output: Path) -> None:
    """Refuse a folder with something in it, but for what a killed export left there."""
    try:
        if output.exists() and {path.name for path in output.iterdir()} - _of_killed_export(output):
            raise InputError("is not empty; give a new folder", path=output)
    except OSError as error:
        raise InputError(f"cannot be used as a folder: {error.strerror}", path=output) from error


def _of_killed_export(output: Path) -> set[str]:
    """Return the names in a folder that an export left which did not come to its end."""
    names = {path.name for path in output.iterdir()} - folders.leftovers(output)
    begun = names == {folders.MANIFEST} or {folders.MANIFEST, MODEL_FILE} <= names
    is_model = {"config.json", "model.safetensors"} & names
    return folders.written(output) if begun and not is_model else folders.leftovers(output)


def _write(
    model: GanBertForSequenceClassification, tokenizer: PreTrainedTokenizerBase, folder: Path, int8: bool
) -> None:
    token_format = TokenFormat.of(tokenizer)
    graph, example = _Graph(model), _example(model, token_format)
    other_shape = {name: column[:1, :4] for name, column in example.items()}
    with torch.inference_mode():
        expected = [graph(**_tensors(batch))[0].numpy() for batch in (example, other_shape)]
    _translate(graph, example, folder / MODEL_FILE)
    facts = export_facts(token_format, int8=int8, rust_tokens=rust_tokenizer(tokenizer) is not None)
    config = {**model.config.to_dict(), EXPORT_KEY: facts}
    _verify(OnnxModel(folder, config, threads=1), [example, other_shape], expected)
    if int8:
        _quantise(folder / MODEL_FILE)
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _verify(exported: OnnxModel, batches: list[Batch], expected: list[NDArray[np.float32]]) -> None:
    """Raise `RunError` unless the graph computes what the model does: the exporter may take a size for a constant."""
    try:
        found = [exported(batch)[0] for batch in batches]
    except Exception as error:
        raise RunError(f"the graph cannot be computed ({' '.join(str(error).split())[:300]})") from error
    difference = max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))
    if not difference <= _TOLERANCE:
        raise RunError(f"the graph is wrong: its probabilities differ from the model's by {difference:.2g}")


def _example(model: GanBertForSequenceClassification, token_format: TokenFormat) -> Batch:
    """Return a batch of three rows, one of them with padding, to trace the model with."""
    rng, shape = np.random.default_rng(0), (3, 7)
    mask = np.ones(shape, dtype=np.int64)
    mask[1, 4:] = 0
    ids = rng.integers(0, model.config.encoder.vocab_size, shape)
    example: Batch = {"input_ids": np.where(mask, ids, token_format.pad_id), "attention_mask": mask}
    if token_format.type_pad_id is not None:
        example["token_type_ids"] = np.zeros(shape, dtype=np.int64)
    return example


def _tensors(batch: Batch) -> dict[str, Tensor]:
    return {name: torch.from_numpy(column) for name, column in batch.items()}


def _translate(graph: _Graph, example: Batch, path: Path) -> None:
    """Write the graph with any number of rows and tokens."""
    model = graph.model
    # Plain matrix products: sdpa's translation adds a branch for rows without any token to each layer.
    model.encoder.set_attn_implementation("eager")
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with _quiet():
            program = torch.onnx.export(
                graph,
                kwargs=_tensors(example),
                input_names=list(example),
                output_names=["probabilities", "novelty"][: 1 + model.config.adversarial],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=dict.fromkeys(example, axes),
                verbose=False,
            )
            assert program is not None
            program.save(path)
    except Exception as error:  # whatever the encoder does that has no translation
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"{model.config.encoder.model_type} cannot be exported to ONNX ({reason})") from error


def _quantise(path: Path) -> None:
    """Replace the graph by one whose matrices are 8-bit integers; inputs are scaled as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    nodes = onnx.load(path).graph.node
    heads = [node.name for node in nodes if any("discriminator" in name for name in node.input)]
    whole = path.rename(path.with_suffix(".float32"))
    with _quiet():
        quantize_dynamic(
            whole,
            path,
            weight_type=QuantType.QInt8,  # unsigned ones miss the fast instructions
            per_channel=True,
            nodes_to_exclude=heads,  # they cost next to nothing, and decide
            extra_options={"MatMulConstBOnly": True},
        )
    whole.unlink()
    path.with_suffix(".float32.data").unlink(missing_ok=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep notes of the exporter and the quantiser off the screen."""
    loggers: list[Any] = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "root")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
