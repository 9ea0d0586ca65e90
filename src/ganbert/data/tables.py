"""Tables on disk: a file in, chunks of rows out; chunks of rows in, a file out. Only one chunk is in memory at a time.

    with TableWriter(Path("out.jsonl.gz")) as out:
        for chunk in read_chunks(Path("in.csv")):
            out.write(chunk)

The last lines of this module are the table of formats; a new format is one entry there.
"""

from __future__ import annotations

import gzip
import os
import secrets
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import pyarrow as pa

from ganbert.data.table_readers import ReadLog, Source, read_delimited, read_folder, read_json_lines, read_parquet
from ganbert.data.table_text import is_gzip, one_line
from ganbert.data.table_writers import DelimitedWriter, JsonLinesWriter, ParquetWriter, Writer
from ganbert.errors import InputError, RunError

CHUNK_ROWS = 4096


def read_chunks(
    path: Path,
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    chunk_rows: int = CHUNK_ROWS,
    log: ReadLog | None = None,
) -> Iterator[pa.Table]:
    """Yield the table at `path`, a file or a folder of `datasets.Dataset.save_to_disk`, in chunks of `chunk_rows` rows.

    CSV and TSV cells are strings exactly as in the file (an empty cell is ""); JSON Lines and Parquet keep their types.
    A table without rows yields one chunk of 0 rows. A key that JSON Lines show later is a column from that chunk on.
    Raises InputError, when iterated, for whatever is wrong with the file; its row counts data rows from 1, for JSON
    Lines it is the line. `encoding` matters for text formats only.

        texts = [text for chunk in read_chunks(Path("train.csv")) for text in chunk["text"].to_pylist()]
    """
    source = Source(path, encoding, chunk_rows, delimiter, log or ReadLog())
    try:
        if not path.exists():
            raise source.error("no such file or folder")
        read = read_folder if path.is_dir() else _format(path)[0]
        for chunk in read(source):
            if (name := _repeated(chunk.column_names)) is not None:
                raise source.error("more than one column has this name", column=name)
            yield chunk.replace_schema_metadata(None)  # it describes the table in its file, not what becomes of it
    except InputError:
        raise
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise source.error(f"not an intact gzip file: {one_line(error)}") from error
    except (OSError, pa.ArrowException, ValueError, OverflowError, RecursionError) as error:
        raise source.error(f"cannot be read: {one_line(error)}") from error


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
            raise InputError(f"cannot be written: {one_line(error)}", path=self.path) from error
        self._bytes: IO[bytes] = self._file
        if is_gzip(self.path):  # without name and time: the same rows are the same bytes
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
            raise RunError(f"{self.path}: cannot be written: {one_line(error)}") from error

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
            raise RunError(f"{self.path}: cannot be written: {one_line(failure)}") from failure
        finally:
            self._part.unlink(missing_ok=True)


def _repeated(names: list[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)


def _format(path: Path) -> _Format:
    name = path.name.lower().removesuffix(".gz")
    for ending in _FORMATS:
        if name.endswith(ending):
            return _FORMATS[ending]
    raise InputError(f"no table format has this ending; there are {_ENDINGS}", path=path)


_Format = tuple[Callable[[Source], Iterator[pa.Table]], Callable[[IO[bytes]], Writer]]
_FORMATS: dict[str, _Format] = {
    ".csv": (partial(read_delimited, delimiter=","), partial(DelimitedWriter, delimiter=",")),
    ".tsv": (partial(read_delimited, delimiter="\t"), partial(DelimitedWriter, delimiter="\t")),
    ".jsonl": (read_json_lines, JsonLinesWriter),
    ".ndjson": (read_json_lines, JsonLinesWriter),
    ".parquet": (read_parquet, ParquetWriter),
}
_ENDINGS = f"{', '.join(_FORMATS)}, each also with .gz behind it"
