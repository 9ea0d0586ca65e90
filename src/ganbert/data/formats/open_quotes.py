"""Rows that a quote left open has swallowed, though another quote happened to close it.

`"Never again,neg` begins a cell. If a later line ends a cell with a quote, all rows between become one text, and no
rule of CSV is broken. What tells it from a text of several lines is that each of its lines looks like a row: it has
the right number of fields, and in another column one that this column has in other rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"\d+")
_LINE_END = re.compile(r"\r\n|\r|\n")


def swallowed(rows: Sequence[Sequence[str]], long: Sequence[tuple[int, int]], delimiter: str) -> int | None:
    """Return which of the long records, counted from 0, is the first that has swallowed rows; None if none has.

    Args:
        rows: records of one width.
        long: position and number of lines of those that go over several lines.
        delimiter: between fields.
    """
    known: list[_Column] | None = None
    for which, (position, n_lines) in enumerate(long):
        fields = _fields_of_lines(rows[position], n_lines, delimiter)
        if fields and known is None:
            long_ones = {position for position, _ in long}
            others = [row for i, row in enumerate(rows) if i not in long_ones]
            known = [_Column(cells) for cells in zip(*others, strict=True)]
        if fields and known and _look_like_rows(rows[position], fields, known):
            return which
    return None


class _Column:
    """What other rows have in a column."""

    def __init__(self, cells: Sequence[str]) -> None:
        values = set(cells)
        self._is_id = len(values) == len(cells) > 1  # then it is known by its form: any number for a number
        self._values = set(map(self._form, values))

    def _form(self, value: str) -> str:
        return _NUMBER.sub("0", value) if self._is_id else value

    def __contains__(self, value: str) -> bool:
        return bool(value) and self._form(value) in self._values


def _fields_of_lines(cells: Sequence[str], n_lines: int, delimiter: str) -> list[list[str]]:
    """Return the fields of each line of a record, were there no quotes; nothing if a line has too few or too many."""
    n_delimiters = len(cells) - 1
    text = delimiter.join(cells)
    if not n_delimiters or text.count(delimiter) != n_lines * n_delimiters:
        return []
    lines = [line.split(delimiter) for line in _LINE_END.split(text)]
    return lines if all(len(line) == len(cells) for line in lines) else []


def _look_like_rows(cells: Sequence[str], lines: list[list[str]], known: Sequence[_Column]) -> bool:
    broken = [i for i, cell in enumerate(cells) if _LINE_END.search(cell)]
    if len(broken) != 1:
        return False
    before, behind = range(broken[0]), range(broken[0] + 1, len(cells))

    def fits(line: list[str], columns: Sequence[int]) -> bool:
        return not columns or any(line[i] in known[i] for i in columns)

    first, *middle, last = lines  # what stands before the broken cell and behind it is a part of this record anyway
    return fits(first, behind) and fits(last, before) and all(fits(line, [*before, *behind]) for line in middle)
