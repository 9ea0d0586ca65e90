"""What every writer of tables is: chunks of rows to the bytes of one table."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from ganbert.errors import RunError


class Writer(Protocol):
    """What `TableWriter` needs of a format."""

    def write(self, chunk: pa.Table) -> None:
        """Append the rows of `chunk`."""

    def close(self) -> None:
        """Write what a file of this format ends with."""


def with_columns(chunk: pa.Table, names: list[str]) -> pa.Table:
    """Return the chunk with exactly these columns, null where it lacks one.

    Raises:
        RunError: it has others.
    """
    if new := [name for name in chunk.column_names if name not in names]:
        raise RunError(f"column {new[0]!r} turns up after the first chunk, and only a .jsonl file can take it then")
    nulls = pa.nulls(len(chunk))
    return pa.table([chunk[name] if name in chunk.column_names else nulls for name in names], names=names)
