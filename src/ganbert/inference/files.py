"""Predictions for a table, streamed: a chunk is read, classified and written before the next one is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ganbert.data.rows import TableOptions, text_columns
from ganbert.data.tables import TableWriter, check_ending, read_chunks
from ganbert.errors import InputError
from ganbert.inference.predictor import Predictor

PREDICTION_COLUMNS = ("predicted_label", "confidence", "novelty")


@dataclass(frozen=True)
class FileCounts:
    """Rows written, and rows left out because they held no text."""

    n: int
    n_skipped: int


def predict_file(
    predictor: Predictor,
    source: Path,
    target: Path,
    options: TableOptions,
    on_rows: Callable[[int], None] = lambda n: None,
) -> FileCounts:
    """Write `source` with `predicted_label`, `confidence` and `novelty` behind its own columns.

    Args:
        predictor: the model.
        source: a table with the text column, perhaps a second one; all other columns are carried along.
        target: a table, in the format of its ending; it appears when all rows are done.
        options: columns and encoding of `source`.
        on_rows: told the number of rows of each chunk when it is done.

    Raises:
        InputError: `source` cannot be read, or its columns clash with the new ones.
    """
    check_ending(target)
    first_row, n_written = 1, 0
    with TableWriter(target) as out:
        for chunk in read_chunks(source, encoding=options.encoding):
            for name in PREDICTION_COLUMNS:
                if name in chunk.column_names:
                    raise InputError(
                        "is a column of predictions already: rename or remove it", path=source, column=name
                    )
            texts = text_columns(chunk, options, source, first_row)
            keep = pc.not_equal(texts["text"], "")
            kept = chunk.filter(keep)
            columns = {name: column.filter(keep).to_pylist() for name, column in texts.items()}
            predictions = predictor.predict(columns["text"], columns.get("text_pair"))
            kept = kept.append_column("predicted_label", pa.array(predictions.labels, pa.string()))
            kept = kept.append_column("confidence", pa.array(predictions.confidence))
            novelty = (
                pa.nulls(len(kept), pa.float32()) if predictions.novelty is None else pa.array(predictions.novelty)
            )
            out.write(kept.append_column("novelty", novelty))
            first_row, n_written = first_row + len(chunk), n_written + len(kept)
            on_rows(len(chunk))
    return FileCounts(n_written, first_row - 1 - n_written)
