"""What every reader of tables is given: where the table is, its text a block of lines at a time, and a log to fill."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from ganbert.data.table_text import STANDARD, Dialect, is_gzip, likely_encoding, one_line
from ganbert.errors import InputError

# What a reader takes into memory at once, whatever stands in the file; characters and columns beyond it are refused.
CELL_CHARACTERS = 2**24
LINE_CHARACTERS = 2**25
CHUNK_CHARACTERS = 2**24
CELL_BYTES = 16  # what a cell takes beside its characters, at least
COLUMNS = 2**14  # those of Excel
BLANK = " \t\r\n"
_BLOCK_BYTES = 2**16
_MARKS = {  # that of UTF-32 begins like that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_NESTED = b"ganbert.nested_rows"  # in the metadata of a field


@dataclass
class ReadLog:
    """What reading a table left out or decided by itself; complete when the table has been read to its end.

    Attributes:
        notes: sentences for a person, such as the delimiter that was found.
        n_blank: blank lines that were passed over; an empty one at the end of the file is none.
        dialect: how a text file is laid out; known when its first chunk is.
    """

    notes: list[str] = field(default_factory=list)
    n_blank: int = 0
    dialect: Dialect = field(default_factory=Dialect)


@dataclass(frozen=True)
class Source:
    """What a reader is given: where the table is, how to read it, and where to note what it did."""

    path: Path
    encoding: str
    chunk_rows: int
    delimiter: str | None
    log: ReadLog

    def error(self, message: str, *, row: int | None = None, column: str | None = None) -> InputError:
        """Return the error for a place in this table."""
        path = "standard input" if self.path == STANDARD else self.path
        return InputError(message, path=path, row=row, column=column)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the table, unpacked: a file whose name ends in .gz, or standard input that begins as gzip does."""
        if self.path == STANDARD:
            if sys.stdin is None:
                raise self.error("is closed")
            file = sys.stdin.buffer
            peek = getattr(file, "peek", lambda n: b"")
            yield _unpacked(file) if peek(2)[:2] == b"\x1f\x8b" else file
        else:
            with self.path.open("rb") as file:
                yield _unpacked(file) if is_gzip(self.path) else file

    def blocks(self, *, universal: bool) -> Iterator[str]:
        """Yield the text, a byte order mark left out, in blocks of whole lines; only the last may lack its end.

        Args:
            universal: lines end in \\n, \\r\\n or \\r; else in \\n alone.

        Raises:
            InputError: a byte cannot be decoded (it is named with its place), or a line has no end in sight.
        """
        pieces: list[str] = []
        n_pending, line = 0, 1
        for text in self.pieces(universal=universal):
            cut = max(text.rfind("\n"), text.rfind("\r") if universal else -1) + 1
            if cut:
                block = "".join([*pieces, text[:cut]])
                yield block
                line += count_lines(block, universal)
                pieces, n_pending = [], 0
            pieces.append(text[cut:])
            n_pending += len(text) - cut
            if n_pending > LINE_CHARACTERS:
                raise self.error(f"line {line} has more than {LINE_CHARACTERS:,} characters")
        if n_pending:
            yield "".join(pieces)

    def pieces(self, *, universal: bool) -> Iterator[str]:
        """Yield the text as it comes; where lines end universally, no piece ends between \\r and \\n."""
        with self.open() as file:
            block = file.read(_BLOCK_BYTES)
            encoding = self._encoding(block)
            decoder = codecs.getincrementaldecoder(encoding)()
            decode = io.IncrementalNewlineDecoder(decoder, translate=False).decode if universal else decoder.decode
            n_bytes, n_newlines, started = 0, 0, False
            while True:
                try:
                    text = decode(block, final=not block)
                except UnicodeError as error:
                    raise self._undecodable(error, encoding, block, n_bytes, n_newlines) from None
                if text and not started:
                    started = True
                    self.log.dialect = Dialect(None, encoding, bom=text[0] == "\ufeff")
                    text = text.removeprefix("\ufeff")
                if text:
                    yield text
                if not block:
                    return
                n_bytes, n_newlines = n_bytes + len(block), n_newlines + text.count("\n")
                block = file.read(_BLOCK_BYTES)

    def _encoding(self, beginning: bytes) -> str:
        """Return the encoding: UTF-8 gives way to the byte order mark of another one, as Excel writes it."""
        try:
            io.TextIOWrapper(io.BytesIO(), self.encoding)
        except (LookupError, ValueError):
            raise self.error(f"unknown encoding {self.encoding!r} (known are for example utf-8, latin-1)") from None
        if codecs.lookup(self.encoding).name == "utf-8":
            for mark, encoding in _MARKS.items():
                if beginning.startswith(mark):
                    return encoding
        return self.encoding

    def _undecodable(
        self, error: UnicodeError, encoding: str, block: bytes, n_bytes: int, n_newlines: int
    ) -> InputError:
        """Return the error that names the byte; before `block` there were this many bytes and newlines."""
        place, data = one_line(error), block  # some codecs fail without a place
        if isinstance(error, UnicodeDecodeError):
            data = error.object  # the block behind what the decoder kept of the block before
            offset = n_bytes - (len(data) - len(block)) + error.start
            line = 1 + n_newlines + data[: error.start].decode(encoding, "ignore").count("\n")
            place = f"byte 0x{data[error.start]:02x} at offset {offset} (line {line}) is not {encoding}"
        return self.error(
            f"{place}; if the file is encoded differently, say so with --encoding NAME "
            f"(for example --encoding {likely_encoding(data)})"
        )

    def note_delimiter(self, delimiter: str) -> None:
        """Keep the delimiter for what is made of this table."""
        self.log.dialect = replace(self.log.dialect, delimiter=delimiter)

    def check_width(self, n_columns: int) -> None:
        """Refuse more columns than a table of texts has."""
        if n_columns > COLUMNS:
            raise self.error(f"{n_columns:,} columns; more than {COLUMNS:,} are not read")


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file))


