"""predict_file: a chunk at a time, whatever the size of the table."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ganbert.data.rows import TableOptions
from ganbert.data.tables import read_chunks
from ganbert.errors import InputError
from ganbert.inference.files import FileCounts, predict_file
from ganbert.inference.predictor import Predictions, Predictor
from ganbert.limits import TextCounts


class LengthPredictor(Predictor):
    """Says of each text how long it is, so that a row out of place is seen."""

    max_length = None

    def __init__(self) -> None:
        self.label_names = ("even", "odd")
        self.calls: list[int] = []

    def predict(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Predictions:
        self.calls.append(len(texts))
        odd = np.array([len(text) % 2 for text in texts], dtype=np.float32)
        novelty = np.array([len(text) / 1000 for text in texts], dtype=np.float32)
        return Predictions(np.stack([1 - odd, odd], axis=1), novelty, self.label_names)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganbert.data.rows.read_chunks", partial(read_chunks, chunk_rows=100))


def write(path: Path, n: int) -> Path:
    lines = (f"{i},{'x' * (1 + i * 37 % 200)}\n" for i in range(n))
    path.write_text("id,text\n" + "".join(lines), encoding="utf-8")
    return path


@pytest.mark.usefixtures("small_chunks")
def test_chunks_are_classified_one_by_one_and_joined_in_order(tmp_path: Path) -> None:
    source, predictor, told = write(tmp_path / "in.csv", 250), LengthPredictor(), list[int]()

    counts = predict_file(predictor, source, tmp_path / "out.csv", TableOptions(), on_rows=told.append)

    assert counts == FileCounts(250, 0, 0, TextCounts(250), ())
    assert predictor.calls == told == [100, 100, 50]
    rows = pd.read_csv(tmp_path / "out.csv")
    assert list(rows["id"]) == list(range(250))
    lengths = rows["text"].str.len()
    assert list(rows["predicted_label"]) == ["odd" if n % 2 else "even" for n in lengths]
    np.testing.assert_allclose(rows["novelty"], lengths / 1000, rtol=1e-6)


@pytest.mark.usefixtures("small_chunks")
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    def peaks(n: int) -> tuple[int, int]:
        """Return the highest number of bytes held by Python, and by Arrow after a chunk."""
        source, arrow = write(tmp_path / f"{n}.csv", n), list[int]()
        tracemalloc.start()
        predict_file(
            LengthPredictor(),
            source,
            tmp_path / f"out-{n}.jsonl",
            TableOptions(),
            on_rows=lambda _: arrow.append(pa.total_allocated_bytes()),
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak, max(arrow) - arrow[0]

    peaks(200)  # what is made once, such as caches of imports
    few, many = peaks(2_000), peaks(20_000)

    assert many[0] < 1.3 * few[0]
    assert many[1] < few[1] + 100_000  # bytes; 20,000 rows are 2,000,000


@pytest.mark.usefixtures("small_chunks")
def test_rows_without_text_are_left_out_and_counted_in_every_chunk(tmp_path: Path) -> None:
    texts = ["" if i % 60 == 59 else "x" * (i % 7 + 1) for i in range(250)]
    pd.DataFrame({"text": texts, "id": range(250)}).to_parquet(tmp_path / "in.parquet")

    counts = predict_file(
        LengthPredictor(), tmp_path / "in.parquet", tmp_path / "out.parquet", TableOptions(skip_empty=True)
    )

    assert counts == FileCounts(246, 4, 0, TextCounts(246), ())
    rows = pd.read_parquet(tmp_path / "out.parquet")
    assert list(rows["id"]) == [i for i in range(250) if i % 60 != 59]
    assert rows["id"].dtype == np.int64
    assert list(rows["predicted_label"]) == ["odd" if len(t) % 2 else "even" for t in texts if t]


@pytest.mark.usefixtures("small_chunks")
def test_the_row_of_an_error_is_counted_from_the_start_of_the_table(tmp_path: Path) -> None:
    texts = ["x"] * 250
    texts[230] = ""
    pd.DataFrame({"text": texts}).to_json(tmp_path / "in.jsonl", orient="records", lines=True)

    with pytest.raises(InputError, match=r"in\.jsonl, row 231, column 'text': empty text"):
        predict_file(LengthPredictor(), tmp_path / "in.jsonl", tmp_path / "out.csv", TableOptions())

    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_fault_of_the_predictor_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: LengthPredictor, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Predictions:
        raise MemoryError

    monkeypatch.setattr(LengthPredictor, "predict", fail)
    source = write(tmp_path / "in.csv", 10)

    with pytest.raises(MemoryError):
        predict_file(LengthPredictor(), source, tmp_path / "out.csv", TableOptions())

    assert list(tmp_path.iterdir()) == [source]
