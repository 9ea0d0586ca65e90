"""Texts to token ids, and token ids to padded batches: one way for training and prediction. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganbert.errors import InputError
from ganbert.model.tokenizers import TextCounts, check_makes_tokens, n_unknown, require_room, unknown_id
from ganbert.storage.fields import is_whole, one_line

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

TokenIds = dict[str, list[list[int]]]
"""Column (`input_ids`, perhaps `token_type_ids`) to the tokens of each row, without padding."""

Batch = dict[str, NDArray[np.int64]]
"""Column (`input_ids`, `attention_mask`, perhaps `token_type_ids`) to a padded array [b, t]."""

_LONGEST = 2**31
"""A `model_max_length` above this says that the tokenizer knows none."""


@dataclass(frozen=True)
class TokenFormat:
    """What has to be known of a tokenizer besides its rules, as it is written to a JSON file.

    Attributes:
        max_length: tokens at which a text, or a pair of them, is cut; None is never.
        cut_side: the side tokens are taken from, "right" or "left".
        pad_side: the side padding stands on, "right" or "left".
        pad_id: token id of padding.
        type_pad_id: token type of padding; None where the model has no token types.
        unknown_id: token id of what the vocabulary does not know; None if it has no such id.
    """

    max_length: int | None
    cut_side: str = "right"
    pad_side: str = "right"
    pad_id: int = 0
    type_pad_id: int | None = None
    unknown_id: int | None = None

    @classmethod
    def of_json(cls, stated: Any) -> TokenFormat:
        """Return what `dataclasses.asdict` has written of a format; `InputError` if it can be none."""
        known = cls.__dataclass_fields__.keys()
        if not isinstance(stated, dict) or "max_length" not in stated or stated.keys() - known:
            raise InputError(f"must be an object with max_length and, perhaps, {', '.join([*known][1:])}")
        for name, value in stated.items():
            if name.endswith("_side"):
                holds, condition = value in ("left", "right"), "left or right"
            else:
                may_be_none = name != "pad_id"
                low = 1 if name == "max_length" else 0
                holds = (value is None and may_be_none) or is_whole(value, low, _LONGEST)
                condition = f"a whole number from {low}{' or null' if may_be_none else ''}"
            if not holds:
                raise InputError(f"{name}={one_line(repr(value))}: must be {condition}")
        return cls(**stated)

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> TokenFormat:
        """Read the format from a tokenizer of transformers."""
        has_types = "token_type_ids" in tokenizer.model_input_names
        return cls(
            max_length=int(tokenizer.model_max_length) if tokenizer.model_max_length < _LONGEST else None,
            cut_side=tokenizer.truncation_side,
            pad_side=tokenizer.padding_side,
            pad_id=int(tokenizer.pad_token_id or 0),
            type_pad_id=int(tokenizer.pad_token_type_id) if has_types else None,
            unknown_id=unknown_id(tokenizer),
        )


def _rust_ids(
    tokenizer: Tokenizer, token_format: TokenFormat, texts: Sequence[str], pairs: Sequence[str] | None
) -> tuple[TokenIds, int]:
    """Return token ids and how many texts were cut, by the batch call of `tokenizers`, on all processors at once."""
    # Each time: transformers changes these settings of a tokenizer that is its own as well.
    tokenizer.no_padding()
    if token_format.max_length is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(token_format.max_length, direction=token_format.cut_side)
    rows: list[Any] = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
    encodings = tokenizer.encode_batch_fast(rows)
    ids = {"input_ids": [encoding.ids for encoding in encodings]}
    if token_format.type_pad_id is not None:
        ids["token_type_ids"] = [encoding.type_ids for encoding in encodings]
    # Only a row that fills the limit can have been cut; it keeps what was cut off as `overflowing`.
    full = [i for i, row in enumerate(ids["input_ids"]) if len(row) == token_format.max_length]
    return ids, sum(1 for i in full if encodings[i].overflowing)


def _python_ids(
    tokenizer: PreTrainedTokenizerBase, token_format: TokenFormat, texts: Sequence[str], pairs: Sequence[str] | None
) -> tuple[TokenIds, int]:
    """Return the same by the call of a tokenizer that is written in Python."""
    length = token_format.max_length
    encoded = tokenizer(
        list(texts),
        None if pairs is None else list(pairs),
        truncation=length is not None,
        max_length=length,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=token_format.type_pad_id is not None,
        verbose=False,
    )
    ids = {name: encoded[name] for name in ("input_ids", "token_type_ids") if name in encoded}
    full = [i for i, row in enumerate(ids["input_ids"]) if len(row) == length]
    whole = [tokenizer(texts[i], None if pairs is None else pairs[i], verbose=False)["input_ids"] for i in full]
    return ids, sum(len(row) > len(ids["input_ids"][i]) for i, row in zip(full, whole, strict=True))


class Tokens:
    """Makes token ids of texts, the same ones as transformers' `__call__`, without its cost for each row.

    tokens = Tokens.of(tokenizer)
    ids = tokens(["where is my parcel?", "refund"])
    tokens.pad(ids, [0, 1], length=8)["input_ids"].shape     # (2, 8)
    """

    def __init__(
        self,
        tokenizer: Tokenizer | PreTrainedTokenizerBase,
        token_format: TokenFormat,
        encode: Callable[..., tuple[TokenIds, int]] = _rust_ids,
    ) -> None:
        """Use a tokenizer of the library `tokenizers`, or another one with its own `encode`."""
        self._tokenizer, self.format, self._encode = tokenizer, token_format, encode

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Tokens:
        """Use a tokenizer of transformers."""
        token_format, raw = TokenFormat.of(tokenizer), rust_tokenizer(tokenizer)
        return cls(tokenizer, token_format, _python_ids) if raw is None else cls(raw, token_format)

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> TokenIds:
        """Return the token ids of n texts, or n pairs of texts."""
        return self.counted(texts, pairs)[0]

    def counted(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> tuple[TokenIds, TextCounts]:
        """Return the token ids of n texts, or n pairs of texts, and how many were cut or are mostly unknown."""
        ids, n_cut = self._encode(self._tokenizer, self.format, texts, pairs)
        n_special = self._tokenizer.num_special_tokens_to_add(pairs is not None)
        return ids, TextCounts(len(texts), n_cut, n_unknown(ids["input_ids"], self.format.unknown_id, n_special))

    def check(self, pairs: bool) -> None:
        """Raise `InputError` if this makes no ids of texts, or cuts them before the first token of their own.

        Args:
            pairs: whether it is to be used for pairs.
        """
        if self.format.max_length is not None:
            require_room(self.format.max_length, self._tokenizer.num_special_tokens_to_add(pairs), pairs=pairs)
        check_makes_tokens(lambda: self(["a b"], ["c"] if pairs else None))

    def pad(self, ids: TokenIds, rows: Sequence[int] | NDArray[np.int64], length: int) -> Batch:
        """Return the chosen rows as arrays [len(rows), length]; none of them may be longer than `length`."""
        chosen = [ids["input_ids"][i] for i in rows]
        lengths = np.array([len(row) for row in chosen])[:, None]
        place = np.arange(length)
        real = place < lengths if self.format.pad_side == "right" else place >= length - lengths
        batch = {"input_ids": _fill(real, chosen, self.format.pad_id), "attention_mask": real.astype(np.int64)}
        if self.format.type_pad_id is not None:
            types = [ids["token_type_ids"][i] for i in rows]
            batch["token_type_ids"] = _fill(real, types, self.format.type_pad_id)
        return batch


class Collator:
    """Makes a batch of tokenised rows, padded to the longest of them: the `data_collator` of a trainer.

    Args:
        tokens: what made the rows.
    """

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return what `Tokens.pad` returns, [b, t], and each other column: `labels` [b], `soft_targets` [b, k], ..."""
        import torch

        columns = {name: [row[name] for row in rows] for name in rows[0]}
        padded = self.tokens.pad(columns, range(len(rows)), max(map(len, columns["input_ids"])))
        batch = {name: torch.from_numpy(column) for name, column in padded.items()}
        return batch | {name: torch.tensor(cells) for name, cells in columns.items() if name not in batch}


