"""Reads `config.json` and checks what it says: one reader for all backends, without torch or transformers.

`check_fields` knows ganbert's own fields, `check_plausible` the numbers of any encoder."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args

from ganbert.errors import InputError

Pooling = Literal["cls", "pooler", "mean", "last"]
Noise = Literal["normal", "uniform"]
RealTerm = Literal["all", "unlabelled", "taken_for_fake"]
FeatureMatching = Literal["sum", "mean"]

MODEL_TYPE = "ganbert"
EXPORT_KEY = "onnx"
"""Key in `config.json` that marks an exported folder; its value holds what only the tokenizer's class knows."""

COLUMNS = ("text", "text_pair", "label")
"""Keys of the field `columns`."""

_MOST_BYTES = 64_000_000
_MOST_LEVELS = 50
_MOST_PARTS = 1000
"""Layers, heads, experts and so on that an encoder may have: to build 10^9 of them would never end."""


@dataclass(frozen=True)
class _Field:
    """What a field's value must be: a test, and the same in words."""

    holds: Callable[[Any], bool]
    condition: str


def require_choice(name: str, value: object, choices: object) -> None:
    """Raise `ValueError` unless `value` is one of the strings of the `Literal` type `choices`."""
    if value not in get_args(choices):
        raise ValueError(f"{name}={value!r}: choose one of {', '.join(get_args(choices))}")


def is_whole(value: object, low: float = -math.inf, high: float = math.inf) -> bool:
    """Return whether `value` is a whole number, no bool, in `low` to `high`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high


def _is_real(value: object, low: float, below: float) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and low <= float(value) < below


def _are_columns(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict) and all(key in COLUMNS and isinstance(name, str) for key, name in value.items())
    )


def _are_texts_of_classes(value: Any) -> bool:
    return value is None or (
        isinstance(value, list)
        and all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in value)
    )


def _choice(choices: Any) -> _Field:
    words = get_args(choices)
    return _Field(lambda value: isinstance(value, str) and value in words, f"choose one of {', '.join(words)}")


_SWITCH = _Field(lambda value: isinstance(value, bool), "must be true or false")
_SHARE = _Field(lambda value: _is_real(value, 0, 1), "must be a number, at least 0 and below 1")
_WEIGHT = _Field(lambda value: _is_real(value, 0, math.inf), "must be a number, 0 or above and finite")

_FIELDS = {
    "pooling": _choice(Pooling),
    "noise": _choice(Noise),
    "real_term": _choice(RealTerm),
    "feature_matching": _choice(FeatureMatching),
    "noise_size": _Field(lambda value: is_whole(value, 1, 1_000_000), "must be a whole number from 1 to 1,000,000"),
    "num_labels": _Field(lambda value: is_whole(value, 1, 1_000_000), "must be a whole number from 1 to 1,000,000"),
    "columns": _Field(_are_columns, f"must be null, or names of the columns {', '.join(COLUMNS)}"),
    "class_names": _Field(_are_texts_of_classes, "must be null, or a list of texts for each class"),
    **dict.fromkeys(
        ("adversarial", "has_generator", "feature_dropout", "text_pairs", "joint", "detached_game"), _SWITCH
    ),
    **dict.fromkeys(("dropout", "input_dropout"), _SHARE),
}


def check_fields(stated: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless every field of ganbert's own, where it is stated, can be what it says.

    Args:
        stated: fields of `GanBertConfig`, and `id2label`, `label2id` and `num_labels`.
    """
    for name, value in stated.items():
        field = _WEIGHT if name.endswith("_weight") else _FIELDS.get(name)
        if field is not None and not field.holds(value):
            raise ValueError(f"{name}={_short(value)}: {field.condition}")
    if stated.get("has_generator") and stated.get("adversarial") is False:
        raise ValueError("has_generator=True needs adversarial=True: without a fake class there is nothing to fool")
    if stated.get("joint") and stated.get("detached_game"):
        raise ValueError(
            "joint=True and detached_game=True: one lets the game move everything, the other next to nothing"
        )
    if stated.get("id2label") is not None:
        names = label_names(stated["id2label"])
        if stated.get("num_labels") not in (None, len(names)):
            raise ValueError(f"num_labels={stated['num_labels']}: but id2label names {len(names)} classes")
        ids = {name: i for i, name in enumerate(names)}
        if stated.get("label2id") is not None and stated["label2id"] != ids:
            raise ValueError("label2id: is not the inverse of id2label")
        if stated.get("class_names") is not None and len(stated["class_names"]) != len(names):
            raise ValueError(f"class_names: names {len(stated['class_names'])} classes, and id2label {len(names)}")


