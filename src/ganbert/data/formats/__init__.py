"""The formats of tables: one entry of `FORMATS` adds a format.

Readers and writers are in the modules of this folder. They are imported when first used, so `--help` can list the
formats quickly. Another package adds a format by an entry point of the group `ganbert.formats`. Its name is the file
ending without the dot, and it refers to a `Format`:

    [project.entry-points."ganbert.formats"]
    orc = "some_package.tables:ORC"
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from ganbert.errors import InputError
from ganbert.plugins import Registry

if TYPE_CHECKING:
    import pyarrow as pa

    from ganbert.data.formats.base import Source

STANDARD = Path("-")  # standard input or output


@dataclass(frozen=True)
class Dialect:
    """How a text file is laid out, so that an output can be laid out in the same way.

    Attributes:
        delimiter: between cells; None where the format has none, or leaves no choice.
        encoding: a codec of Python.
        bom: whether a byte order mark comes first that the codec does not write by itself.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    bom: bool = False


class Writer(Protocol):
    """Writes chunks of rows as one table; made from a binary file and a `Dialect`."""

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""

    def close(self) -> None:
        """Write what a file of this format ends with."""


Reader = Callable[["Source"], "Iterator[pa.Table]"]
MakeWriter = Callable[[IO[bytes], Dialect], Writer]


@dataclass(frozen=True)
class Format:
    """How tables of one format are read and written.

    Attributes:
        name: of the format; several endings may share one.
        read: function that yields the chunks of a source, or where it is: "package.module:name".
        write: makes the writer of a table, or where that is; None if the format is only read.
        dialect: how a new file is laid out, and one that is read where nothing else is said or seen.
        is_text: whether people read it, so that figures are rounded.
        late_columns: whether rows further down may have columns that the first ones lack.
    """

    name: str
    read: Reader | str
    write: MakeWriter | str | None
    dialect: Dialect = field(default_factory=Dialect)
    is_text: bool = True
    late_columns: bool = False

    @property
    def reader(self) -> Reader:
        """The reader, imported."""
        return cast("Reader", _found(self.read))

    @property
    def writer(self) -> MakeWriter | None:
        """The writer, imported."""
        return cast("MakeWriter | None", _found(self.write))


def _found(place: Any) -> Any:
    return pkgutil.resolve_name(place) if isinstance(place, str) else place


def _accepted(ending: str, entry: Any) -> Format:
    if not isinstance(entry, Format):
        raise TypeError(f"is {type(entry).__name__}, not a ganbert.data.formats.Format")
    return entry


def _own(name: str, module: str, reader: str, writer: str | None, **more: Any) -> Format:
    place = f"ganbert.data.formats.{module}:"
    return Format(name, place + reader, writer and place + writer, **more)


_OWN = {
    "csv": _own("CSV", "delimited", "read_csv", "CsvWriter"),
    "tsv": _own("TSV", "delimited", "read_tsv", "TsvWriter"),
    "txt": _own("CSV", "delimited", "read_unicode_text", "CsvWriter", dialect=Dialect("\t", "utf-16-le", bom=True)),
    "jsonl": _own("JSON", "json_tables", "read_json_lines", "JsonLinesWriter", late_columns=True),
    "ndjson": _own("JSON", "json_tables", "read_json_lines", "JsonLinesWriter", late_columns=True),
    "json": _own("JSON", "json_tables", "read_json_array", "JsonArrayWriter", late_columns=True),
    "parquet": _own("Parquet", "columnar", "read_parquet", "ParquetWriter", is_text=False),
    "xlsx": _own("Excel", "excel", "read_excel", "ExcelWriter"),
    "xls": _own("Excel", "excel", "read_excel", None),
}
FORMATS = Registry("ganbert.formats", _OWN, _accepted)
"""By the ending of a file's name, without its dot; each may have .gz behind it."""


def endings() -> str:
    """Return the endings of all formats, for a person."""
    return f"{', '.join(f'.{ending}' for ending in FORMATS)}, each also with .gz behind it"


def names() -> str:
    """Return the names of the formats, for a person: "CSV, TSV or JSON". Imports no format of another package."""
    *others, last = dict.fromkeys(_OWN[ending].name if ending in _OWN else ending for ending in FORMATS)
    return f"{', '.join(others)} or {last}"


def format_of(path: Path, format: str = "csv") -> str:
    """Return the ending that names the format of a file, without dot and .gz; `format` is that of standard streams.

    Raises:
        InputError: there is no such format.
    """
    if path == STANDARD:
        if format not in FORMATS:
            raise InputError(f"no table format is called {format!r}; there are {', '.join(FORMATS)}")
        return format
    name = path.name.lower().removesuffix(".gz")
    for ending in FORMATS:
        if name.endswith(f".{ending}"):
            return ending
    raise InputError(f"no table format has this ending; there are {endings()}", path=path)
