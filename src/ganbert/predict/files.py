"""A table to the same table with predictions: each chunk is read, classified and written before the next is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ganbert.data.cells import text_columns
from ganbert.data.formats.base import ReadLog
from ganbert.data.rows import TableOptions
from ganbert.data.tables import check_table_output, is_text_format, refuse_columns, writer_like
from ganbert.model.tokenizers import TextCounts
from ganbert.predict.predictor import Predictions, Predictor

PREDICTION_COLUMNS = ("predicted_label", "confidence", "novelty")
DECIMALS = 4
"""Decimals of a probability in text formats; Parquet has it in full."""


@dataclass(frozen=True)
class FileCounts:
    """What `predict_file` did with a table.

    Attributes:
        n: rows written.
        n_skipped: rows left out because they had no text.
        n_blank: blank lines, which were ignored.
        texts: how many texts were cut, and how many consist mostly of tokens that the encoder does not know.
        notes: all this in words, one note a line.
    """

    n: int
    n_skipped: int
    n_blank: int
    texts: TextCounts
    notes: tuple[str, ...]


def predict_file(
    predictor: Predictor,
    source: Path,
    target: Path,
    options: TableOptions,
    on_rows: Callable[[int], None] = lambda n: None,
    *,
    probabilities: bool = False,
    overwrite: bool = False,
) -> FileCounts:
    """Write a table with the columns `predicted_label`, `confidence` and `novelty` after its own columns.

    If source and target have the same format, the target has the delimiter, encoding and byte order mark of the source.

    Args:
        predictor: the model.
        source: a table with the text column, for a model of pairs with both; all its columns are kept. `-` is standard
            input.
        target: a table, in the format of its ending; it appears when all rows are done. `-` is standard output.
        options: columns, encoding and delimiter of `source`, and the format of standard input and output.
        on_rows: called with the number of rows of each chunk when it is done.
        probabilities: also write a column `probability_<label>` for each class.
        overwrite: replace `target` if it exists.

    Raises:
        InputError: `source` cannot be read, it has a column of one of the new names, or `target` must not be written.
        RunError: writing `target` failed, for example because the disk is full.
    """
    format = options.format
    check_table_output(target, inputs=[source], overwrite=overwrite, format=format)
    names = [*PREDICTION_COLUMNS, *(f"probability_{label}" for label in predictor.label_names if probabilities)]
    log, first_row, texts_seen = ReadLog(), 1, TextCounts()
    chunks = options.chunks(source, log)
    first = next(chunks)  # the log knows the dialect then
    decimals = DECIMALS if is_text_format(target, format) else None
    with writer_like(target, source, log, format=format) as out:
        for chunk in chain([first], chunks):
            refuse_columns(chunk, names, source, "predictions")
            texts = text_columns(chunk, options, source, first_row)
            keep = pc.not_equal(texts["text"], "")
            kept = chunk.filter(keep)
            columns = {name: column.filter(keep).to_pylist() for name, column in texts.items()}
            predictions = predictor.predict(columns["text"], columns.get("text_pair"))
            for name, column in zip(names, _columns(predictions, probabilities, decimals), strict=True):
                kept = kept.append_column(name, column)
            out.write(kept)
            first_row, texts_seen = first_row + len(chunk), texts_seen + predictions.counts
            on_rows(len(chunk))
    notes = (*(f"{source}: {note}" for note in log.notes), *texts_seen.notes(predictor.max_length))
    return FileCounts(texts_seen.n, first_row - 1 - texts_seen.n, log.n_blank, texts_seen, notes)


def _columns(predictions: Predictions, probabilities: bool, decimals: int | None) -> Iterator[pa.Array]:
    """Yield the new columns."""

    def numbers(values: NDArray[np.float32]) -> pa.Array:
        return pa.array(values if decimals is None else np.round(values.astype(np.float64), decimals))

    yield pa.array(predictions.labels, pa.string())
    yield numbers(predictions.confidence)
    novelty = predictions.novelty
    yield pa.nulls(len(predictions.labels), pa.float32()) if novelty is None else numbers(novelty)
    if probabilities:
        yield from map(numbers, predictions.probabilities.T)
