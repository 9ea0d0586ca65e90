"""A part of the corpus as token ids, which are kept in an Arrow file for the next run on the same texts."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ganbert.data.cache import kept_file
from ganbert.data.tokens import Tokens, tokenizer_digest
from ganbert.model.tokenizers import TextCounts

_FORMAT = 3
"""Of the kept files: to be counted up where their columns change."""

_GIVEN = {"label": "labels", "weight": "sample_weights"}
"""Columns that are no text, and what the model calls them."""


def encode(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, *, progress: bool = False
) -> tuple[Dataset, TextCounts]:
    """Tokenise a part of the corpus, or map the ids that an earlier run made of the same texts.

    The files are kept by `cache.kept_file`.

    Args:
        dataset: columns `text`, perhaps `text_pair`, `label`, perhaps `weight`.
        tokenizer: the encoder's; its `model_max_length` is where texts are cut.
        progress: show a progress bar.

    Returns:
        The columns of `Tokens`, without padding, with `length` (tokens of each row), `labels`, and `sample_weights` if
        there is a `weight`; and how many rows were cut and how many are mostly unknown tokens.
    """
    tokens = Tokens.of(tokenizer)

    def convert(batch: dict[str, list[str]]) -> dict[str, list[Any]]:
        ids, counts = tokens.counted(batch["text"], batch.get("text_pair"))
        others = [0] * (counts.n - 1)  # the first row holds the counts of its batch
        lengths = [len(row) for row in ids["input_ids"]]
        return {**ids, "length": lengths, "cut": [counts.n_cut, *others], "unknown": [counts.n_unknown, *others]}

    names = [name for name in dataset.column_names if name in _GIVEN]
    texts, given = dataset.remove_columns(names), dataset.select_columns(names).with_format("arrow")[:]
    key = _fingerprint(texts, tokenizer)
    mapped = partial(
        texts.map,
        convert,
        batched=True,
        remove_columns=texts.column_names,
        new_fingerprint=key,
        load_from_cache_file=False,
        desc="Tokenising" if progress else None,
    )
    kept = kept_file(
        f"{key}.arrow", lambda path: mapped(cache_file_name=str(path)), lambda path: read_rows(path, len(texts))
    )
    encoded = mapped() if kept is None else kept
    n_cut, n_unknown = (int(pc.sum(encoded.data[name]).as_py() or 0) for name in ("cut", "unknown"))
    beside = Dataset(given.rename_columns([_GIVEN[name] for name in names]))
    return datasets.concatenate_datasets([encoded.remove_columns(["cut", "unknown"]), beside], axis=1), TextCounts(
        len(encoded), n_cut, n_unknown
    )


def read_rows(file: Path, n_rows: int) -> Dataset | None:
    """Return the `n_rows` rows of an Arrow file, mapped into memory; None if it is missing, damaged, or has others."""
    if not file.is_file():
        return None
    try:
        found = Dataset.from_file(str(file))
        found.data.validate(full=True)
    except (OSError, ValueError, pa.ArrowException):
        return None
    return found if len(found) == n_rows else None


def _fingerprint(texts: Dataset, tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a hash of all that token ids depend on."""
    digest = hashlib.sha256(f"{_FORMAT} {tokenizer_digest(tokenizer)}".encode())
    for table in texts.with_format("arrow").iter(10_000):
        for batch in table.combine_chunks().to_batches():
            digest.update(batch.serialize())
    return digest.hexdigest()
