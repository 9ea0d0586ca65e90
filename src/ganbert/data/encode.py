"""A part of the corpus as token ids, which are kept in an Arrow file for the next run on the same texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
import transformers
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ganbert.data.tokens import TokenFormat, Tokens
from ganbert.model.tokenizers import TextCounts
from ganbert.storage.disk import sync
from ganbert.storage.folders import scratch

_FORMAT = 3
"""Of the kept files: to be counted up where their columns change."""

_GIVEN = {"label": "labels", "weight": "sample_weights"}
"""Columns that are no text, and what the model calls them."""


def encode(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, *, progress: bool = False
) -> tuple[Dataset, TextCounts]:
    """Tokenise a part of the corpus, or map the ids that an earlier run made of the same texts.

    The files are kept where `datasets` keeps its own (`HF_DATASETS_CACHE`), in the folder `ganbert`;
    `datasets.disable_caching()` keeps none.

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
    key = _fingerprint(texts, tokenizer, tokens.format)
    mapped = partial(
        texts.map,
        convert,
        batched=True,
        remove_columns=texts.column_names,
        new_fingerprint=key,
        load_from_cache_file=False,
        desc="Tokenising" if progress else None,
    )
    encoded = _cached(key, len(texts), mapped)
    n_cut, n_unknown = (int(pc.sum(encoded.data[name]).as_py() or 0) for name in ("cut", "unknown"))
    beside = Dataset(given.rename_columns([_GIVEN[name] for name in names]))
    return datasets.concatenate_datasets([encoded.remove_columns(["cut", "unknown"]), beside], axis=1), TextCounts(
        len(encoded), n_cut, n_unknown
    )


def _cached(key: str, n_rows: int, make: Callable[..., Dataset]) -> Dataset:
    """Return the kept rows of a key, or make and keep them; they are not kept where the disk does not allow it."""
    if not datasets.is_caching_enabled():
        return make()
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "ganbert"
    kept = folder / f"{key}.arrow"
    if (found := read_rows(kept, n_rows)) is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch(folder) as beside:
            make(cache_file_name=str(beside / kept.name))
            sync(beside / kept.name)
            (beside / kept.name).replace(kept)
    except OSError:  # read-only, full, ...: the next run has to tokenise again
        return make()
    made = read_rows(kept, n_rows)
    return make() if made is None else made


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


def _fingerprint(texts: Dataset, tokenizer: PreTrainedTokenizerBase, token_format: TokenFormat) -> str:
    """Return a hash of all that token ids depend on."""
    digest = hashlib.sha256(f"{_FORMAT} {transformers.__version__} {type(tokenizer)} {token_format}".encode())
    settings = {**tokenizer.init_kwargs, "vocabulary": tokenizer.get_vocab()}
    if tokenizer.is_fast:
        # Its rules, except the two that each call sets.
        rules = json.loads(tokenizer.backend_tokenizer.to_str())
        settings["rules"] = {name: rule for name, rule in rules.items() if name not in ("truncation", "padding")}
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for table in texts.with_format("arrow").iter(10_000):
        for batch in table.combine_chunks().to_batches():
            digest.update(batch.serialize())
    return digest.hexdigest()
