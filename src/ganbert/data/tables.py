"""Tables on disk: a file in, chunks of rows out; chunks of rows in, a file out. Only one chunk is in memory at a time.

    with TableWriter(Path("out.jsonl.gz")) as out:
        for chunk in read_chunks(Path("in.csv")):
            out.write(chunk)

The last lines of this module are the table of formats; a new format is one entry there.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import math
import os
import re
import secrets
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ganbert.errors import InputError, RunError

CHUNK_ROWS = 4096
_CELL_CHARACTERS = 2**24  # a quote left open would otherwise swallow the rest of the file into memory
_BLANK = " \t\r\n"


def read_chunks(path: Path, *, encoding: str = "utf-8", chunk_rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
    """Yield the table at `path`, a file or a folder of `datasets.Dataset.save_to_disk`, in chunks of `chunk_rows` rows.

    CSV and TSV cells are strings exactly as in the file (an empty cell is ""); JSON Lines and Parquet keep their types.
    A table without rows yields one chunk of 0 rows. A key that JSON Lines show later is a column from that chunk on.
    Raises InputError, when iterated, for whatever is wrong with the file; its row counts data rows from 1, for JSON
    Lines it is the line. `encoding` matters for text formats only.

        texts = [text for chunk in read_chunks(Path("train.csv")) for text in chunk["text"].to_pylist()]
    """
    source = _Source(path, encoding, chunk_rows)
    try:
        if not path.exists():
            raise source.error("no such file or folder")
        read = _read_folder if path.is_dir() else _format(path)[0]
        for chunk in read(source):
            if (name := _repeated(chunk.column_names)) is not None:
                raise source.error("more than one column has this name", column=name)
            yield chunk.replace_schema_metadata(None)  # it describes the table in its file, not what becomes of it
    except InputError:
        raise
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise source.error(f"not an intact gzip file: {_one_line(error)}") from error
    except (OSError, pa.ArrowException, ValueError, OverflowError, RecursionError) as error:
        raise source.error(f"cannot be read: {_one_line(error)}") from error


def check_ending(path: Path) -> None:
    """Raise InputError if no table can be written to `path`: an ending of no known format, or a folder."""
    if path.is_dir():
        raise InputError(f"a folder; tables are written to files that end in {_ENDINGS}", path=path)
    _format(path)


class TableWriter:
    """Writes chunks to `path` in the format its ending names; the file appears, or is replaced, only at a clean end.

    CSV, TSV and Parquet have the columns of the first chunk, Parquet its types too; JSON Lines take any chunk.
    Raises InputError for a path that cannot be written and RunError for a chunk that does not fit the ones before.

        with TableWriter(Path("out.parquet")) as out:
            out.write(chunk)
    """

    def __init__(self, path: Path) -> None:
        """Refuse a path that `check_ending` refuses; nothing is written before `with`."""
        check_ending(path)
        self.path = path
        self._started = False

    def __enter__(self) -> Self:
        """Open a file beside the target."""
        self._part = self.path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            self._file = self._part.open("xb")
        except OSError as error:
            raise InputError(f"cannot be written: {_one_line(error)}", path=self.path) from error
        self._bytes: IO[bytes] = self._file
        if _is_gzip(self.path):  # without name and time: the same rows are the same bytes
            self._bytes = cast("IO[bytes]", gzip.GzipFile("", "wb", compresslevel=6, fileobj=self._file, mtime=0))
        self._writer = _format(self.path)[1](self._bytes)
        return self

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        self._started = True
        if (name := _repeated(chunk.column_names)) is not None:
            raise RunError(f"{self.path}: more than one column is named {name!r}")
        try:
            self._writer.write(chunk)
        except (OSError, RunError, pa.ArrowException) as error:
            raise RunError(f"{self.path}: cannot be written: {_one_line(error)}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Move the file to the target, or remove it if there was an error."""
        keep_first_error = nullcontext() if kind is None else suppress(Exception)
        try:
            with keep_first_error, self._file:
                if self._started:
                    self._writer.close()
                self._bytes.close()
            if kind is None and not self._started:
                raise RunError(f"{self.path}: not written, there was no table to write")
            if kind is None:
                os.replace(self._part, self.path)
        except OSError as failure:
            raise RunError(f"{self.path}: cannot be written: {_one_line(failure)}") from failure
        finally:
            self._part.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Source:
    """What a reader is given: where the table is and how to read it."""

    path: Path
    encoding: str
    chunk_rows: int

    def error(self, message: str, *, row: int | None = None, column: str | None = None) -> InputError:
        return InputError(message, path=self.path, row=row, column=column)

    def open(self) -> IO[bytes]:
        return cast("IO[bytes]", gzip.open(self.path)) if _is_gzip(self.path) else self.path.open("rb")

    def lines(self, newline: str) -> Iterator[str]:
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
                    f"{self._undecodable() or _one_line(error)}; if the file is encoded differently, "
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


def _read_delimited(source: _Source, delimiter: str) -> Iterator[pa.Table]:
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


def _records(source: _Source, delimiter: str) -> Iterator[list[str]]:
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


def _read_json_lines(source: _Source) -> Iterator[pa.Table]:
    columns: dict[str, None] = {}  # in the order they are first seen
    objects = _objects(source)
    while chunk := list(islice(objects, source.chunk_rows)):
        columns.update(dict.fromkeys(key for item in chunk for key in item))
        if not columns:
            raise source.error("the objects have no keys, so the table has no columns")
        yield pa.table({name: _json_column([item.get(name) for item in chunk]) for name in columns})
    if not columns:
        raise source.error("the file is empty; every line must be a JSON object")


