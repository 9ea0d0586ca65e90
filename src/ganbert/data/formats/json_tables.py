"""JSON Lines, an object a line, and JSON arrays of objects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import IO, Any

import pyarrow as pa

from ganbert.data.formats import Dialect
from ganbert.data.formats.base import EncodedFile, Source, mark_nested, to_json
from ganbert.data.formats.lines import (
    BLANK,
    CELL_BYTES,
    CELL_CHARACTERS,
    CHUNK_CHARACTERS,
    LINE_CHARACTERS,
    Lines,
    Text,
)
from ganbert.errors import InputError

_BLANKS = re.compile(rf"[{BLANK}]*")
_Found = tuple[dict[str, Any], int]  # an object, and the number of characters read so far


def read_json_lines(source: Source) -> Iterator[pa.Table]:
    """Yield a JSON Lines file in chunks; columns are the keys seen so far."""
    yield from _tables(source, _lines(source), "the file is empty; every line must be a JSON object")


def read_json_array(source: Source) -> Iterator[pa.Table]:
    """Yield a JSON array of objects in chunks; columns are the keys seen so far."""
    yield from _tables(source, _elements(source), "the array is empty, so the table has no columns")


def _tables(source: Source, objects: Iterator[_Found], if_empty: str) -> Iterator[pa.Table]:
    columns: dict[str, None] = {}  # in the order they are first seen
    chunk: list[dict[str, Any]] = []
    begin = 0
    for item, n_characters in objects:
        if not item.keys() <= columns.keys():
            columns.update(dict.fromkeys(item))
            source.check_width(len(columns))
        chunk.append(item)
        size = n_characters - begin + CELL_BYTES * len(columns) * len(chunk)
        if len(chunk) == source.chunk_rows or size > CHUNK_CHARACTERS:
            yield table_of_objects(source, chunk, columns)
            chunk, begin = [], n_characters
    if chunk:
        yield table_of_objects(source, chunk, columns)
    elif not columns:
        raise source.error(if_empty)


def table_of_objects(source: Source, chunk: list[dict[str, Any]], columns: Iterable[str]) -> pa.Table:
    """Return objects as a table; the field of a string column notes which cells are the JSON of a list or an object."""
    arrays, fields = [], []
    for name in columns:
        values = [item.get(name) for item in chunk]
        array = _column(values)
        is_text = pa.types.is_string(array.type)
        nested = [i for i, value in enumerate(values) if isinstance(value, list | dict)] if is_text else []
        arrays.append(array)
        fields.append(mark_nested(name, array.type, nested))
    if not arrays:
        raise source.error("the objects have no keys, so the table has no columns")
    return pa.table(arrays, schema=pa.schema(fields))


def _column(values: list[Any]) -> pa.Array:
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    if len(kinds) < 2 and not (kinds & {list, dict} and _mixes_truths(values)):
        with suppress(pa.ArrowException, OverflowError):  # kinds mixed inside lists or objects, integers over 64 bits
            return pa.array(values)
    return pa.array([value if isinstance(value, str | None) else to_json(value) for value in values], pa.string())


def _mixes_truths(values: list[Any]) -> bool:
    """Whether truth values stand beside numbers at one place in lists and objects: Arrow would make numbers of them."""
    kinds: dict[tuple[str, ...], set[bool]] = {}

    def look(value: Any, place: tuple[str, ...]) -> None:
        if isinstance(value, list):
            for item in value:
                look(item, (*place, ""))
        elif isinstance(value, dict):
            for key, item in value.items():
                look(item, (*place, key))
        elif isinstance(value, bool | int | float):
            kinds.setdefault(place, set()).add(isinstance(value, bool))

    for value in values:
        look(value, ())
    return any(len(found) > 1 for found in kinds.values())


def _lines(source: Source) -> Iterator[_Found]:
    """Yield the object of each line."""
    lines = Lines(source, universal=False)
    for line in chain.from_iterable(lines.lists()):
        lines.record_end += 1
        if (not line or line[0] in BLANK) and lines.last_is_blank():
            continue
        number, line = lines.record_end + lines.n_passed, line.rstrip(BLANK)
        try:
            value = _checked(_DECODER.decode(line), line)
        except (ValueError, TypeError, RecursionError) as error:
            raise _refusal(source, f"line {number}", number, error) from None
        yield value, lines.n_characters


def _elements(source: Source) -> Iterator[_Found]:
    """Yield each object of an array."""
    text, number = _Characters(source), 0
    if text.next() != "[":
        raise source.error('not a JSON array such as [{"text": "..."}] (one object a line is .jsonl)')
    text.at += 1
    mark = "]" if text.next() == "]" else ","
    text.at += mark == "]"
    while mark == "," and text.next():
        number += 1
        yield _element(source, text, number), text.n_read
        mark = text.next()
        text.at += 1
    if mark in (",", ""):
        raise source.error(f"the array is not closed; the file ends behind element {number}", row=number or None)
    if mark != "]":
        raise source.error(f"element {number} is followed by {mark!r}, not by a comma", row=number)
    if text.next():
        raise source.error("something follows behind the array")


class _Characters:
    """Text that is in memory from the character before which we are, as far as it was asked for."""

    def __init__(self, source: Source) -> None:
        self.text, self.at, self.n_read = "", 0, 0
        self._source = Text(source, universal=False)
        self._pieces = self._source.pieces()

    def more(self, n: int) -> bool:
        """Read at least n characters more, if there are so many; False if there are none."""
        pieces, n_more = [self.text[self.at :]], 0
        while n_more < n and (piece := next(self._pieces, "")):
            pieces.append(piece)
            n_more += len(piece)
            self._source.n_lines += piece.count("\n")
        self.text, self.at, self.n_read = "".join(pieces), 0, self.n_read + n_more
        return n_more > 0

    def next(self) -> str:
        """Return the next character that is not blank; "" at the end."""
        while True:
            self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more(1):
                return ""


def _element(source: Source, text: _Characters, number: int) -> dict[str, Any]:
    while True:
        begin, end_of_text = text.at, len(text.text)
        try:
            value, end = _DECODER.raw_decode(text.text, begin)
            found = _checked(value, text.text[begin:end])
        except (ValueError, TypeError, RecursionError) as error:
            n_left = LINE_CHARACTERS - (end_of_text - begin)
            is_cut = _is_cut(error, end_of_text)
            if is_cut and n_left >= 0 and text.more(min(end_of_text - begin, n_left + 1)):
                continue
            if is_cut and n_left < 0:
                error = ValueError(f"it has more than {LINE_CHARACTERS:,} characters")
            raise _refusal(source, f"element {number}", number, error, begin) from None
        text.at = end
        return found


def _is_cut(error: Exception, length: int) -> bool:
    """Whether text may be wrong only because more of it is to come: a word of JSON has 9 characters at most."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos > length - 16


