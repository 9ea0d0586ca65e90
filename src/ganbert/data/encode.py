"""Texts to token ids, once: what has been tokenised is kept in an Arrow file for the next run on the same texts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import datasets
import transformers
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ganbert.packing import first_position

_GIVEN = {"label": "labels", "weight": "sample_weights"}
"""Columns that are no text, and what the model calls them."""


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: list[str], text_pairs: list[str] | None, max_length: int
) -> dict[str, list[list[int]]]:
    """Return the tokenizer's columns (`input_ids`, `attention_mask`, ...), unpadded and cut at `max_length` tokens."""
    return dict(tokenizer(texts, text_pairs, truncation=True, max_length=max_length, padding=False))


def usable_length(tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel, max_length: int) -> int:
    """Return `max_length`, or the longest input that tokenizer and encoder can take, whichever is less."""
    positions = getattr(encoder.config, "max_position_embeddings", None)
    if positions is not None:
        positions -= first_position(encoder)  # RoBERTa's table of 514 holds 512 tokens
    return min(length for length in (max_length, tokenizer.model_max_length, positions) if length)


def encode(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, *, progress: bool = False
) -> tuple[Dataset, int]:
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
        row), and how many rows were cut.
    """

    def convert(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = tokenize(tokenizer, batch["text"], batch.get("text_pair"), max_length)
        columns["length"] = [len(ids) for ids in columns["input_ids"]]
        columns["cut"] = [False] * len(batch["text"])
        # Only a row that fills the limit can have been longer.
        for i in (i for i, length in enumerate(columns["length"]) if length >= max_length):
            pair = batch["text_pair"][i] if "text_pair" in batch else None
            columns["cut"][i] = len(tokenizer(batch["text"][i], pair, verbose=False)["input_ids"]) > max_length
        return columns

    texts = dataset.select_columns([name for name in dataset.column_names if name not in _GIVEN])
    key = _fingerprint(texts, tokenizer, max_length)
    encoded = texts.map(
        convert,
        batched=True,
        remove_columns=texts.column_names,
        new_fingerprint=key,
        cache_file_name=_cache_file(key),
        desc="Tokenising" if progress else None,
    )
    n_cut = int(sum(encoded["cut"]))
    given = Dataset.from_dict({_GIVEN[name]: dataset[name][:] for name in dataset.column_names if name in _GIVEN})
    return datasets.concatenate_datasets([encoded.remove_columns("cut"), given], axis=1), n_cut


def _cache_file(key: str) -> str | None:
    if not datasets.is_caching_enabled():
        return None
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "ganbert"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{key}.arrow")


def _fingerprint(texts: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> str:
    """Return a hash of all that token ids depend on."""
    digest = hashlib.sha256(f"{transformers.__version__} {type(tokenizer)} {max_length}".encode())
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
