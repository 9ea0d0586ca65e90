"""Tokenizers that come from files: where those are lost, transformers makes up a vocabulary of five words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ganbert.errors import InputError
from ganbert.fields import one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER_FILE = "tokenizer.json"

# Files of other programs, of which transformers makes a tokenizer if there is no tokenizer.json.
_FOREIGN = ("tokenizer.model", "tekken.json", "tiktoken.model")


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
    """Raise `InputError` if `encode`, a call of a tokenizer, fails in whatever way."""
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