def rust_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Tokenizer | None:
    """Return the Rust tokenizer behind one of transformers; None if Python code takes part as well."""
    from transformers import PreTrainedTokenizerFast

    if not isinstance(tokenizer, PreTrainedTokenizerFast) or tokenizer.split_special_tokens:
        return None
    changed = (type(tokenizer).__call__, type(tokenizer)._encode_plus)
    if changed != (PreTrainedTokenizerFast.__call__, PreTrainedTokenizerFast._encode_plus):
        return None  # a class of its own that does something to texts or ids in Python
    return tokenizer.backend_tokenizer


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a hash of all that token ids depend on, except the texts."""
    from transformers import __version__

    digest = hashlib.sha256(f"{__version__} {type(tokenizer)} {TokenFormat.of(tokenizer)}".encode())
    settings = {**tokenizer.init_kwargs, "vocabulary": tokenizer.get_vocab()}
    if tokenizer.is_fast:
        # Its rules, except the two that each call sets.
        rules = json.loads(tokenizer.backend_tokenizer.to_str())
        settings["rules"] = {name: rule for name, rule in rules.items() if name not in ("truncation", "padding")}
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def padded_length(length: int, longest: int | None = None) -> int:
    """Return `length` rounded up to one of four lengths per doubling (8, 10, 12, 14, 16, 20, ...), at most `longest`.

    A matrix shape that is new to oneDNN costs it milliseconds of preparation, and padding costs arithmetic. Four
    lengths per doubling keep shapes few and padding at a tenth of short texts.
    """
    step = max(2, 1 << max(0, (length - 1).bit_length() - 3))
    rounded = -(-length // step) * step
    return rounded if longest is None else max(length, min(rounded, longest))


def by_length(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of rows, the shortest first, to need little padding; ties keep their order."""
    return np.argsort(lengths, kind="stable")


def length_batches(
    lengths: Sequence[int], rows_of: Callable[[int], int], longest: int | None = None
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield batches of rows of similar length, the longest ones first, each with its padded length.

    Args:
        lengths: [n], tokens of each row.
        rows_of: padded length to the number of rows of a batch, so that each length has one shape.
        longest: limit of padded lengths.

    Every batch is full but the last, which repeats rows up to a power of two, again to have few shapes.
    """
    order = by_length(lengths)
    end = len(order)
    while end > 0:
        length = padded_length(lengths[order[end - 1]], longest)
        size = max(1, rows_of(length))
        rows = order[max(0, end - size) : end]
        end -= len(rows)
        yield np.resize(rows, min(size, 1 << (len(rows) - 1).bit_length())), length


def _fill(real: NDArray[np.bool_], rows: list[list[int]], padding: int) -> NDArray[np.int64]:
    """Return an array of the shape of `real` with the ids of `rows` where it is true, in order, else `padding`."""
    filled = np.full(real.shape, padding, dtype=np.int64)
    filled[real] = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    return filled
