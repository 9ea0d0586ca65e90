"""The text of a table, a bounded piece at a time: decoded, and divided into lines."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

from ganbert.data.formats import Dialect
from ganbert.data.formats.base import Source, reason
from ganbert.errors import InputError

# The most that a reader takes into memory at once; longer cells and lines are refused.
CELL_CHARACTERS = 2**24
LINE_CHARACTERS = CELL_CHARACTERS + 2**20
CHUNK_CHARACTERS = 2**24
CELL_BYTES = 16  # what a cell takes beside its characters, at least
BLANK = " \t\r\n"
_OTHER_LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_BLOCK_BYTES = 2**15
_NOT_IN_CP1252 = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Text:
    """The text of a source. With universal line ends, a line ends in \\n, \\r\\n or \\r, else in \\n alone.

    Attributes:
        n_lines: line ends in the text taken so far. The caller counts them; errors use them to name the line.
    """

    def __init__(self, source: Source, *, universal: bool) -> None:
        self._source, self._universal = source, universal
        self.n_lines = 0

    def blocks(self) -> Iterator[str]:
        """Yield the text, a byte order mark left out, in blocks of whole lines; only the last may lack its end.

        Raises:
            InputError: a byte cannot be decoded (it is named with its place), or a line has no end in sight.
        """
        pieces: list[str] = []
        n_pending = 0
        for text in self.pieces():
            cut = max(text.rfind("\n"), text.rfind("\r") if self._universal else -1) + 1
            if cut:
                yield "".join([*pieces, text[:cut]])
                pieces, n_pending = [], 0
            pieces.append(text[cut:])
            n_pending += len(text) - cut
            if n_pending > LINE_CHARACTERS:
                raise self._source.error(f"line {self.n_lines + 1} has more than {LINE_CHARACTERS:,} characters")
        if n_pending:
            yield "".join(pieces)

    def pieces(self) -> Iterator[str]:
        """Yield the text as it comes; where lines end universally, no piece ends between \\r and \\n."""
        with self._source.open() as file:
            block = file.read(_BLOCK_BYTES)
            encoding = self._encoding(block)
            decoder = codecs.getincrementaldecoder(encoding)()
            decode = io.IncrementalNewlineDecoder(decoder, False).decode if self._universal else decoder.decode
            n_bytes, started = 0, False
            while True:
                try:
                    text = decode(block, final=not block)
                except UnicodeError as error:
                    raise self._undecodable(error, encoding, block, n_bytes) from None
                if text and not started:
                    started = True
                    self._source.log.dialect = Dialect(None, encoding, bom=text[0] == "\ufeff")
                    text = text.removeprefix("\ufeff")
                if text:
                    yield text
                if not block:
                    return
                n_bytes += len(block)
                block = file.read(_BLOCK_BYTES)

    def _encoding(self, beginning: bytes) -> str:
        """Return the encoding: UTF-8 gives way to the byte order mark of another one, as Excel writes it."""
        name = self._source.encoding
        try:
            io.TextIOWrapper(io.BytesIO(), name)
        except (LookupError, ValueError):
            raise self._source.error(f"unknown encoding {name!r} (known are for example utf-8, latin-1)") from None
        if codecs.lookup(name).name == "utf-8":
            name = next((encoding for mark, encoding in _MARKS.items() if beginning.startswith(mark)), name)
        return name

    def _undecodable(self, error: UnicodeError, encoding: str, block: bytes, n_bytes: int) -> InputError:
        """Return the error that names the byte; before `block` there were this many."""
        place, data = reason(error), block  # some codecs fail without a place
        if isinstance(error, UnicodeDecodeError):
            data = error.object  # the block behind what the decoder kept of the block before
            offset = n_bytes - (len(data) - len(block)) + error.start
            with suppress(UnicodeError):  # of codecs that pass over nothing
                line = 1 + self.n_lines + data[: error.start].decode(encoding, "ignore").count("\n")
                place = f"byte 0x{data[error.start]:02x} at offset {offset} (line {line}) is not {encoding}"
        likely = likely_encoding(data)
        if likely is None and codecs.lookup(encoding).name == "utf-8":
            return self._source.error(f"{place}, though the text around it is: mend or remove this character")
        return self._source.error(
            f"{place}; if the file is encoded differently, say so with --encoding NAME "
            f"(for example --encoding {likely or 'utf-8'})"
        )


class Lines:
    """The lines of a text table, in lists; blank lines between records are skipped.

    A record may go over several lines. The caller keeps in `record_end` how many lines the records so far have taken.
    A blank line within a record is part of it, and no record may be endless.

    Attributes:
        blank: the characters of which a blank line consists.
        record_end: lines taken by whole records.
        n_passed: lines passed over, so that the next record begins in line `record_end + n_passed + 1`.
        n_characters: characters handed out.
    """

    def __init__(self, source: Source, *, universal: bool, blank: str = BLANK) -> None:
        self.blank, self.record_end, self.n_passed, self.n_characters = blank, 0, 0, 0
        self._source, self._universal = source, universal
        self._text = Text(source, universal=universal)
        self._blocks = self._text.blocks()
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
        """Yield the lines, each with its end if lines end universally.

        Raises:
            EndlessRecordError: a record has more lines, or more characters than a line may have.
        """
        record_begin, last = 0, "x"
        for block in filter(None, chain([self._peeked], self._blocks)):
            if self._n_taken == self.record_end:  # between two records
                block = self._without_blank(block)
                record_begin, last = self.n_characters, block and last
            elif (
                self._n_taken - self.record_end > max_record_lines or self.n_characters - record_begin > LINE_CHARACTERS
            ):
                raise EndlessRecordError
            if block:
                self.n_characters += len(block)
                if not self._universal:
                    self._list = block.removesuffix("\n").split("\n")
                elif any(other in block for other in _OTHER_LINE_ENDS):  # `splitlines` would take them too
                    self._list = io.StringIO(block, newline="").readlines()
                else:
                    self._list = block.splitlines(keepends=True)
                self._n_taken += len(self._list)
                last = self._list[-1]
                yield self._list
                self._text.n_lines = self._n_taken + self.n_passed
        if self._n_taken == self.record_end and not last.strip(self.blank):
            self._source.log.n_blank -= 1

    def last_is_blank(self) -> bool:
        """Whether the line that the last record ended with is blank; if so it is counted."""
        blank = not self._list[self.record_end - self._n_taken - 1].strip(self.blank)
        self._source.log.n_blank += blank
        return blank

    def _without_blank(self, block: str) -> str:
        """Return a block without the blank lines it begins with, which are counted."""
        head = re.compile(rf"[{self.blank}]*").match(block)[0]  # type: ignore[index]  # 20 times as fast as `lstrip`
        is_whole = len(head) == len(block)
        if not is_whole:
            head = head[: max(head.rfind("\n"), head.rfind("\r") if self._universal else -1) + 1]
        if head:
            n = count_lines(head, self._universal) + (is_whole and not head.endswith(("\n", "\r")))
            self.n_passed += n
            self._text.n_lines += n
            self._source.log.n_blank += n
        return block[len(head) :]


class EndlessRecordError(Exception):
    """A record has gone on for more lines or characters than one has."""


def count_lines(text: str, universal: bool) -> int:
    """Return the number of line ends."""
    n = text.count("\n")
    return n + text.count("\r") - text.count("\r\n") if universal and "\r" in text else n


def likely_encoding(data: bytes) -> str | None:
    """Return the encoding that bytes which are no UTF-8 are most likely in; None if most of them are UTF-8 after all.

    Little text says little: then it is the one of Western Windows if a byte of 0x80 to 0x9f occurs, which latin-1 has
    for control characters only, else latin-1. More is left to charset-normalizer, between the encodings in wide use.
    """
    high = bytes(byte for byte in data if byte >= 0x80)
    text = data.decode("utf-8", "replace")
    if len(high) > 2 * text.count("\ufffd") and sum(character > "\x7f" for character in text) > 2 * text.count(
        "\ufffd"
    ):
        return None
    western = "cp1252" if min(high, default=0xFF) < 0xA0 and not set(high) & _NOT_IN_CP1252 else "latin-1"
    if len(high) < 50:
        return western
    import charset_normalizer  # slow to import, and only an error needs it

    known = ["cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1256", "gb18030", "big5", "shift_jis", "euc_kr"]
    best = charset_normalizer.from_bytes(data[: 2**15], cp_isolation=known).best()
    return western if best is None or best.encoding in ("cp1252", "cp1250") else best.encoding
