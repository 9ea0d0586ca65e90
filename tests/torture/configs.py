"""`config.json` of a model, an encoder or an export, with values that contradict the weights, each other, or reason.

Whoever edits a value to another that is as good (another dropout, a smaller epsilon) gets another model, and no program
can tell. Such edits are not tried: `_is_legal` knows them. All others must make no difference, or be refused.
"""

from __future__ import annotations

import copy
import difflib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.torture import predictions
from tests.torture.bases import Bases
from tests.torture.cases import Failure

ODD: list[Any] = [
    None, True, False, -1, 0, 1, 2, 3, 10**6, 10**9, 10**20, 2**63, -0.5, 0.5, 1.0, 1e308, float("nan"), float("inf"),
    "", "x", "2", "0.1", "None", [], [1], ["x"], {}, {"a": 1}, "x" * 100_000,
]  # fmt: skip

# Any finite positive number, and nothing else, makes a model as sound as the one before.
_FREE_NUMBERS = {"layer_norm_eps", "initializer_range", "rope_theta"}
_FREE_SHARES = {"hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "attention_dropout"}
_DELETED_IS_A_CHOICE = {"hidden_act", "num_attention_heads", "layer_norm_eps", "is_decoder", *_FREE_SHARES}


def check(rng: random.Random, folder: Path, bases: Bases) -> str:
    """Change a `config.json` in one way or two and use the folder."""
    target = rng.choice(["model", "model", "export", "encoder"])
    changed = folder / "changed"
    shutil.copytree(predictions.folder_of(target, bases), changed)
    path = changed / "config.json"
    sound = path.read_bytes()
    if rng.random() < 0.08:
        path.write_bytes(_broken_document(rng, sound))
    else:
        config = json.loads(path.read_text(encoding="utf-8"))
        for _ in range(rng.choice([1, 1, 1, 2])):
            rng.choice(_MUTATIONS)(rng, config)
        path.write_text(json.dumps(config), encoding="utf-8")
    try:
        return predictions.compare(target, changed, bases, folder)
    except Failure as failure:
        change = _difference(sound.decode(), path.read_text(encoding="utf-8", errors="replace"))
        raise Failure(failure.how, f"{target}: {change}\n{failure.detail}") from None


def _difference(before: str, after: str) -> str:
    """Say in a line what was changed."""
    try:
        a, b = (json.dumps(json.loads(text), indent=0, sort_keys=True).splitlines() for text in (before, after))
    except (ValueError, RecursionError):
        return f"the document begins {after[:80]!r}"
    found = [line for line in difflib.unified_diff(a, b, n=1, lineterm="") if not line.startswith(("---", "+++", "@@"))]
    return " ".join(line[:60] for line in found)[:400]


def _odd_value(rng: random.Random, config: dict[str, Any]) -> None:
    """Put an odd value somewhere."""
    for _ in range(100):
        holder, key = _place(rng, config)
        value = copy.deepcopy(rng.choice(ODD))
        if not _is_legal(key, holder[key], value):
            holder[key] = value
            return


def _missing(rng: random.Random, config: dict[str, Any]) -> None:
    """Take a key away, but none whose default is another sound choice."""
    for _ in range(100):
        holder, key = _place(rng, config)
        if isinstance(holder, list) or key not in _DELETED_IS_A_CHOICE:
            del holder[key]
            return


def _unknown(rng: random.Random, config: dict[str, Any]) -> None:
    """Add a key: one that nobody knows, or one that transformers takes for its own."""
    known = [
        "num_labels",
        "use_cache",
        "output_attentions",
        "output_hidden_states",
        "torchscript",
        "quantization_config",
    ]
    known += ["auto_map", "problem_type", "pruned_heads", "return_dict", "tie_word_embeddings", "dtype", "torch_dtype"]
    inner = [value for value in config.values() if isinstance(value, dict)]
    rng.choice([config, *inner])[rng.choice([*known, "unknown", "__class__"])] = copy.deepcopy(rng.choice(ODD))


def _classes(rng: random.Random, config: dict[str, Any]) -> None:
    """Damage the names of the classes so that they contradict the weights, each other, or their ids."""
    names = config.get("id2label")
    if not isinstance(names, dict) or len(names) < 2:
        return _odd_value(rng, config)
    keys = list(names)
    how = rng.randrange(7)
    if how == 0:
        names[keys[0]] = names[keys[1]]
    elif how == 1:
        del names[rng.choice(keys)]
    elif how == 2:
        names[str(len(keys))] = "one more"
    elif how == 3:
        names[keys[0]], names[keys[1]] = names[keys[1]], names[keys[0]]  # label2id says otherwise
    elif how == 4:
        names[rng.choice(["-1", "7", "x", "1.0", " 1", "01", ""])] = names.pop(keys[0])
    elif how == 5:
        config["id2label"] = list(names.values())
    else:
        config["label2id"] = dict.fromkeys(names.values(), 0)
    return None


def _deep(rng: random.Random, config: dict[str, Any]) -> None:
    """Nest a value deeper than a parser may like; `_broken_document` goes deeper than Python can write."""
    value: Any = rng.choice([1, "x"])
    for _ in range(rng.choice([10, 200])):
        value = [value] if rng.random() < 0.5 else {"a": value}
    holder, key = _place(rng, config)
    holder[key] = value


_MUTATIONS: list[Callable[[random.Random, dict[str, Any]], None]] = [
    _odd_value, _odd_value, _odd_value, _missing, _missing, _unknown, _classes, _deep
]  # fmt: skip


def _broken_document(rng: random.Random, content: bytes) -> bytes:
    """What is no JSON object, or hardly one."""
    depth = rng.choice([900, 5_000, 200_000])
    return rng.choice(
        [
            b"",
            b"{}",
            b"[]",
            b"null",
            b'"x"',
            content[: rng.randint(0, len(content) - 1)],
            b"\xef\xbb\xbf" + content,
            content.decode().encode("utf-16"),
            content.replace(b"{", b'{"\xff": 1, ', 1),
            content.replace(b"{", b'{"deep": ' + b"[" * depth + b"]" * depth + b", ", 1),
            content.replace(b"{", b'{"deep": ' + b'{"a":' * depth + b"1" + b"}" * depth + b", ", 1),
            content.replace(b"{", b'{"long": ' + b"9" * 5_000 + b", ", 1),
            content + b"}",
            b"\0" * len(content),
        ]
    )


def _place(rng: random.Random, config: dict[str, Any]) -> tuple[Any, Any]:
    """Return a holder and a key or index in it: every entry at every depth is as likely as any other."""
    places: list[tuple[Any, Any]] = []

    def walk(holder: Any) -> None:
        for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            places.append((holder, key))
            if isinstance(value, dict | list) and len(places) < 1000:
                walk(value)

    walk(config)
    return rng.choice(places or [(config.setdefault("empty", [0]), 0)])


def _is_legal(key: Any, old: Any, new: Any) -> bool:
    """Whether the new value makes another model that is as sound as the old one."""
    number = isinstance(new, int | float) and not isinstance(new, bool)
    finite = number and new == new and abs(new) < float("inf")
    if key in _FREE_NUMBERS:
        return finite and new > 0
    if key in _FREE_SHARES:
        return (finite and 0 <= new <= 1) or new is None
    if key == "is_decoder":
        return True
    if key == "num_attention_heads":
        return new in (1, 2)
    if key == "max_length":  # of the tokens of an export: a text is cut where it says
        return (number and isinstance(new, int) and new > 2) or new is None
    return False
