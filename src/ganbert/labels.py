"""What a label is: one text for one class, whatever the format it came in; and which labels are one class.

The rule, in `label_text`, is the only one; tables, the estimator and evaluation go through it:

- No label are None, nan, NA and text without a visible character. Outer white space is not part of a label.
- A number is its shortest decimal text: 1, 1.0 and -0.0 are "1", "1" and "0"; 1.50 is "1.5". Integers of any size stay
  exact. True and False are "true" and "false".
- Text stays as it is, except what programs make of whole numbers and truth values when they write them as text: "1.0"
  and "1.00" are "1" (pandas turns integers into floats where some are missing), "1e+16" is "10000000000000000" (so it
  writes large ones), "True" and "TRUE" are "true". So "007", "1.10", "1.5", "1e3" and "+1" are labels as they stand.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import numpy as np

from ganbert.wording import quoted

UNLABELLED = -100
"""The label of a row that has none; `torch.nn.functional.cross_entropy` ignores it."""

NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
"""A label that is a number, as text."""

_WHOLE_WITH_FRACTION = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")
_WHOLE_WITH_EXPONENT = re.compile(r"-?[1-9](?:\.[0-9]+)?e\+[0-9]{2,3}")
_TRUTH = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_WORDS_FOR_NO_LABEL = {"nan", "none", "null", "nil", "na", "n/a", "#n/a", "<na>", "nat", "-", "--", "?"}


def label_text(value: object) -> str | None:
    """Return a label as text, by the rule above; None if the value is no label.

    Raises:
        TypeError: this is a list, an object or the like.
        ValueError: bytes that are not UTF-8.
    """
    if isinstance(value, str):
        return _from_text(value)
    if _is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):  # `str` gives the fewest digits that single and half floats need
        return _from_text(str(value))
    if isinstance(value, Decimal):
        fixed = f"{value:f}"
        return _from_text(fixed.rstrip("0").rstrip(".") if "." in fixed else fixed)
    if isinstance(value, bytes):
        try:
            return _from_text(value.decode())
        except UnicodeDecodeError:
            raise ValueError(f"a label is text, and the bytes {value[:20]!r} are not UTF-8") from None
    if hasattr(value, "__iter__"):
        raise TypeError(f"a label is one word or number, not {type(value).__name__}")
    return _from_text(str(value))  # dates and times


def _from_text(text: str) -> str | None:
    text = str(text).strip()  # `str` makes plain text of `numpy.str_`
    if not any(map(_is_visible, text)):
        return None
    if match := _WHOLE_WITH_FRACTION.fullmatch(text):
        text = match[1]
    elif _WHOLE_WITH_EXPONENT.fullmatch(text) and (number := float(text)).is_integer():
        text = str(int(number))
    return "0" if text == "-0" else _TRUTH.get(text, text)


def _is_missing(value: object) -> bool:
    """Whether it is None, pandas' NA or NaT, or a nan of any type."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, Decimal):  # a signalling nan must not be compared
        return value.is_nan()
    return isinstance(value, (float, np.generic)) and bool(value != value)


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")


def look_alike_key(label: str) -> str:
    """Return what labels that look alike have in common.

    They differ only in case, in spaces at the ends or repeated, in invisible characters (zero-width space, soft
    hyphen, variation selector), or in Unicode form: composed or not, full-width or not.
    """
    if label.isascii() and label.isprintable():  # the same, ten times as fast
        return " ".join(label.lower().split())
    text = unicodedata.normalize("NFKC", label).lower()
    spaced = "".join(" " if character.isspace() else character for character in text)
    seen = (c for c in spaced if c == " " or (_is_visible(c) and not "\ufe00" <= c <= "\ufe0f"))
    return unicodedata.normalize("NFKC", " ".join("".join(seen).split()))


def is_word_for_none(label: str) -> bool:
    """Whether a class of this name is probably none at all: "nan", "None", "N/A", "null", "-" and their like."""
    return look_alike_key(label) in _WORDS_FOR_NO_LABEL


class Classes:
    """The classes of a run or a model, and which labels mean each of them.

    A model may have been trained when other spellings were kept, such as "True" and "1.0": a label means the class of
    exactly this name, else the one whose name `label_text` turns into it, else, if `normalize`, the one that looks like
    it, where it is one only.

    Attributes:
        names: the k class names, in the order of their ids.
    """

    def __init__(self, names: Sequence[str], normalize: bool = False) -> None:
        self.names = tuple(names)
        self._ids = {name: i for i, name in enumerate(self.names)}
        for i, name in enumerate(self.names):
            self._ids.setdefault(label_text(name) or name, i)
        keys = Counter(map(look_alike_key, self.names))
        self._looks = {key: i for i, name in enumerate(self.names) if keys[key := look_alike_key(name)] == 1}
        self._normalize = normalize

    def id_of(self, label: str) -> int | None:
        """Return the id of the class that a label means, None if it is none of them."""
        if label in self._ids or not self._normalize:
            return self._ids.get(label)
        return self._looks.get(look_alike_key(label))

    def like(self, label: str) -> str | None:
        """Return the name of the class that looks like a label, if there is one."""
        found = self._looks.get(look_alike_key(label))
        return None if found is None else self.names[found]

    def hint(self, labels: Iterable[str]) -> str:
        """Return what to say behind a message of the first of these labels that looks like a class."""
        for label in labels:
            if (name := self.like(label)) is not None:
                return f"; {quoted(label)} looks like {quoted(name)}: --normalize-labels takes it for that"
        return ""


def ordered_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return class names in a stable order: by number if all are numbers without a plus, else alphabetical."""
    names = sorted(labels)
    are_numbers = all(NUMBER.fullmatch(name) and name[0] != "+" for name in names)
    return tuple(sorted(names, key=Decimal) if are_numbers else names)


def look_alikes(counts: Mapping[str, int]) -> list[dict[str, int]]:
    """Return the groups of labels that look alike, each with its number of rows, in their order in `counts`."""
    groups: dict[str, dict[str, int]] = {}
    for label, n in counts.items():
        groups.setdefault(look_alike_key(label), {})[label] = n
    return [group for group in groups.values() if len(group) > 1]


def most_frequent(group: Mapping[str, int]) -> str:
    """Return the spelling with the most rows, of several the first."""
    return max(group, key=lambda label: group[label])
