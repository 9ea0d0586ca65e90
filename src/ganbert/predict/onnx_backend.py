"""A model as one ONNX graph: token ids in, probabilities and novelty out; written with torch, computed without.

The graph `model.onnx` takes `input_ids`, `attention_mask` and, where the tokenizer makes them, `token_type_ids`, each
[b, t] int64 with any b and t. It gives `probabilities` [b, k], p(y | x, y <= k), and `novelty` [b], p(k+1 | x); no
`novelty` if the model has no fake class. Nothing needs torch or transformers until a graph is written.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganbert.data.tokens import Batch, Tokens
from ganbert.errors import InputError, RunError
from ganbert.predict.backends import Backend, exported_tokens
from ganbert.runtime import check_threads
from ganbert.storage.fields import EXPORT_KEY, label_names, one_line

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ganbert.model.modeling import GanBertForSequenceClassification

MODEL_FILE = "model.onnx"

BATCH_TOKENS = 512
"""Tokens of a batch: one that fits a core's cache is fastest."""

OPSET = 20
"""The first with Gelu as one operator, and well served by onnxruntime."""

SLOW_OPTIMIZERS = ["SkipLayerNormFusion"]
"""Names of onnxruntime's; this one's kernel takes several times as long as the two that it joins."""

_TOLERANCE = 1e-3
"""Largest difference between the probabilities of a graph and of torch; a greater one means a wrong translation."""


def _inputs(config: dict[str, Any]) -> list[str]:
    has_types = config[EXPORT_KEY]["tokens"].get("type_pad_id") is not None
    return ["input_ids", "attention_mask", "token_type_ids"][: 2 + has_types]


def _outputs(config: dict[str, Any]) -> list[str]:
    return ["probabilities", "novelty"][: 1 + config["adversarial"]]


class OnnxModel(Backend):
    """The graph of an exported folder, on the processor.

    Args:
        folder: what `ganbert export` left.
        config: its config.json.
        device, precision, threads: as for `choose_compute`; device and precision of an exported model are fixed.

    Raises:
        InputError: another device or precision is asked for, or the file cannot be opened.
    """

    batch_tokens = BATCH_TOKENS

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> None:
        check_threads(threads)
        own_precision = "int8" if config[EXPORT_KEY]["int8"] else "float32"
        if device not in ("auto", "cpu"):
            raise InputError(f"--device {device!r}: exported models are computed on the cpu", path=folder)
        if precision not in ("auto", own_precision):
            raise InputError(f"--precision {precision!r}: this model was exported in {own_precision}", path=folder)
        self.workers = threads or int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or os.cpu_count() or 1)
        self.label_names = label_names(config["id2label"])
        self.text_pairs, self.adversarial = config["text_pairs"], config["adversarial"]
        self._session = _open(folder / MODEL_FILE)
        self._check_graph(folder / MODEL_FILE, _inputs(config), _outputs(config))
        self.description = f"cpu, ONNX {own_precision}, {self.workers} thread{'s' if self.workers > 1 else ''}"

    def __call__(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the probabilities [b, k] and the novelty [b], None without a fake class."""
        try:
            probabilities, *novelty = self._session.run(None, batch)
        except Exception as error:  # onnxruntime's errors have no common class that is public
            raise InputError(f"{MODEL_FILE} cannot be computed ({one_line(error)})") from error
        return probabilities, novelty[0] if novelty else None

    def _check_graph(self, path: Path, taken: list[str], given: list[str]) -> None:
        """Refuse a graph that takes or gives something else than config.json says."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if {node.name for node in inputs} != set(taken) or [node.name for node in outputs] != given:
            raise InputError(
                "takes or gives something else than config.json says: "
                f"{', '.join(sorted(taken))} should become {' and '.join(given)}",
                path=path,
            )
        width = outputs[0].shape[-1] if outputs[0].shape else None
        if width != len(self.label_names):
            raise InputError(f"gives {width} classes, and config.json names {len(self.label_names)}", path=path)


def open_onnx(
    folder: Path, config: dict[str, Any], device: str, precision: str, threads: int | None
) -> tuple[OnnxModel, Tokens]:
    """Open an exported folder; the arguments and errors are those of `backends.open_folder`."""
    return OnnxModel(folder, config, device, precision, threads), exported_tokens(folder, config[EXPORT_KEY])


def _open(path: Path) -> Any:
    """Return the session that computes a graph."""
    if not path.is_file():
        raise InputError("no such file: the folder holds no exported model", path=path)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # batches are computed side by side instead
    options.log_severity_level = 4  # what goes wrong is raised, and told once
    try:
        return onnxruntime.InferenceSession(
            str(path),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=SLOW_OPTIMIZERS,
        )
    except Exception as error:  # onnxruntime's errors have no common class that is public
        raise InputError(f"cannot be opened as an ONNX model ({one_line(error)})", path=path) from error


def write_onnx(model: GanBertForSequenceClassification, config: dict[str, Any], folder: Path) -> None:
    """Write the graph of a model, after comparing what it computes with what torch does.

    Args:
        model: in evaluation mode.
        config: the config.json that the folder is to have.
        folder: where to write `model.onnx`.

    Raises:
        RunError: the encoder cannot be translated, or the graph computes something else.
    """
    import torch

    graph, batch = _with_softmax(model), _example(model.config.encoder.vocab_size, config)
    batches = [batch, {name: column[:1, :4] for name, column in batch.items()}]  # the second has another shape
    with torch.inference_mode():
        expected = [graph(**_tensors(batch))[0].numpy() for batch in batches]
    # Plain matrix products: sdpa's translation adds a branch for rows without any token to each layer.
    model.encoder.set_attn_implementation("eager")
    _translate(graph, batch, config, folder / MODEL_FILE)
    _verify(OnnxModel(folder, config, threads=1), batches, expected)
    if config[EXPORT_KEY]["int8"]:
        _quantise(folder / MODEL_FILE)


def _with_softmax(model: GanBertForSequenceClassification) -> nn.Module:
    """Return what is exported: the model with the softmax behind it."""
    from torch import nn

    from ganbert.predict.torch_backend import figures

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
        ) -> tuple[Tensor, ...]:
            output = self.model(input_ids, attention_mask, token_type_ids)
            probabilities, novelty = figures(output, self.model.problem)
            return (probabilities,) if novelty is None else (probabilities, novelty)

    return Graph()


