"""An exported model in ONNX Runtime, as the Predictor calls it. Nothing here needs torch or transformers."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbert.data.tokens import Batch, TokenFormat, Tokens
from ganbert.errors import InputError
from ganbert.runtime import check_threads
from ganbert.storage.fields import EXPORT_KEY, check_fields, class_names, one_line, read_config
from ganbert.storage.folders import MANIFEST, changed_weights

MODEL_FILE = "model.onnx"

BATCH_TOKENS = 512
"""Tokens of a batch: one that fits a core's cache is fastest."""


def export_facts(token_format: TokenFormat, *, int8: bool, rust_tokens: bool) -> dict[str, Any]:
    """Return what config.json of an exported folder holds under `EXPORT_KEY`."""
    return {"int8": int8, "rust_tokens": rust_tokens, "tokens": asdict(token_format)}


def read_export(folder: Path) -> dict[str, Any] | None:
    """Return the config.json of `folder` if it is an exported model, else None.

    Raises:
        InputError: it cannot be read, or is that of an exported model and something in it is absent or wrong.
    """
    try:
        config = read_config(folder)
        if EXPORT_KEY not in config:
            return None
        if missing := [name for name in ("id2label", "text_pairs", "adversarial") if config.get(name) is None]:
            raise InputError(f"config.json: {missing[0]} is not stated")
        check_fields(config)
        _check_facts(config[EXPORT_KEY])
    except ValueError as error:
        raise InputError(f"cannot be opened as a ganbert model ({error})", path=folder) from error
    return config


def _check_facts(facts: Any) -> None:
    if not isinstance(facts, dict):
        raise InputError(f"{EXPORT_KEY} must be an object with int8, rust_tokens and tokens")
    for name in ("int8", "rust_tokens"):
        if not isinstance(facts.get(name), bool):
            raise InputError(f"{EXPORT_KEY}.{name} must be true or false")
    try:
        TokenFormat.of_json(facts.get("tokens"))
    except InputError as error:
        raise InputError(f"{EXPORT_KEY}.tokens: {error}") from error


class OnnxModel:
    """The graph of an exported folder, on the processor.

    Args:
        folder: what `ganbert export` left.
        config: its `read_export`.
        device, precision, threads: as for `choose_compute`; device and precision of an exported model are fixed.

    Raises:
        InputError: another device or precision is asked for, or the file cannot be opened.
    """

    adversarial: bool
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
        self.label_names = class_names(config["id2label"])
        self.text_pairs: bool = config["text_pairs"]
        self.adversarial = config["adversarial"]
        self.columns: dict[str, str] | None = config.get("columns")
        if changed := changed_weights(folder):
            raise InputError(
                f"is not as it was written: its checksum differs from that in {MANIFEST}", path=folder / changed[0]
            )
        self._session = _open(folder / MODEL_FILE)
        self._check_graph(folder / MODEL_FILE, config[EXPORT_KEY]["tokens"].get("type_pad_id") is not None)
        self.description = f"cpu, ONNX {own_precision}, {self.workers} thread{'s' if self.workers > 1 else ''}"

    def start_worker(self) -> None:
        """Do nothing: a session has one thread for each call."""

    def stop_workers(self) -> None:
        """Do nothing."""

    def __call__(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the probabilities [b, k] and the novelty [b], None without a fake class."""
        try:
            probabilities, *novelty = self._session.run(None, batch)
        except Exception as error:  # onnxruntime's errors have no common class that is public
            raise InputError(f"{MODEL_FILE} cannot be computed ({one_line(error)})") from error
        return probabilities, novelty[0] if novelty else None

    def _check_graph(self, path: Path, has_types: bool) -> None:
        """Refuse a graph that takes or gives something else than config.json says."""
        taken = {"input_ids", "attention_mask"} | ({"token_type_ids"} if has_types else set())
        given = ["probabilities", "novelty"][: 1 + self.adversarial]
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if {node.name for node in inputs} != taken or [node.name for node in outputs] != given:
            raise InputError(
                "takes or gives something else than config.json says: "
                f"{', '.join(sorted(taken))} should become {' and '.join(given)}",
                path=path,
            )
        width = outputs[0].shape[-1] if outputs[0].shape else None
        if width != len(self.label_names):
            raise InputError(f"gives {width} classes, and config.json names {len(self.label_names)}", path=path)


def load_tokens(folder: Path, config: dict[str, Any]) -> Tokens:
    """Open the tokenizer of an exported folder, with transformers only if the tokenizer is one written in Python."""
    facts = config[EXPORT_KEY]
    if facts["rust_tokens"]:
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        if not path.is_file():
            raise InputError("no tokenizer files: tokenizer.json is missing", path=folder)
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library's errors are plain Exceptions
            raise InputError(f"cannot be opened as a tokenizer ({one_line(error)})", path=path) from error
        return Tokens.of_rust(tokenizer, TokenFormat.of_json(facts["tokens"]))
    from ganbert.model.encoders import load_tokenizer

    return Tokens.of(load_tokenizer(str(folder), what="model folder"))


def _open(path: Path) -> Any:
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
            # Its kernel is several times slower than an addition and the kernel for LayerNormalization.
            disabled_optimizers=["SkipLayerNormFusion"],
        )
    except Exception as error:  # onnxruntime's errors have no common class that is public
        raise InputError(f"cannot be opened as an ONNX model ({one_line(error)})", path=path) from error