class Lines:
    """The lines of a text table, a list of them at a time; blank ones that a list would begin with are passed over.

    A record may go over several lines. Whoever takes lines says in `record_end` how many of them the records so far
    have taken: a blank line within a record is a part of it, and no record may go on for ever.

    Attributes:
        blank: the characters of which a blank line consists.
        record_end: lines taken by whole records.
        n_passed: lines passed over, so that the next record begins in line `record_end + n_passed + 1`.
        n_characters: characters handed out.
    """

    def __init__(self, source: Source, *, universal: bool, blank: str = BLANK) -> None:
        self.blank, self.record_end, self.n_passed, self.n_characters = blank, 0, 0, 0
        self._source, self._universal = source, universal
        self._blocks = source.blocks(universal=universal)
        self._peeked = ""
        self._list: list[str] = []
        self._n_taken = 0  # lines in the lists so far

    def peek(self) -> str:
        """Return the first block, without the blank lines it begins with; "" if there is none."""
        while not self._peeked and (block := next(self._blocks, None)) is not None:
            self._peeked = self._without_blank(block)
        return self._peeked

    def drop(self, line: str) -> None:
        """Pass over `line`, with which the block that was peeked begins."""
        self._peeked = self._peeked.removeprefix(line)
        self.n_passed += 1

    def lists(self, max_record_lines: int = 2**16) -> Iterator[list[str]]:
        """Yield the lines, each with its end.

        Raises:
            EndlessRecordError: a record has more lines, or more characters than a line may have.
        """
        record_begin, last = 0, "x"
        for block in chain([self._peeked], self._blocks):
            if self._n_taken == self.record_end:  # between two records
                block = self._without_blank(block)
                record_begin, last = self.n_characters, block and last
            elif (
                self._n_taken - self.record_end > max_record_lines or self.n_characters - record_begin > LINE_CHARACTERS
            ):
                raise EndlessRecordError
            if block:
                self.n_characters += len(block)
                self._list = _split(block, self._universal)
                self._n_taken += len(self._list)
                last = self._list[-1]
                yield self._list
        if self._n_taken == self.record_end and not last.strip(self.blank):
            self._source.log.n_blank -= 1

    def last_is_blank(self) -> bool:
        """Whether the line that the last record ended with is blank; if so it is counted."""
        blank = not self._list[self.record_end - self._n_taken - 1].strip(self.blank)
        self._source.log.n_blank += blank
        return blank

    def _without_blank(self, block: str) -> str:
        """Return a block without the blank lines it begins with, which are counted."""
        rest = block.lstrip(self.blank)
        head = block[: len(block) - len(rest)]
        if rest:
            head = head[: max(head.rfind("\n"), head.rfind("\r") if self._universal else -1) + 1]
        if head:
            n = count_lines(head, self._universal) + (not rest and not head.endswith(("\n", "\r")))
            self.n_passed += n
            self._source.log.n_blank += n
        return block[len(head) :]


class EndlessRecordError(Exception):
    """A record has gone on for more lines or characters than one has."""


def count_lines(text: str, universal: bool) -> int:
    """Return the number of line ends."""
    n = text.count("\n")
    return n + text.count("\r") - text.count("\r\n") if universal else n


def _split(block: str, universal: bool) -> list[str]:
    """Return the lines of a block, each with its end."""
    lines = block.splitlines(keepends=True)
    if len(lines) != count_lines(block, universal) + (not block.endswith(("\n", "\r") if universal else "\n")):
        return io.StringIO(block, newline="" if universal else "\n").readlines()  # Unicode has further line ends
    return lines


def mark_nested(name: str, kind: pa.DataType, rows: list[int]) -> pa.Field:
    """Return the field of a column; `rows` of it hold the JSON of a list or an object among strings."""
    return pa.field(name, kind, metadata={_NESTED: json.dumps(rows)} if rows else None)


def nested_rows(field: pa.Field) -> list[int]:
    """Return which rows of a chunk hold, in this column of strings, the JSON of a list or an object."""
    return list(json.loads((field.metadata or {}).get(_NESTED, "[]")))
