"""Readers: the bytes of one table to chunks of rows, or to an `InputError` that says where they are wrong."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ganbert.data.table_text import is_gzip, one_line, to_json
from ganbert.errors import InputError

_CELL_CHARACTERS = 2**24  # a quote left open would otherwise swallow the rest of the file into memory
_BLANK = " \t\r\n"
_NESTED = b"ganbert.nested_rows"  # in the metadata of a field


@dataclass
class ReadLog:
    """What reading a table left out or decided by itself; complete when the table has been read to its end.

    Attributes:
        notes: sentences for a person, such as the delimiter that was found.
        n_blank: blank lines of a text file that were passed over.
    """

    notes: list[str] = field(default_factory=list)
    n_blank: int = 0


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
        return InputError(message, path=self.path, row=row, column=column)

    def open(self) -> IO[bytes]:
        """Open the table, unpacked."""
        return cast("IO[bytes]", gzip.open(self.path)) if is_gzip(self.path) else self.path.open("rb")

    def lines(self, newline: str) -> Iterator[str]:
        """Yield the decoded lines, a byte order mark left out; an undecodable byte is named with its place."""
        with self.open() as file:
            try:
                text = io.TextIOWrapper(file, self.encoding, newline=newline)
            except (LookupError, ValueError):
                raise self.error(f"unknown encoding {self.encoding!r} (known are for example utf-8, latin-1)") from None
            try:
                for number, line in enumerate(text):
                    yield line if number else line.removeprefix("\ufeff")
            except UnicodeError as error:
                raise self.error(
                    f"{self._undecodable() or one_line(error)}; if the file is encoded differently, "
                    "say so with --encoding NAME (for example --encoding latin-1)"
                ) from None

    def _undecodable(self) -> str | None:
        """Where the first byte is that cannot be decoded: a second pass, because the first one forgets its offset."""
        decoder, before, line = codecs.getincrementaldecoder(self.encoding)(), 0, 1
        with self.open() as file, suppress(UnicodeError):  # some codecs fail without a place
            while True:
                block = file.read(2**16)
                try:
                    line += decoder.decode(block, final=not block).count("\n")
                except UnicodeDecodeError as error:
                    data = error.object  # the block behind what the decoder kept of the block before
                    offset = before - (len(data) - len(block)) + error.start
                    line += data[: error.start].decode(self.encoding, "ignore").count("\n")
                    return f"byte 0x{data[error.start]:02x} at offset {offset} (line {line}) is not {self.encoding}"
                if not block:
                    break
                before += len(block)
        return None


def read_delimited(source: Source, delimiter: str) -> Iterator[pa.Table]:
    """Yield a CSV or TSV file in chunks, every cell a string."""
    csv.field_size_limit(max(csv.field_size_limit(), _CELL_CHARACTERS))  # the default is too little for a long text
    records = _records(source, delimiter)
    header = next(records, None)
    if header is None:
        raise source.error("the file is empty; its first line must name the columns")
    rows = list(islice(records, source.chunk_rows))
    while True:
        columns = list(zip(*rows, strict=True)) or [()] * len(header)
        yield pa.table([pa.array(cells, pa.string()) for cells in columns], names=header)
        if not (rows := list(islice(records, source.chunk_rows))):
            return


def _records(source: Source, delimiter: str) -> Iterator[list[str]]:
    """Yield the header and then the rows, all of one width, with the cells that `pandas.read_csv` gives as strings.

    Not by pandas itself: it fills a short row with empty cells and nothing tells them from empty cells in the file.
    """
    last = ""  # the line that `csv` took last; "" when it wanted one more than there are

    def lines() -> Iterator[str]:
        nonlocal last
        for last in source.lines(newline=""):  # noqa: UP028
            yield last
        last = ""

    reader = csv.reader(lines(), delimiter=delimiter)
    row, width, line = 0, 0, 1  # row 0 is the header
    try:
        for cells in reader:
            if cells and not last:
                raise source.error(f"a quote is opened and never closed (line {line})", row=row or None)
            if len(cells) > 1 or last.strip(_BLANK):  # pandas skips blank lines too, but not a blank cell in quotes
                width = width or len(cells)
                if len(cells) != width:
                    raise source.error(f"the header has {width} fields, this row {len(cells)} (line {line})", row=row)
                yield cells
                row += 1
            line = reader.line_num + 1
    except csv.Error as error:
        raise source.error(f"{error}: is a quote left open? (line {line})", row=row or None) from None


def read_json_lines(source: Source) -> Iterator[pa.Table]:
    """Yield a JSON Lines file in chunks; columns are the keys seen so far."""
    columns: dict[str, None] = {}  # in the order they are first seen
    objects = _objects(source)
    while chunk := list(islice(objects, source.chunk_rows)):
        columns.update(dict.fromkeys(key for item in chunk for key in item))
        if not columns:
            raise source.error("the objects have no keys, so the table has no columns")
        yield _json_table({name: [item.get(name) for item in chunk] for name in columns})
    if not columns:
        raise source.error("the file is empty; every line must be a JSON object")


def _objects(source: Source) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(source.lines(newline="\n"), start=1):
        if not (line := line.rstrip(_BLANK)):
            continue
        try:
            value = json.loads(line, parse_constant=_not_finite, parse_float=_finite)
            if "\\u" in line:
                json.dumps(value, ensure_ascii=False).encode()
        except json.JSONDecodeError as error:
            raise source.error(
                f"line {number} is not JSON: {error.msg} at character {error.colno}", row=number
            ) from None
        except UnicodeEncodeError:
            raise source.error(f"line {number} has half of a surrogate pair, which is no text", row=number) from None
        except (ValueError, RecursionError) as error:
            raise source.error(f"line {number} cannot be used: {error}", row=number) from None
        if not isinstance(value, dict):
            raise source.error(f'line {number} is not a JSON object such as {{"text": "..."}}', row=number)
        yield value


def _not_finite(literal: str) -> float:
    raise ValueError(f"the number {literal} is not a finite one (write null)")


def _finite(literal: str) -> float:
    return number if math.isfinite(number := float(literal)) else _not_finite(literal)


def _json_table(columns: dict[str, list[Any]]) -> pa.Table:
    """Return columns of JSON values; a column of strings says which of them stand for a list or an object."""
    arrays, fields = [], []
    for name, values in columns.items():
        array = _json_column(values)
        is_text = pa.types.is_string(array.type)
        nested = [i for i, value in enumerate(values) if isinstance(value, list | dict)] if is_text else []
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata={_NESTED: json.dumps(nested)} if nested else None))
    return pa.table(arrays, schema=pa.schema(fields))


def nested_rows(field: pa.Field) -> list[int]:
    """Return which rows of a chunk hold, in this column of strings, the JSON of a list or an object."""
    return list(json.loads((field.metadata or {}).get(_NESTED, "[]")))


def _json_column(values: list[Any]) -> pa.Array:
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    if len(kinds) < 2:
        with suppress(pa.ArrowException, OverflowError):  # kinds mixed inside lists or objects, integers over 64 bits
            return pa.array(values)
    return pa.array([value if isinstance(value, str | None) else to_json(value) for value in values], pa.string())


def read_parquet(source: Source) -> Iterator[pa.Table]:
    """Yield a Parquet file in chunks, with its types."""
    with source.open() as packed, tempfile.TemporaryFile() as unpacked:
        if is_gzip(source.path):  # Parquet is read from its end, gzip only from its start
            shutil.copyfileobj(packed, unpacked)
        file = pq.ParquetFile(unpacked if is_gzip(source.path) else packed)
        empty = True
        for batch in file.iter_batches(source.chunk_rows):
            batch.validate(full=True)  # text that is not UTF-8 would otherwise fail far from here
            yield pa.Table.from_batches([batch])
            empty = False
        if empty:
            yield file.schema_arrow.empty_table()


def read_folder(source: Source) -> Iterator[pa.Table]:
    """Yield a folder of `datasets.Dataset.save_to_disk` in chunks; class labels come out as their names."""
    splits = sorted(entry.parent.name for entry in source.path.glob("*/state.json"))
    if (source.path / "dataset_dict.json").exists():
        raise source.error(f"holds the splits {', '.join(splits)}; give one of them, as {source.path / 'SPLIT'}")
    if not (source.path / "state.json").exists():
        raise source.error("a folder, but not one made by datasets.Dataset.save_to_disk")
    from datasets import ClassLabel, load_from_disk  # slow to import, and only folders need it

    try:
        dataset = load_from_disk(str(source.path)).with_format("arrow")
        for chunk in dataset.iter(source.chunk_rows) if len(dataset) else [dataset[:]]:
            chunk.validate(full=True)
            for position, (name, feature) in enumerate(dataset.features.items()):
                if isinstance(feature, ClassLabel):
                    chunk = chunk.set_column(position, name, _class_names(chunk[name], feature.names))
            yield chunk
    except Exception as error:  # a damaged folder makes `datasets` raise nearly anything
        raise source.error(f"does not load as a datasets folder: {one_line(error)}") from error


def _class_names(codes: pa.ChunkedArray, names: list[str]) -> pa.ChunkedArray:
    unlabelled = pc.equal(codes, -1)
    return pc.take(pa.array(names, pa.string()), pc.if_else(unlabelled, pa.scalar(None, codes.type), codes))
