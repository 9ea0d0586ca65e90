"""Which labels are one class: spellings that look alike, their order, and the id of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from ganbert.labels import label_text, look_alike_key

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")


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


def ordered_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return class names in a stable order: by number if all are numbers, else alphabetical."""
    names = sorted(labels)
    return tuple(sorted(names, key=Decimal) if all(map(_NUMBER.fullmatch, names)) else names)


def look_alikes(counts: Mapping[str, int]) -> list[dict[str, int]]:
    """Return the groups of labels that look alike, each with its number of rows, in their order in `counts`."""
    groups: dict[str, dict[str, int]] = {}
    for label, n in counts.items():
        groups.setdefault(look_alike_key(label), {})[label] = n
    return [group for group in groups.values() if len(group) > 1]


def most_frequent(group: Mapping[str, int]) -> str:
    """Return the spelling with the most rows, of several the first."""
    return max(group, key=lambda label: group[label])
