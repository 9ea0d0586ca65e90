"""BACKENDS: the kinds of model folder, how each is written, and how it is opened to compute with.

`Predictor.load`, `ganbert export --format` and its messages take backends from this table. A new backend is one more
entry. Each imports its libraries when it is first used, so importing this module is fast.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ganbert.errors import InputError
from ganbert.extras import require
from ganbert.storage.disk import read_object
from ganbert.storage.fields import EXPORT_KEY, check_fields, label_names, one_line, read_config
from ganbert.storage.folders import MANIFEST, changed_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from ganbert.data.class_names import ClassNames
    from ganbert.data.tokens import Batch, Tokens
    from ganbert.model.modeling import GanBertForSequenceClassification

T = TypeVar("T")


class Backend(Protocol):
    """What computes batches of token ids.

    Attributes:
        label_names: the k class names.
        text_pairs: whether it was trained on pairs of texts.
        adversarial: whether it has the fake class.
        description: device, precision and threads, for a person.
        batch_tokens: tokens in a batch that it computes well, padding included.
        workers: threads that may call it at once.
    """

    label_names: tuple[str, ...]
    text_pairs: bool
    adversarial: bool
    description: str
    batch_tokens: int
    workers: int

    def start_worker(self) -> None:
        """Prepare the calling thread, one of `workers`."""
        return

    def stop_workers(self) -> None:
        """Undo what `start_worker` did to the process, in the thread that made the workers."""
        return

    def __call__(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the probabilities [b, k] and the novelty [b], None without a fake class."""


def on_workers(backend: Backend, compute: Callable[[T], None], batches: Sequence[T]) -> None:
    """Call `compute` for each batch, on as many threads at once as the backend has workers."""
    workers = min(backend.workers, len(batches))
    if workers == 1:  # a single batch is computed by all threads together
        for batch in batches:
            compute(batch)
    elif workers > 1:
        try:
            with ThreadPoolExecutor(workers, initializer=backend.start_worker) as pool:
                for _ in pool.map(compute, batches):
                    pass
        finally:
            backend.stop_workers()


@dataclass(frozen=True)
class BackendEntry:
    """One kind of model folder. The `config.json` of an exported folder has an entry of the backend's name.

    Attributes:
        open: folder, its config.json, device, precision and threads (as for `Predictor.load`) to what computes it.
        write: writes a model's files, named `model.*`; takes the model, the config.json of the new folder, and the
            folder. None for the kind that `ganbert train` leaves.
        extra: the extra of the package that brings the libraries to open it; empty if a plain install does.
        libraries: modules that opening needs.
        libraries_to_write: modules that writing needs, beside those of training.
        int8: whether it can store matrices as 8-bit integers.
    """

    open: Callable[[Path, dict[str, Any], str, str, int | None], tuple[Backend, Tokens]]
    write: Callable[[GanBertForSequenceClassification, dict[str, Any], Path], None] | None = None
    extra: str = ""
    libraries: tuple[str, ...] = ()
    libraries_to_write: tuple[str, ...] = ()
    int8: bool = False


def _on_use(module: str, name: str) -> Callable[..., Any]:
    """Return a function of a module that is imported when the function is first called."""
    return lambda *arguments: getattr(importlib.import_module(module), name)(*arguments)


TRAINED = "torch"
"""The backend of a folder that was not exported."""

BACKENDS = {
    TRAINED: BackendEntry(
        _on_use("ganbert.predict.torch_backend", "open_torch"), extra="train", libraries=("torch", "transformers")
    ),
    EXPORT_KEY: BackendEntry(
        _on_use("ganbert.predict.onnx_backend", "open_onnx"),
        _on_use("ganbert.predict.onnx_backend", "write_onnx"),
        libraries=("onnxruntime",),
        libraries_to_write=("onnx", "onnxscript", "onnxruntime"),
        int8=True,
    ),
}


def export_formats() -> list[str]:
    """Return the names of the backends that a trained model can be exported to."""
    return [name for name, entry in BACKENDS.items() if entry.write is not None]


