"""What table readers and writers share: JSON on one line, and how the text of a file is encoded and divided."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ganbert.errors import RunError

_NOT_IN_CP1252 = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
STANDARD = Path("-")  # standard input or output


@dataclass(frozen=True)
class Dialect:
    """How a text file is laid out, so that what is made of it can look the same.

    Attributes:
        delimiter: between cells; None where the format has none, or leaves no choice.
        encoding: a codec of Python.
        bom: whether a byte order mark comes first that the codec does not write by itself.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    bom: bool = False


class EncodedFile:
    """A binary file that takes text."""

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        self._file, self._encoder = file, codecs.getincrementalencoder(dialect.encoding)()
        self._encoding, self._bom, self._started = dialect.encoding, dialect.bom, False

    def write(self, text: str) -> None:
        """Append text."""
        if not self._started and (self._bom or text.startswith("\ufeff")):  # readers take the first one for a mark
            text = "\ufeff" + text
        self._started = True
        try:
            self._file.write(self._encoder.encode(text))
        except UnicodeEncodeError as error:
            character = text[error.start]
            raise RunError(f"{character!r} is not in {self._encoding}, the encoding of the input") from None


def to_json(value: Any) -> str:
    """Return `value` as JSON on one line; what JSON has no word for (NaN, dates) becomes null or text."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # JSON has no NaN and no Infinity
        return to_json(json.loads(json.dumps(value, default=str), parse_constant=lambda _: None))


def is_gzip(path: Path) -> bool:
    """Whether the ending says so."""
    return path.name.lower().endswith(".gz")


def one_line(error: Exception) -> str:
    """Return what an error says, on one line and without the path that is named beside it."""
    return " ".join(str((isinstance(error, OSError) and error.strerror) or error).split())


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
