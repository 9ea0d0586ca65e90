"""Texts to token ids."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: list[str], text_pairs: list[str] | None, max_length: int
) -> dict[str, list[list[int]]]:
    """Return the tokenizer's columns (`input_ids`, `attention_mask`, ...), unpadded and cut at `max_length` tokens."""
    return dict(tokenizer(texts, text_pairs, truncation=True, max_length=max_length, padding=False))


def usable_length(tokenizer: PreTrainedTokenizerBase, encoder_config: Any, max_length: int) -> int:
    """Return `max_length`, or the longest input that tokenizer and encoder can take, whichever is less."""
    positions = getattr(encoder_config, "max_position_embeddings", None)
    if positions is not None and encoder_config.model_type in _POSITIONS_FROM_PADDING:
        positions -= (encoder_config.pad_token_id or 0) + 1
    return min(length for length in (max_length, tokenizer.model_max_length, positions) if length)


# RoBERTa's family numbers positions from padding_idx + 1, so its table of 514 holds 512 tokens.
_POSITIONS_FROM_PADDING = {"roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "data2vec-text", "longformer"}


def encode(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, *, progress: bool = False
) -> tuple[Dataset, int]:
    """Tokenise a corpus part.

    Args:
        dataset: columns `text`, perhaps `text_pair`, `label`.
        tokenizer: the encoder's.
        max_length: tokens kept of a row.
        progress: show a progress bar.

    Returns:
        The tokenizer's columns with `labels` and `length` (tokens of each row), and how many rows were cut.
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

    names = [name for name in dataset.column_names if name != "label"]
    encoded = dataset.map(
        convert, batched=True, remove_columns=names, desc="Tokenising" if progress else None
    ).rename_column("label", "labels")
    return encoded.remove_columns("cut"), int(sum(encoded["cut"]))
