"""Suggestions as a table: the chosen rows of the pool with all their columns, to be labelled in any program."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from ganbert.data.formats.base import ReadLog
from ganbert.data.rows import TableOptions
from ganbert.data.tables import check_table_output, is_text_format, refuse_columns, writer_like
from ganbert.select.suggest import Suggestions

SUGGESTION_COLUMNS = ("reason", "guess", "confidence")
DECIMALS = 4
"""Decimals of a probability in text formats; Parquet has it in full."""


def write_suggestions(
    suggestions: Suggestions, source: Path, target: Path, options: TableOptions, *, overwrite: bool = False
) -> None:
    """Write the suggested rows, the most telling first.

    They have the columns of the pool, an empty column of labels if it has none, and `reason`, `guess` and `confidence`.

    Args:
        suggestions: from the one table `source`.
        source: the pool.
        target: a table, in the format of its ending; it appears when it is complete. `-` is standard output.
        options: how the pool was read, and the format of standard output.
        overwrite: replace `target` if it exists.

    Raises:
        InputError: the pool has a column of one of the new names, or `target` must not be written.
        RunError: writing failed, for example because the disk is full.
    """
    check_table_output(target, inputs=[source], overwrite=overwrite, format=options.format)
    wanted = np.array([row.position for row in suggestions.rows], dtype=np.int64)
    log, parts, first = ReadLog(), list[pa.Table](), 0
    chunks = options.chunks(source, log)
    begin = next(chunks)  # the log knows the dialect then
    for chunk in chain([begin], chunks):
        refuse_columns(chunk, SUGGESTION_COLUMNS, source, "suggestions")
        inside = np.sort(wanted[(wanted >= first) & (wanted < first + len(chunk))])
        parts.append(chunk.take(inside - first))
        first += len(chunk)
    rows = _joined(parts).take(wanted.argsort().argsort())
    if options.label_column not in rows.column_names:
        rows = rows.append_column(options.label_column, pa.nulls(len(rows), pa.string()))
    confidence = [row.confidence for row in suggestions.rows]
    if is_text_format(target, options.format):
        confidence = [None if value is None else round(value, DECIMALS) for value in confidence]
    rows = rows.append_column("reason", pa.array([row.reason for row in suggestions.rows], pa.string()))
    rows = rows.append_column("guess", pa.array([row.guess for row in suggestions.rows], pa.string()))
    rows = rows.append_column("confidence", pa.array(confidence, pa.float64()))
    with writer_like(target, source, log, format=options.format) as out:
        out.write(rows)


def _joined(parts: list[pa.Table]) -> pa.Table:
    """Return chunks of a table as one; a JSON column may have numbers here and text there, and is text then."""
    kinds: dict[str, set[pa.DataType]] = {}
    for field in (field for part in parts for field in part.schema):
        kinds.setdefault(field.name, set()).add(field.type)
    mixed = {name for name, found in kinds.items() if pa.string() in found and len(found - {pa.null()}) > 1}
    alike = [
        pa.table({name: part[name].cast(pa.string()) if name in mixed else part[name] for name in part.column_names})
        for part in parts
    ]
    return pa.concat_tables(alike, promote_options="permissive")
