"""An exported model in ONNX Runtime, as the Predictor calls it. Nothing here needs torch or transformers."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbert.errors import InputError
from ganbert.inference.tokens import Batch, TokenFormat, Tokens

MODEL_FILE = "model.onnx"
CONFIG_KEY = "onnx"
"""Entry of config.json by which an exported folder is known, and which tells what only a tokenizer's class knows."""

BATCH_TOKENS = 512
"""Tokens of a batch: one that fits a core's cache is fastest."""


def export_facts(token_format: TokenFormat, *, int8: bool, rust_tokens: bool) -> dict[str, Any]:
    """Return what config.json of an exported folder holds under `CONFIG_KEY`."""
    return {"int8": int8, "rust_tokens": rust_tokens, "tokens": asdict(token_format)}


def read_export(folder: Path) -> dict[str, Any] | None:
    """Return the config.json of `folder` if it is an exported model, else None."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) and CONFIG_KEY in config else None


def require_onnx(*modules: str) -> None:
    """Raise `InputError` unless the modules of the extra `onnx` are installed."""
    if missing := [module for module in modules if importlib.util.find_spec(module) is None]:
        raise InputError(f"{', '.join(missing)} is not installed: pip install 'ganbert[onnx]' brings it")


class OnnxModel:
    """The graph of an exported folder, on the processor.

    Args:
        folder: what `ganbert export` left.
        config: its `read_export`.
        device, precision, threads: as for `choose_compute`; device and precision of an exported model are fixed.

    Raises:
        InputError: another device or precision is asked for, onnxruntime is missing, or the file cannot be opened.
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
        own_precision = "int8" if config[CONFIG_KEY]["int8"] else "float32"
        if device not in ("auto", "cpu"):
            raise InputError(f"--device {device!r}: exported models are computed on the cpu", path=folder)
        if precision not in ("auto", own_precision):
            raise InputError(f"--precision {precision!r}: this model was exported in {own_precision}", path=folder)
        self.workers = threads or int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
        self._session = _open(folder / MODEL_FILE)
        self.label_names = tuple(name for _, name in sorted((int(i), name) for i, name in config["id2label"].items()))
        self.text_pairs = bool(config["text_pairs"])
        self.adversarial = bool(config["adversarial"])
        self.description = f"cpu, ONNX {own_precision}, {self.workers} thread{'s' if self.workers > 1 else ''}"

    def start_worker(self) -> None:
        """Do nothing: a session has one thread for each call."""

    def stop_workers(self) -> None:
        """Do nothing."""

    def __call__(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the probabilities [b, k] and the novelty [b], None without a fake class."""
        probabilities, *novelty = self._session.run(None, batch)
        return probabilities, novelty[0] if novelty else None


def load_tokens(folder: Path, config: dict[str, Any]) -> Tokens:
    """Open the tokenizer of an exported folder, with transformers only if the tokenizer is one written in Python."""
    facts = config[CONFIG_KEY]
    token_format = TokenFormat(**facts["tokens"])
    if facts["rust_tokens"]:
        from tokenizers import Tokenizer

        return Tokens.of_rust(Tokenizer.from_file(str(folder / "tokenizer.json")), token_format)
    from ganbert.encoders import load_tokenizer

    return Tokens.of(load_tokenizer(str(folder)))


def _open(path: Path) -> Any:
    require_onnx("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # batches are computed side by side instead
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path),
            options,
            providers=["CPUExecutionProvider"],
            # Its kernel is several times slower than an addition and the kernel for LayerNormalization.
            disabled_optimizers=["SkipLayerNormFusion"],
        )
    except Exception as error:  # onnxruntime's errors have no common class that is public
        reason = " ".join(str(error).split())
        raise InputError(f"cannot be opened as an ONNX model ({reason})", path=path) from error
