"""Tables whose columns have types of their own: Parquet, folders of the datasets library, and tables in memory."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ganbert.data.formats import STANDARD, Dialect
from ganbert.data.formats.base import Source, is_gzip, reason, with_columns
from ganbert.data.formats.json_tables import table_of_objects
from ganbert.errors import RunError


def read_parquet(source: Source) -> Iterator[pa.Table]:
    """Yield a Parquet file in chunks, with its types."""
    with source.open() as given, tempfile.TemporaryFile() as whole:
        from_start = is_gzip(source.path) or source.path == STANDARD  # Parquet is read from its end
        if from_start:
            shutil.copyfileobj(given, whole)
        file = pq.ParquetFile(whole if from_start else given)
        source.check_width(len(file.schema_arrow))
        empty = True
        for batch in file.iter_batches(source.chunk_rows):
            batch.validate(full=True)  # text that is not UTF-8 would otherwise fail far from here
            yield pa.Table.from_batches([batch])
            empty = False
        if empty:
            yield file.schema_arrow.empty_table()


def read_dataset(source: Source) -> Iterator[pa.Table]:
    """Yield a folder of `datasets.Dataset.save_to_disk` in chunks; class labels come out as their names."""
    splits = sorted(entry.parent.name for entry in source.path.glob("*/state.json"))
    if (source.path / "dataset_dict.json").exists():
        raise source.error(f"holds the splits {', '.join(splits)}; give one of them, as {source.path / 'SPLIT'}")
    if not (source.path / "state.json").exists():
        raise source.error("a folder, but not one made by datasets.Dataset.save_to_disk")
    from datasets import load_from_disk  # slow to import, and only folders need it

    try:
        yield from _dataset_chunks(load_from_disk(str(source.path)), source.chunk_rows)
    except Exception as error:  # a damaged folder makes `datasets` raise nearly anything
        raise source.error(f"does not load as a datasets folder: {reason(error)}") from error


def read_memory(table: Any, source: Source) -> Iterator[pa.Table]:
    """Yield a table in memory in chunks: of datasets, pandas, polars or pyarrow, or another that exports Arrow data."""
    if _is(table, "datasets", "Dataset"):
        yield from _dataset_chunks(table, source.chunk_rows)
    elif _is(table, "pandas", "DataFrame"):
        for start in range(0, max(1, len(table)), source.chunk_rows):
            yield _pandas_chunk(source, table.iloc[start : start + source.chunk_rows])
    elif hasattr(table, "__arrow_c_stream__"):
        empty, reader = True, pa.RecordBatchReader.from_stream(table)
        for batch in reader:
            batch.validate(full=True)
            for start in range(0, len(batch), source.chunk_rows):
                yield pa.Table.from_batches([batch.slice(start, source.chunk_rows)])
                empty = False
        if empty:
            yield reader.schema.empty_table()
    elif isinstance(table, dict) and all(_is(part, "datasets", "Dataset") for part in table.values()):
        raise source.error(f"holds the splits {', '.join(map(repr, table))}: give one of them, as splits['train']")
    else:
        raise source.error(f"is {type(table).__name__}: give a path, or a table of pandas, polars, pyarrow or datasets")


def _is(table: Any, library: str, kind: str) -> bool:
    """Whether a table is of this class; a library that nobody has imported has made no table."""
    return library in sys.modules and isinstance(table, getattr(sys.modules[library], kind))


def _pandas_chunk(source: Source, part: Any) -> pa.Table:
    try:
        return pa.Table.from_pandas(part, preserve_index=False)
    except (pa.ArrowException, TypeError, OverflowError):  # mixed, sparse or huge values: as JSON holds them
        objects = part.astype(object).where(part.notna(), None).rename(columns=str)
        return table_of_objects(source, objects.to_dict("records"), objects.columns)


def _dataset_chunks(dataset: Any, chunk_rows: int) -> Iterator[pa.Table]:
    """Yield a `datasets.Dataset` in chunks; class labels come out as their names."""
    from datasets import ClassLabel

    arrow = dataset.with_format("arrow")
    for chunk in arrow.iter(chunk_rows) if len(arrow) else [arrow[:]]:
        chunk.validate(full=True)
        for position, (name, feature) in enumerate(dataset.features.items()):
            if isinstance(feature, ClassLabel):
                chunk = chunk.set_column(position, name, _class_names(chunk[name], feature.names))
        yield chunk


def _class_names(codes: pa.ChunkedArray, names: list[str]) -> pa.ChunkedArray:
    unlabelled = pc.equal(codes, -1)
    return pc.take(pa.array(names, pa.string()), pc.if_else(unlabelled, pa.scalar(None, codes.type), codes))


class ParquetWriter:
    """Parquet, with the columns and types of the first chunk."""

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        self._file = file
        self._writer: Any = None

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""
        if self._writer is None:  # a column without any value yet is most likely one of strings
            fields = [
                (field.name, pa.string() if pa.types.is_null(field.type) else field.type) for field in chunk.schema
            ]
            self._writer = pq.ParquetWriter(self._file, pa.schema(fields))
        schema = self._writer.schema
        columns = with_columns(chunk, schema.names).columns
        self._writer.write_table(pa.table(list(map(_cast, columns, schema)), schema=schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        return column if column.type == field.type else column.cast(field.type)
    except pa.ArrowException as error:
        raise RunError(
            f"column {field.name!r} began as {field.type} and cannot go on as {column.type}: {reason(error)}; "
            "a .jsonl file could hold both"
        ) from error
