"""Tables on disk: a file in, chunks of rows out; chunks of rows in, a file out. Only one chunk is in memory at a time.

    with TableWriter(Path("out.jsonl.gz")) as out:
        for chunk in read_chunks(Path("in.csv")):
            out.write(chunk)

The path `-` is standard input or output. The formats themselves are listed in `ganbert.data.formats`.
"""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import pyarrow as pa

from ganbert.data.formats import FORMATS, STANDARD, Dialect, Reader, endings, format_of
from ganbert.data.formats.base import ReadLog, Source, is_gzip, reason
from ganbert.errors import InputError, RunError
from ganbert.storage.disk import part_file

CHUNK_ROWS = 4096


def read_chunks(
    path: Path,
    *,
    content: Any = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    format: str = "csv",
    chunk_rows: int = CHUNK_ROWS,
    log: ReadLog | None = None,
) -> Iterator[pa.Table]:
    """Yield the table at `path`, a file or a folder of `datasets.Dataset.save_to_disk`, in chunks of rows.

    CSV, TSV and Excel cells are strings (an empty cell is ""), in CSV and TSV exactly as in the file; JSON and Parquet
    keep their types. A table without rows yields one chunk of 0 rows. In JSON, a key that first
    occurs later becomes a column from that chunk on.

        texts = [text for chunk in read_chunks(Path("train.csv")) for text in chunk["text"].to_pylist()]

    Args:
        path: the table; `-` is standard input.
        content: the table itself, if it is in memory; `path` is then what messages call it.
        encoding: of text formats; a byte order mark of UTF-16 goes before the default.
        delimiter: between the cells of CSV, one character or "tab"; None is a comma, or what the header shows.
        format: of standard input, an ending without its dot.
        chunk_rows: rows of a chunk; it has fewer where they are long.
        log: filled with what reading decided and left out.

    Raises:
        InputError: while iterating, for anything wrong with the file. Rows are counted from 1: data rows, lines of JSON
            Lines, elements of a JSON array.
    """
    source = Source(path, encoding, chunk_rows, delimiter, log if log is not None else ReadLog())
    try:
        for chunk in _reader(source, content, format)(source):
            if (name := _repeated(chunk.column_names)) is not None:
                raise source.error("more than one column has this name", column=name)
            yield chunk.replace_schema_metadata(None)  # it describes the table in its file, not what becomes of it
    except InputError:
        raise
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise source.error(f"not an intact gzip file: {reason(error)}") from error
    except (OSError, pa.ArrowException, ValueError, OverflowError, RecursionError) as error:
        raise source.error(f"cannot be read: {reason(error)}") from error


def _reader(source: Source, content: Any, format: str) -> Reader:
    if content is None and source.path != STANDARD and not source.path.exists():
        raise source.error("no such file or folder")
    if content is None and (source.path == STANDARD or not source.path.is_dir()):
        entry = FORMATS[format_of(source.path, format)]
        return lambda source: entry.reader(replace(source, usual=entry.dialect.delimiter or source.usual))
    from ganbert.data.formats import columnar  # here: it is slow to import, and few tables need it

    return columnar.read_dataset if content is None else partial(columnar.read_memory, content)


def is_text_format(path: Path, format: str = "csv") -> bool:
    """Whether a table written to `path` is text that people read."""
    return FORMATS[format_of(path, format)].is_text


def check_ending(path: Path, format: str = "csv") -> None:
    """Raise InputError if no table can be written to `path`: an ending of no known format, a folder, or a device."""
    if path != STANDARD and path.is_dir():
        raise InputError(f"a folder; tables are written to files that end in {endings()}", path=path)
    if FORMATS[format_of(path, format)].writer is None:
        raise InputError("tables are read from this format, but not written in it: write .xlsx or .csv", path=path)
    if path != STANDARD and path.exists() and not path.is_file():
        raise InputError("not an ordinary file (- writes to standard output)", path=path)


