"""Texts to token ids, once: what has been tokenised is kept in an Arrow file for the next run on the same texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import transformers
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ganbert.model.tokenizers import TextCounts, n_unknown, unknown_id
from ganbert.storage.disk import sync
from ganbert.storage.folders import scratch

_FORMAT = 2
"""Of the kept files: to be counted up where their columns change."""

_GIVEN = {"label": "labels", "weight": "sample_weights"}
"""Columns that are no text, and what the model calls them."""


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: list[str], text_pairs: list[str] | None, max_length: int
) -> dict[str, list[list[int]]]:
    """Return the tokenizer's columns (`input_ids`, `attention_mask`, ...), unpadded and cut at `max_length` tokens."""
    return dict(tokenizer(texts, text_pairs, truncation=True, max_length=max_length, padding=False))


def encode(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, *, progress: bool = False
) -> tuple[Dataset, TextCounts]:
    """Tokenise a corpus part, or map what an earlier run made of the same texts into memory.

    The files are kept where `datasets` keeps its own (`HF_DATASETS_CACHE`), in the folder `ganbert`;
    `datasets.disable_caching()` keeps none.

    Args:
        dataset: columns `text`, perhaps `text_pair`, `label`, perhaps `weight`.
        tokenizer: the encoder's.
        max_length: tokens kept of a row.
        progress: show a progress bar.

    Returns:
        The tokenizer's columns with `labels`, `sample_weights` if there is a `weight`, and `length` (tokens of each
        row), and how many rows were cut and how many are mostly unknown tokens.
    """
    unknown = unknown_id(tokenizer)
    n_special = tokenizer.num_special_tokens_to_add("text_pair" in dataset.column_names)

    def convert(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = tokenize(tokenizer, batch["text"], batch.get("text_pair"), max_length)
        columns["length"] = [len(ids) for ids in columns["input_ids"]]
        columns["unknown"] = [bool(n_unknown([ids], unknown, n_special)) for ids in columns["input_ids"]]
        columns["cut"] = [False] * len(batch["text"])
        # Only a row that fills the limit can have been longer.
        for i in (i for i, length in enumerate(columns["length"]) if length >= max_length):
            pair = batch["text_pair"][i] if "text_pair" in batch else None
            columns["cut"][i] = len(tokenizer(batch["text"][i], pair, verbose=False)["input_ids"]) > max_length
        return columns

    texts = dataset.select_columns([name for name in dataset.column_names if name not in _GIVEN])
    key = _fingerprint(texts, tokenizer, max_length)
    progress_bar = "Tokenising" if progress else None

    def mapped(file: Path | None) -> Dataset:
        return texts.map(
            convert,
            batched=True,
            remove_columns=texts.column_names,
            new_fingerprint=key,
            cache_file_name=None if file is None else str(file),
            load_from_cache_file=False,
            desc=progress_bar,
        )

    encoded = _cached(key, len(texts), mapped)
    counts = TextCounts(len(encoded), int(sum(encoded["cut"])), int(sum(encoded["unknown"])))
    given = Dataset.from_dict({_GIVEN[name]: dataset[name][:] for name in dataset.column_names if name in _GIVEN})
    return datasets.concatenate_datasets([encoded.remove_columns(["cut", "unknown"]), given], axis=1), counts


def _cached(key: str, n_rows: int, make: Callable[[Path | None], Dataset]) -> Dataset:
    """Return what is kept under a key, or make and keep it; where nothing can be kept, it is only made."""
    if not datasets.is_caching_enabled():
        return make(None)
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "ganbert"
    kept = folder / f"{key}.arrow"
    if (found := _read(kept, n_rows)) is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch(folder) as beside:
            make(beside / kept.name)
            sync(beside / kept.name)
            (beside / kept.name).replace(kept)
    except OSError:  # read-only, full, ...: the next run has to tokenise again
        return make(None)
    made = _read(kept, n_rows)
    return make(None) if made is None else made


def _read(file: Path, n_rows: int) -> Dataset | None:
    """Return the rows of an Arrow file; None if it is not there, or is not whole."""
    if not file.is_file():
        return None
    try:
        found = Dataset.from_file(str(file))
        found.data.validate(full=True)
    except (OSError, ValueError, pa.ArrowException):
        return None
    return found if len(found) == n_rows else None


def _fingerprint(texts: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> str:
    """Return a hash of all that token ids depend on."""
    digest = hashlib.sha256(f"{_FORMAT} {transformers.__version__} {type(tokenizer)} {max_length}".encode())
    settings = {**tokenizer.init_kwargs, "vocabulary": tokenizer.get_vocab()}
    if tokenizer.is_fast:
        # Its rules, but for the two that each call sets.
        rules = json.loads(tokenizer.backend_tokenizer.to_str())
        settings["rules"] = {name: rule for name, rule in rules.items() if name not in ("truncation", "padding")}
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for table in texts.with_format("arrow").iter(10_000):
        for batch in table.combine_chunks().to_batches():
            digest.update(batch.serialize())
    return digest.hexdigest()
