"""predict_file: a chunk at a time, whatever the size of the table."""

from __future__ import annotations

import io
import sys
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
from ganbert.model.tokenizers import TextCounts
from ganbert.predict.files import FileCounts, predict_file
from ganbert.predict.predictor import Predictions, Predictor


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
    np.testing.assert_array_equal(rows["novelty"], lengths / 1000)


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


def lines(path: Path, encoding: str = "utf-8") -> list[str]:
    return path.read_bytes().decode(encoding).splitlines()


def test_the_output_looks_like_the_input(tmp_path: Path) -> None:
    given = {
        "semicolon.csv": ("\ufefftext;id\nä, b;1\n", "utf-8"),
        "unicode.txt": ("\ufefftext\tid\nä, b\t1\n", "utf-16-le"),
        "unicode.csv": ("\ufefftext\tid\nä, b\t1\n", "utf-16-be"),
        "plain.tsv": ("text\tid\nä, b\t1\n", "utf-8"),
    }
    for name, (content, encoding) in given.items():
        (tmp_path / name).write_bytes(content.encode(encoding))
        predict_file(LengthPredictor(), tmp_path / name, tmp_path / f"out-{name}", TableOptions())
        header, row = lines(tmp_path / f"out-{name}", encoding)
        delimiter = ";" if name == "semicolon.csv" else "\t"
        assert header == content.splitlines()[0] + f"{delimiter}predicted_label{delimiter}confidence{delimiter}novelty"
        assert row == content.splitlines()[1] + f"{delimiter}even{delimiter}1.0{delimiter}0.004"
    predict_file(LengthPredictor(), tmp_path / "unicode.csv", tmp_path / "out.tsv", TableOptions())
    assert lines(tmp_path / "out.tsv")[1] == "ä, b\t1\teven\t1.0\t0.004"


class ThirdPredictor(LengthPredictor):
    """Is sure of nothing."""

    def predict(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Predictions:
        third = np.full(len(texts), 1 / 3, dtype=np.float32)
        return Predictions(np.stack([third, 1 - third], axis=1), third, self.label_names)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "xlsx", "parquet"])
def test_probabilities_of_all_classes(tmp_path: Path, ending: str) -> None:
    (tmp_path / "in.csv").write_text("text\nx\n")

    predict_file(ThirdPredictor(), tmp_path / "in.csv", tmp_path / f"out.{ending}", TableOptions(), probabilities=True)

    (row,) = [row for chunk in read_chunks(tmp_path / f"out.{ending}") for row in chunk.to_pylist()]
    assert list(row) == ["text", "predicted_label", "confidence", "novelty", "probability_even", "probability_odd"]
    third, rest = (np.float32(1 / 3), 1 - np.float32(1 / 3)) if ending == "parquet" else (0.3333, 0.6667)
    found = [float(row[name]) for name in ("confidence", "novelty", "probability_even", "probability_odd")]
    assert found == [rest, third, third, rest]


def test_a_column_of_that_name_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,probability_odd\nx,1\n")
    source, target, predictor = tmp_path / "in.csv", tmp_path / "out.csv", LengthPredictor()

    with pytest.raises(InputError, match=r"in\.csv, column 'probability_odd': is a column of predictions already"):
        predict_file(predictor, source, target, TableOptions(), probabilities=True)

    assert predictor.calls == []
    assert predict_file(predictor, source, target, TableOptions()).n == 1


def test_neither_the_input_nor_another_file_is_lost(tmp_path: Path) -> None:
    source, target = write(tmp_path / "in.csv", 3), tmp_path / "out.csv"
    (tmp_path / "link.csv").symlink_to(source)
    before, predictor = source.read_bytes(), LengthPredictor()

    for same in (source, tmp_path / "link.csv"):
        with pytest.raises(InputError, match="is the input too"):
            predict_file(predictor, source, same, TableOptions(), overwrite=True)
    target.write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        predict_file(predictor, source, target, TableOptions())

    assert predictor.calls == []
    assert (source.read_bytes(), target.read_text()) == (before, "precious")
    predict_file(predictor, source, target, TableOptions(), overwrite=True)
    assert len(lines(target)) == 4


def test_what_was_left_out_is_counted_and_said(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text('text;id;\nx;1;\n\n"";2;\n \nxx;3;more\n')

    counts = predict_file(LengthPredictor(), source, tmp_path / "out.csv", TableOptions(skip_empty=True))

    assert (counts.n, counts.n_skipped, counts.n_blank) == (2, 1, 2)
    assert counts.notes == (
        f"{source}: fields are separated by ';' (--delimiter names another)",
        f"{source}: 1 row has text in columns without a name (the first is row 3): it is left out; "
        "name these columns in the header to keep it",
    )
    assert (
        predict_file(LengthPredictor(), source, tmp_path / "b.csv", TableOptions(delimiter=";", skip_empty=True)).notes
        == counts.notes[1:]
    )


def test_from_standard_input_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "x"}\n{"text": "xx"}\n')))

    counts = predict_file(LengthPredictor(), Path("-"), Path("-"), TableOptions(format="jsonl"))

    assert counts == FileCounts(2, 0, 0, TextCounts(2), ())
    assert capfdbinary.readouterr().out == (
        b'{"text": "x", "predicted_label": "odd", "confidence": 1.0, "novelty": 0.001}\n'
        b'{"text": "xx", "predicted_label": "even", "confidence": 1.0, "novelty": 0.002}\n'
    )