def check_table_output(
    path: Path, *, inputs: Sequence[Path] = (), overwrite: bool = False, format: str = "csv"
) -> None:
    """Raise InputError if a table must not be written to `path`: as `check_ending` does, or if a file would be lost.

    Args:
        path: where a table is to be written.
        inputs: files that are still needed; `path` may be none of them, however it is spelled.
        overwrite: whether another file that is there already may be replaced.
        format: of standard output.
    """
    check_ending(path, format)
    if path == STANDARD:
        return
    if any(_is_same(path, other) for other in inputs if other != STANDARD):
        raise InputError("is the input too, or lies in it: name another output", path=path)
    if not overwrite and (path.exists() or path.is_symlink()):
        raise InputError("exists already (--overwrite replaces it)", path=path)


def _is_same(path: Path, other: Path) -> bool:
    if other.is_dir() and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(other)):
        return True
    with suppress(OSError):
        return path.samefile(other)
    return os.path.realpath(path) == os.path.realpath(other)


class TableWriter:
    """Writes chunks to `path` in the format its ending names; the file appears, or is replaced, only at a clean end.

    CSV, TSV and Excel have the columns of the first chunk, Parquet its types too; JSON takes any chunk.
    Raises InputError for a path that cannot be written and RunError for a chunk that does not fit the ones before.

        with TableWriter(Path("out.parquet")) as out:
            out.write(chunk)

    Args:
        path: where to write; `-` is standard output, which gets the rows as they come.
        format: of standard output, an ending without its dot.
        dialect: delimiter and encoding of a text format; None is the usual one.
    """

    def __init__(self, path: Path, *, format: str = "csv", dialect: Dialect | None = None) -> None:
        """Refuse a path that `check_ending` refuses; nothing is written before `with`."""
        check_ending(path, format)
        self.path, self._name = path, "standard output" if path == STANDARD else str(path)
        self._format = FORMATS[format_of(path, format)]
        self._dialect = dialect or self._format.dialect
        self._started = False

    def __enter__(self) -> Self:
        """Open a file beside the target."""
        self._stack = ExitStack()
        try:
            file = self._stack.enter_context(
                _standard_output() if self.path == STANDARD else part_file(self.path, follow_link=True)
            )
        except OSError as error:
            raise InputError(f"cannot be written: {reason(error)}", path=self.path) from error
        if is_gzip(self.path):  # without name and time: the same rows are the same bytes
            packed = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
            file = self._stack.enter_context(cast("IO[bytes]", packed))
        assert self._format.writer is not None
        self._writer = self._format.writer(file, self._dialect)
        return self

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        self._started = True
        if (name := _repeated(chunk.column_names)) is not None:
            raise RunError(f"{self._name}: more than one column is named {name!r}")
        with self._faults_told():
            self._writer.write(chunk)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Move the file to the target, or remove it if there was an error."""
        if kind is not None:
            self._give_up(error)
            return
        try:
            if not self._started:
                raise RunError(f"{self._name}: not written, there was no table to write")
            with self._faults_told():
                self._writer.close()
        except BaseException as failure:
            self._give_up(failure)
            raise
        with self._faults_told():
            self._stack.close()

    def _give_up(self, error: BaseException | None) -> None:
        with suppress(Exception):  # the first error says more
            if self._started:
                self._writer.close()
        with suppress(Exception):
            self._stack.__exit__(None if error is None else type(error), error, None)

    @contextmanager
    def _faults_told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # the reader of standard output has closed it
            raise
        except (OSError, RunError, pa.ArrowException) as error:
            raise RunError(f"{self._name}: cannot be written: {reason(error)}") from error


def writer_like(target: Path, source: Path, log: ReadLog, *, format: str = "csv") -> TableWriter:
    """Return a writer of rows of another table, with its delimiter and encoding where both have one format.

    Args:
        target: where to write.
        source: the other table.
        log: of reading it, from its first chunk on.
        format: of standard input and output.
    """
    same_format = not source.is_dir() and format_of(source, format) == format_of(target, format)
    return TableWriter(target, format=format, dialect=log.dialect if same_format else None)


def refuse_columns(chunk: pa.Table, names: Sequence[str], path: Path, what: str) -> None:
    """Raise `InputError` if a table has a column already that is to be added to it."""
    if (name := next((name for name in names if name in chunk.column_names), None)) is not None:
        raise InputError(f"is a column of {what} already: rename or remove it", path=path, column=name)


@contextmanager
def _standard_output() -> Iterator[IO[bytes]]:
    if sys.stdout is None:
        raise OSError("it is closed")
    sys.stdout.flush()
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def _repeated(names: list[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)