def _objects(source: _Source) -> Iterator[dict[str, Any]]:
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


def _json_column(values: list[Any]) -> pa.Array:
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    if len(kinds) < 2:
        with suppress(pa.ArrowException, OverflowError):  # kinds mixed inside lists or objects, integers over 64 bits
            return pa.array(values)
    return pa.array([value if isinstance(value, str | None) else _json(value) for value in values], pa.string())


def _read_parquet(source: _Source) -> Iterator[pa.Table]:
    with source.open() as packed, tempfile.TemporaryFile() as unpacked:
        if _is_gzip(source.path):  # Parquet is read from its end, gzip only from its start
            shutil.copyfileobj(packed, unpacked)
        file = pq.ParquetFile(unpacked if _is_gzip(source.path) else packed)
        empty = True
        for batch in file.iter_batches(source.chunk_rows):
            batch.validate(full=True)  # text that is not UTF-8 would otherwise fail far from here
            yield pa.Table.from_batches([batch])
            empty = False
        if empty:
            yield file.schema_arrow.empty_table()


def _read_folder(source: _Source) -> Iterator[pa.Table]:
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
        raise source.error(f"does not load as a datasets folder: {_one_line(error)}") from error


def _class_names(codes: pa.ChunkedArray, names: list[str]) -> pa.ChunkedArray:
    unlabelled = pc.equal(codes, -1)
    return pc.take(pa.array(names, pa.string()), pc.if_else(unlabelled, pa.scalar(None, codes.type), codes))


class _Writer(Protocol):
    def write(self, chunk: pa.Table) -> None: ...

    def close(self) -> None: ...


class _DelimitedWriter:
    def __init__(self, file: IO[bytes], delimiter: str) -> None:
        self._file, self._delimiter = file, delimiter
        self._names: list[str] | None = None
        # `csv.writer` leaves a cell of blanks bare, to be skipped as a blank line, and in Python 3.11 a lone \r too
        self._needs_quotes = re.compile(rf'["\r\n\ufeff{delimiter}]|^[ \t]+$').search

    def write(self, chunk: pa.Table) -> None:
        rows: list[Iterable[Any]] = []
        if self._names is None:
            self._names = chunk.column_names
            rows = [self._names]
        rows += zip(*(column.to_pylist() for column in _with_columns(chunk, self._names).columns), strict=True)
        lines = ((self._delimiter.join(map(self._cell, row)) or '""') + "\n" for row in rows)
        self._file.write("".join(lines).encode())

    def _cell(self, value: Any) -> str:
        if value is None or value != value:  # null, or a float that is not a number
            return ""
        text = _json(value) if isinstance(value, list | dict) else str(value)
        return '"' + text.replace('"', '""') + '"' if self._needs_quotes(text) else text

    def close(self) -> None: ...


class _JsonLinesWriter:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, chunk: pa.Table) -> None:
        self._file.write("".join(_json(row) + "\n" for row in chunk.to_pylist()).encode())

    def close(self) -> None: ...


class _ParquetWriter:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: Any = None

    def write(self, chunk: pa.Table) -> None:
        if self._writer is None:  # a column without any value yet is most likely one of strings
            fields = [
                (field.name, pa.string() if pa.types.is_null(field.type) else field.type) for field in chunk.schema
            ]
            self._writer = pq.ParquetWriter(self._file, pa.schema(fields))
        schema = self._writer.schema
        columns = _with_columns(chunk, schema.names).columns
        self._writer.write_table(pa.table(list(map(_cast, columns, schema)), schema=schema))

    def close(self) -> None:
        self._writer.close()


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        return column if column.type == field.type else column.cast(field.type)
    except pa.ArrowException as error:
        raise RunError(
            f"column {field.name!r} began as {field.type} and cannot go on as {column.type}: {_one_line(error)}; "
            "a .jsonl file could hold both"
        ) from error


def _with_columns(chunk: pa.Table, names: list[str]) -> pa.Table:
    """The chunk with exactly these columns, null where it lacks one."""
    if new := [name for name in chunk.column_names if name not in names]:
        raise RunError(f"column {new[0]!r} turns up after the first chunk, and only a .jsonl file can take it then")
    nulls = pa.nulls(len(chunk))
    return pa.table([chunk[name] if name in chunk.column_names else nulls for name in names], names=names)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # JSON has no NaN and no Infinity
        return _json(json.loads(json.dumps(value, default=str), parse_constant=lambda _: None))


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _repeated(names: list[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)


def _one_line(error: Exception) -> str:
    return " ".join(str((isinstance(error, OSError) and error.strerror) or error).split())


def _format(path: Path) -> _Format:
    name = path.name.lower().removesuffix(".gz")
    for ending in _FORMATS:
        if name.endswith(ending):
            return _FORMATS[ending]
    raise InputError(f"no table format has this ending; there are {_ENDINGS}", path=path)


_Format = tuple[Callable[[_Source], Iterator[pa.Table]], Callable[[IO[bytes]], _Writer]]
_FORMATS: dict[str, _Format] = {
    ".csv": (partial(_read_delimited, delimiter=","), partial(_DelimitedWriter, delimiter=",")),
    ".tsv": (partial(_read_delimited, delimiter="\t"), partial(_DelimitedWriter, delimiter="\t")),
    ".jsonl": (_read_json_lines, _JsonLinesWriter),
    ".ndjson": (_read_json_lines, _JsonLinesWriter),
    ".parquet": (_read_parquet, _ParquetWriter),
}
_ENDINGS = f"{', '.join(_FORMATS)}, each also with .gz behind it"