def read_folder(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the name of a model folder's backend, and its config.json.

    Raises:
        InputError: there is no config.json, or it is that of an exported model and something in it is missing or wrong.
    """
    if not (folder / "config.json").is_file():
        raise InputError("is no model folder: it has no config.json", path=folder)
    try:
        config = read_config(folder)
        name = next((name for name in export_formats() if name in config), TRAINED)
        if name != TRAINED:
            if missing := [key for key in ("id2label", "text_pairs", "adversarial") if config.get(key) is None]:
                raise InputError(f"config.json: {missing[0]} is not stated")
            check_fields(config)
            _check_facts(name, config[name])
    except ValueError as error:
        raise InputError(f"cannot be opened as a ganbert model ({error})", path=folder) from error
    return name, config


def open_folder(
    folder: Path, device: str = "auto", precision: str = "auto", threads: int | None = None
) -> tuple[Backend, Tokens]:
    """Open a model folder of any kind, and return what computes batches and what makes token ids.

    Args:
        folder: what `ganbert train` or `ganbert export` left.
        device, precision, threads: as for `ganbert.runtime.choose_compute`.

    Raises:
        InputError: the folder holds no model that ganbert has trained, a library is missing, or the device or
            precision is not available.
    """
    name, config = read_folder(folder)
    entry = BACKENDS[name]
    require(entry.extra, *entry.libraries)
    if name != TRAINED and (changed := changed_weights(folder)):
        raise InputError(
            f"is not as it was written: its checksum differs from that in {MANIFEST}", path=folder / changed[0]
        )
    return entry.open(folder, config, device, precision, threads)


def columns_of(folder: Path) -> dict[str, str]:
    """Return what the columns `text`, `text_pair` and `label` were called in the table a model was trained on.

    Returns:
        Those that are known: none for a model that was trained on texts in memory or by an older version.

    Raises:
        InputError: `folder` is no model folder.
    """
    columns = _stated(folder).get("columns")
    if not isinstance(columns, dict):
        return {}
    return {name: column for name, column in columns.items() if isinstance(column, str)}


def class_names_of(folder: Path) -> ClassNames:
    """Return what the classes of a model are called in words, as it was told in training; empty if it was not.

    Raises:
        InputError: `folder` is no model folder, or its config.json names no classes.
    """
    config = _stated(folder)
    if config.get("class_names") is None:
        return {}
    try:
        check_fields({name: config.get(name) for name in ("id2label", "class_names")})
        labels = label_names(config.get("id2label"))
    except ValueError as error:
        raise InputError(f"config.json: {error}", path=folder) from error
    return {label: tuple(texts) for label, texts in zip(labels, config["class_names"], strict=True) if texts}


def _stated(folder: Path) -> dict[str, Any]:
    """Return what a model's config.json states, nothing if it is damaged: `read_folder` refuses that."""
    if not (folder / "config.json").is_file():
        raise InputError("is no model folder: it has no config.json", path=folder)
    return read_object(folder / "config.json") or {}


def export_facts(tokenizer: PreTrainedTokenizerBase, *, int8: bool) -> dict[str, Any]:
    """Return what config.json of an exported folder holds under the name of its backend."""
    from ganbert.data.tokens import TokenFormat, rust_tokenizer

    rust_tokens = rust_tokenizer(tokenizer) is not None
    return {"int8": int8, "rust_tokens": rust_tokens, "tokens": asdict(TokenFormat.of(tokenizer))}


def _check_facts(name: str, facts: Any) -> None:
    from ganbert.data.tokens import TokenFormat

    if not isinstance(facts, dict):
        raise InputError(f"{name} must be an object with int8, rust_tokens and tokens")
    for key in ("int8", "rust_tokens"):
        if not isinstance(facts.get(key), bool):
            raise InputError(f"{name}.{key} must be true or false")
    try:
        TokenFormat.of_json(facts.get("tokens"))
    except InputError as error:
        raise InputError(f"{name}.tokens: {error}") from error


def exported_tokens(folder: Path, facts: dict[str, Any]) -> Tokens:
    """Open the tokenizer of an exported folder, with transformers only if the tokenizer is written in Python.

    Args:
        folder: what `ganbert export` left.
        facts: what `export_facts` returned.

    Raises:
        InputError: its files are missing or damaged, or it needs transformers and that is not installed.
    """
    from ganbert.data.tokens import TokenFormat, Tokens

    if not facts["rust_tokens"]:
        require("train", "torch", "transformers")
        from ganbert.model.encoders import load_tokenizer

        return Tokens.of(load_tokenizer(str(folder), what="model folder"))
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError("no tokenizer files: tokenizer.json is missing", path=folder)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library's errors are plain Exceptions
        raise InputError(f"cannot be opened as a tokenizer ({one_line(error)})", path=path) from error
    return Tokens(tokenizer, TokenFormat.of_json(facts["tokens"]))