def _example(n_tokens: int, config: dict[str, Any]) -> Batch:
    """Return a batch of three rows of ids below `n_tokens`, one of them with padding, to trace the model with."""
    mask = np.ones((3, 7), dtype=np.int64)
    mask[1, 4:] = 0
    ids = np.random.default_rng(0).integers(0, n_tokens, mask.shape)
    columns = (np.where(mask, ids, config[EXPORT_KEY]["tokens"]["pad_id"]), mask, np.zeros_like(mask))
    return dict(zip(_inputs(config), columns, strict=False))


def _tensors(batch: Batch) -> dict[str, Tensor]:
    import torch

    return {name: torch.from_numpy(column) for name, column in batch.items()}


def _translate(graph: nn.Module, example: Batch, config: dict[str, Any], path: Path) -> None:
    """Write the graph with any number of rows and tokens."""
    import torch

    axes = dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC)  # rows and tokens
    try:
        with _quiet():
            program = torch.onnx.export(
                graph,
                kwargs=_tensors(example),
                input_names=list(example),
                output_names=_outputs(config),
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=dict.fromkeys(example, axes),
                verbose=False,
            )
            assert program is not None
            for node in program.model.graph.all_nodes():
                node.metadata_props.clear()  # stack traces, with paths of this machine
            program.save(path)
    except Exception as error:  # whatever the encoder does that has no translation
        kind = config["encoder"]["model_type"]
        raise RunError(f"{kind} cannot be exported to ONNX ({one_line(error)})") from error


def _verify(exported: OnnxModel, batches: list[Batch], expected: list[NDArray[np.float32]]) -> None:
    """Raise `RunError` unless the graph computes what the model does: the exporter may take a size for a constant."""
    try:
        found = [exported(batch)[0] for batch in batches]
    except Exception as error:
        raise RunError(f"the graph cannot be computed ({one_line(error)})") from error
    difference = max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))
    if not difference <= _TOLERANCE:
        raise RunError(f"the graph is wrong: its probabilities differ from the model's by {difference:.2g}")


def _quantise(path: Path) -> None:
    """Replace the graph by one whose matrices are 8-bit integers; inputs are scaled as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    del model.graph.value_info[:]  # shapes of tensors inside: torch 2.9 to 2.11 leaves some that the quantiser refuses
    heads = [node.name for node in model.graph.node if any("discriminator" in name for name in node.input)]
    with _quiet():
        quantize_dynamic(
            model,
            path,
            weight_type=QuantType.QInt8,  # unsigned ones miss the fast instructions
            per_channel=True,
            nodes_to_exclude=heads,  # they cost next to nothing, and decide
            extra_options={"MatMulConstBOnly": True},
        )
    path.with_suffix(".onnx.data").unlink(missing_ok=True)  # of a graph of several GB


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep notes of the exporter and the quantiser off the screen."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "root")]
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
