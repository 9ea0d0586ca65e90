"""A model's tokenizer: whether its files are complete, where it cuts texts, and which texts it hardly knows.

If vocabulary files are lost, transformers makes up a vocabulary of five words; `check_tokenizer` refuses it.
Nothing here imports torch or transformers: an exported model is used without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganbert.errors import InputError
from ganbert.model.positions import n_positions
from ganbert.storage.fields import one_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENIZER_FILE = "tokenizer.json"

# Files of other programs, of which transformers makes a tokenizer if there is no tokenizer.json.
_FOREIGN = ("tokenizer.model", "tekken.json", "tiktoken.model")

_MANY_UNKNOWN = 0.1
"""Above this share of texts with mostly unknown tokens there is a warning: wrong language, or wrong tokenizer."""

_NO_LIMIT = 10**30
"""What transformers writes where a tokenizer states no maximum length."""


def check_tokenizer(
    tokenizer: PreTrainedTokenizerBase, has_file: Callable[[str], bool], n_embeddings: int | None = None
) -> None:
    """Refuse a tokenizer that is not the one that its folder was made with.

    Args:
        tokenizer: what transformers made of the folder.
        has_file: whether the folder holds a file of this name.
        n_embeddings: tokens that the encoder knows; None if it is not at hand.

    Raises:
        InputError: files of its vocabulary are missing, it knows no words, states an impossible maximum length, or
            gives ids that the encoder does not know.
    """
    if not _has_vocabulary(tokenizer, has_file):
        named = [name for name in _own_files(tokenizer) if name != TOKENIZER_FILE]
        raise InputError(f"no tokenizer files: {' or '.join(dict.fromkeys([TOKENIZER_FILE, *named]))} is missing")
    ids = tokenizer.get_vocab()
    if len(ids) <= sum(token in ids for token in set(tokenizer.all_special_tokens)):
        raise InputError("its tokenizer knows no words: its files hold nothing but special tokens")
    longest = tokenizer.model_max_length
    if not isinstance(longest, (int, float)) or isinstance(longest, bool) or not longest >= 1:
        raise InputError(f"tokenizer_config.json: model_max_length={longest!r} is no number of tokens")
    check_makes_tokens(lambda: tokenizer(["a b"], ["c"]))
    if n_embeddings is not None and max(ids.values()) >= n_embeddings:
        raise InputError(
            f"its tokenizer does not belong to its weights: it gives ids up to {max(ids.values()):,}, "
            f"and the encoder knows {n_embeddings:,} tokens"
        )


def check_makes_tokens(encode: Callable[[], object]) -> None:
    """Raise `InputError` if `encode`, a call of a tokenizer, fails in any way."""
    try:
        encode()
    except BaseException as error:  # a panic in Rust is no Exception
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise InputError(f"its tokenizer makes no tokens ({one_line(error)})") from error
        raise


def _own_files(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    return [name for name in tokenizer.vocab_files_names.values() if isinstance(name, str)]


def _has_vocabulary(tokenizer: PreTrainedTokenizerBase, has_file: Callable[[str], bool]) -> bool:
    names = _own_files(tokenizer)
    if tokenizer.is_fast and has_file(TOKENIZER_FILE):
        return True
    others = [name for name in names if name != TOKENIZER_FILE]
    if not others and not tokenizer.is_fast:
        return True  # bytes or characters: nothing to look up
    if any(re.match("merges", name) for name in others):  # byte pairs need both
        return all(has_file(name) for name in others)
    return any(has_file(name) for name in (*others, *_FOREIGN))


@dataclass(frozen=True)
class TextCounts:
    """How many texts, or pairs of texts, were cut or are hardly known.

    Attributes:
        n: texts.
        n_cut: texts longer than the maximum length.
        n_unknown: texts with more than half of their tokens unknown; special tokens do not count.
    """

    n: int = 0
    n_cut: int = 0
    n_unknown: int = 0

    def __add__(self, other: TextCounts) -> TextCounts:
        return TextCounts(self.n + other.n, self.n_cut + other.n_cut, self.n_unknown + other.n_unknown)

    def notes(self, max_length: int | None, what: str = "texts") -> list[str]:
        """Return what a person should know, each in one sentence; nothing where nothing is wrong.

        Args:
            max_length: tokens kept of a text.
            what: what the texts are called, as in "training texts".
        """
        notes = []
        if self.n_cut:
            notes.append(f"{self.n_cut} of {self.n} {what} exceed {max_length} tokens and were cut.")
        if self.n_unknown > _MANY_UNKNOWN * self.n:
            notes.append(
                f"{self.n_unknown} of {self.n} {what} are mostly tokens that the encoder does not know: "
                "is it one for their language?"
            )
        return notes


def n_unknown(rows: Sequence[Sequence[int]], unknown_id: int | None, n_special: int) -> int:
    """Return how many rows of token ids are mostly unknown.

    Args:
        rows: [n], the ids of each row.
        unknown_id: id of the token for what the vocabulary does not know; None if it knows everything.
        n_special: tokens of each row that are not of its text.
    """
    if unknown_id is None:
        return 0
    return sum(1 for row in rows if 2 * row.count(unknown_id) > len(row) - n_special)


def unknown_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the id of the token for what the vocabulary does not know; None where that token has other uses."""
    found = tokenizer.unk_token_id
    others = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    return None if found is None or found in others else int(found)


def usable_length(
    tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel, max_length: int | None = None, *, pairs: bool = False
) -> int:
    """Return `max_length`, or the longest input that tokenizer and encoder can take, whichever is less.

    Args:
        tokenizer: of the encoder.
        encoder: whose table of positions may be a limit.
        max_length: tokens wanted; None is as many as possible.
        pairs: whether an input is a pair of texts.

    Raises:
        InputError: that leaves no room for a text beside the special tokens.
    """
    limits = {} if max_length is None else {"max_length": max_length}
    limits["model_max_length"] = int(min(tokenizer.model_max_length, _NO_LIMIT))
    if (positions := n_positions(encoder)) is not None:
        limits["max_position_embeddings"] = positions
    name = min(limits, key=lambda name: limits[name])
    try:
        require_room(limits[name], tokenizer.num_special_tokens_to_add(pairs), pairs=pairs, name=name)
    except InputError as error:
        raise InputError(str(error), path=None if name == "max_length" else tokenizer.name_or_path) from error
    return limits[name]


def require_room(max_length: int, n_special: int, *, pairs: bool, name: str = "max_length") -> None:
    """Raise `InputError` unless inputs of this length hold a token of each text beside `n_special` others."""
    needed = n_special + (2 if pairs else 1)
    if max_length < needed:
        raise InputError(
            f"{name} is {max_length}, which leaves no room for a text: {n_special} special tokens and "
            f"{'one token of each text' if pairs else 'one more'} need {needed}"
        )