def label_names(id2label: Any) -> tuple[str, ...]:
    """Return the names of the classes 0 to k-1 of `{"0": name, ...}`; `ValueError` unless each has one of its own."""
    if not isinstance(id2label, Mapping) or not id2label:
        raise ValueError(f"id2label={_short(id2label)}: must name each class, as in {{'0': 'no', '1': 'yes'}}")
    try:
        # By id, not by the order in the file: JSON files sort "10" before "2".
        by_id = {int(i): name for i, name in id2label.items() if not isinstance(i, (bool, float))}
    except (TypeError, ValueError):
        raise ValueError("id2label: its keys must be the whole numbers from 0 to k-1") from None
    if sorted(by_id) != list(range(len(id2label))):
        raise ValueError(f"id2label: its keys must be the whole numbers from 0 to {len(id2label) - 1}")
    names = tuple(by_id[i] for i in range(len(by_id)))
    for i, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise ValueError(f"id2label: class {i} must have a name, not {_short(name)}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"id2label: two classes are named {_short(twice)}")
    return names


def read_json(path: Path, name: str | None = None) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        path: the file.
        name: what messages call it; None is its name without the folder.

    Raises:
        InputError: it cannot be read, is no object, or is far too long or too deep.
    """
    name = name or path.name
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"{name} is {size:,} bytes long, which is far too much")
        content = json.loads(path.read_text(encoding="utf-8"))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    except RecursionError:
        raise InputError(f"{name} is nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{name} is not JSON ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise InputError(f"{name} holds a {type(content).__name__} where an object is expected")
    return content


def is_exported(config: Mapping[str, Any]) -> bool:
    """Whether a `config.json` is that of an exported model: under its backend's name it says how tokens are made."""
    facts = (value for value in config.values() if isinstance(value, dict))
    return config.get("model_type") == MODEL_TYPE and any("rust_tokens" in value for value in facts)


def read_config(folder: Path) -> dict[str, Any]:
    """Read the `config.json` of a model or an encoder, and refuse impossible numbers before anything is built.

    Raises:
        InputError: it cannot be read, or it holds such a number: 10^9 layers, a dropout of 7, nan.
    """
    config = read_json(folder / "config.json")
    try:
        check_plausible(config)
    except ValueError as error:
        raise InputError(f"config.json: {error}") from error
    return config


_NUMBERS = (
    (r"^num_labels$", _Field(lambda x: 0 <= x <= 1_000_000, "must be from 0 to 1,000,000")),  # each gets a name
    (
        r"^(num|n)_\w*(layer|block|group|expert|stage|head)s?$|(layer|block|group|expert|head)s$|group_num$",
        _Field(lambda x: x <= _MOST_PARTS, f"must be at most {_MOST_PARTS:,}"),
    ),
    (r"^(num_hidden_layers|n_layers?|num_layers)$", _Field(lambda x: x >= 1, "must be 1 or above")),
    (
        r"^(hidden|vocab|embedding|intermediate)_size$|^(d_model|n_embd|dim|hidden_dim|n_positions)$",
        _Field(lambda x: 0 < x < 2**31, "must be above 0, and no model is so large"),
    ),
    (r"dropout|dropout_prob$|_pdrop$|layerdrop$", _Field(lambda x: 0 <= x <= 1, "must be from 0 to 1")),
    (r"^chunk_size_feed_forward$", _Field(lambda x: x == 0, "must be 0, as it is for all published encoders")),
    (r"_eps$|_epsilon$", _Field(lambda x: 0 <= x < 1, "must be small and not below 0")),
)
"""What numbers must be, by a pattern of their names in any encoder's configuration."""

_COUNTS_AS_1 = ("chunk_size_feed_forward", True)


def check_plausible(value: Any, name: str = "", level: int = 0) -> None:
    """Raise `ValueError` if a configuration holds a number that no model has, or is nested too deeply."""
    if level > _MOST_LEVELS:
        raise ValueError("is nested too deeply")
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("id2label", "label2id"):  # their keys are the user's words
                check_plausible(inner, key, level + 1)
    elif isinstance(value, list):
        for inner in value:
            check_plausible(inner, "", level + 1)
    elif isinstance(value, (int, float)) and (not isinstance(value, bool) or (name, value) == _COUNTS_AS_1):
        _check_number(name, value)


def _check_number(name: str, value: float) -> None:
    if value != value:
        raise ValueError(f"{name}: nan is not a number")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"{name}={_short(value)}: no number of a model is so large")
    for pattern, field in _NUMBERS:
        if re.search(pattern, name) and not field.holds(value):
            raise ValueError(f"{name}={value}: {field.condition}")


def one_line(error: BaseException | str) -> str:
    """Return what an error says on one line, cut after 300 characters."""
    text = " ".join(str(error).split())
    return (text[:300] + "...") if len(text) > 300 else text or type(error).__name__


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python does not write out whole numbers of more than 4300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= 80 else text[:80] + "..."