def _checked(value: Any, text: str) -> dict[str, Any]:
    """Return the value of a line or an element; raise `TypeError` or `ValueError` if it is none of a table."""
    if not isinstance(value, dict):
        raise TypeError
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()
    if len(text) > CELL_CHARACTERS:
        cells = (cell if isinstance(cell, str) else to_json(cell) for cell in value.values())
        if max(map(len, cells), default=0) > CELL_CHARACTERS:
            raise ValueError(f"a value has more than {CELL_CHARACTERS:,} characters")
    return value


def _refusal(source: Source, place: str, number: int, error: Exception, start: int = 0) -> InputError:
    match error:
        case json.JSONDecodeError():
            message = f"is not JSON: {error.msg.removesuffix(' at')} at character {error.pos - start + 1}"
        case UnicodeEncodeError():
            message = "has half of a surrogate pair, which is no text"
        case TypeError():
            message = 'is not a JSON object such as {"text": "..."}'
        case _:
            message = f"cannot be used: {error}"
    return source.error(f"{place} {message}", row=number)


def _not_finite(literal: str) -> float:
    raise ValueError(f"the number {literal} is not a finite one (write null)")


def _finite(literal: str) -> float:
    return number if math.isfinite(number := float(literal)) else _not_finite(literal)


_DECODER = json.JSONDecoder(parse_constant=_not_finite, parse_float=_finite)


class JsonLinesWriter:
    """JSON Lines, which take any chunk."""

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        self._file = EncodedFile(file, dialect)

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        self._file.write("".join(to_json(row) + "\n" for row in chunk.to_pylist()))

    def close(self) -> None:
        """Write nothing: the format has no end mark."""


class JsonArrayWriter:
    """A JSON array, with an object a line; it takes any chunk."""

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        self._file, self._before = EncodedFile(file, dialect), "[\n"

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        if len(chunk):
            self._file.write(self._before + ",\n".join(map(to_json, chunk.to_pylist())))
            self._before = ",\n"

    def close(self) -> None:
        """Write the end of the array."""
        self._file.write("\n]\n" if self._before == ",\n" else "[]\n")
