"""The built-in sample: as many messages as promised, and no two alike."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

from ganbert.data import sample

MOST_SHARED = 0.7


def read(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+(?:'\w+)?", text.lower()))


def test_numbers_are_those_promised() -> None:
    train, test = read(sample.TRAIN), read(sample.TEST)
    labels = Counter(label for _, label in train)
    assert len(train) >= 1000
    assert labels.pop("") >= 800
    assert len(labels) == 8
    assert set(labels.values()) == {8}
    in_test = Counter(label for _, label in test)
    assert sum(in_test.values()) >= 160
    assert set(in_test) == set(labels)
    assert min(in_test.values()) >= 15


def test_no_two_messages_share_more_than_70_percent_of_their_words() -> None:
    """Shared words over the words of the shorter message."""
    messages = [(text, words(text)) for text, _ in read(sample.TRAIN) + read(sample.TEST)]
    alike = [
        (a, b)
        for (a, first), (b, second) in combinations(messages, 2)
        if len(first & second) > MOST_SHARED * min(len(first), len(second))
    ]
    assert alike == []
    assert min(len(found) for _, found in messages) >= 4


def test_messages_are_one_line_each_and_of_many_openings() -> None:
    texts = [text for text, _ in read(sample.TRAIN) + read(sample.TEST)]
    assert not [text for text in texts if "\n" in text or text != text.strip()]
    opening, most = Counter(" ".join(text.lower().split()[:2]) for text in texts).most_common(1)[0]
    assert most <= 0.03 * len(texts), opening
