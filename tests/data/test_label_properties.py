"""The same labels give the same classes in every format, type, spelling and chunk."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganbert.data import rows as rows_module
from ganbert.data.rows import TableOptions, TableUse, read_rows
from ganbert.data.tables import read_chunks

check = settings(
    deadline=None, max_examples=40, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
Labels = list[str | None]
INTEGERS = st.integers(-3, 3) | st.integers(-(2**70), 2**70) | st.sampled_from([2**53, 2**53 + 1, 2**63, 10**16])
WORDS = st.sampled_from(["ham", "Ham", "007", "1.10", "1.5", "1e3", "nan", "café", "cafe\u0301", '["a"]', "a,b"])
TRUTH = st.booleans()
CHUNK_ROWS = st.integers(1, 5)


def table(folder: str, name: str, labels: Sequence[Any]) -> Path:
    """A table of these cells in the format of its name; a text format writes them by `str`."""
    path = Path(folder) / name
    texts = [f"t{i}" for i in range(len(labels))]
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts, "label": labels}), path)
    elif path.suffix == ".jsonl":
        lines = (json.dumps({"text": t, "label": label}) for t, label in zip(texts, labels, strict=True))
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        cells = ["" if label is None else str(label) for label in labels]
        if path.suffix == ".csv":
            cells = [f'"{cell.replace(chr(34), 2 * chr(34))}"' for cell in cells]
        separator = "," if path.suffix == ".csv" else "\t"
        rows = [("text", "label"), *zip(texts, cells, strict=True)]
        path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path, chunk_rows: int) -> Labels:
    with patch.object(rows_module, "read_chunks", partial(read_chunks, chunk_rows=chunk_rows)):
        rows = read_rows([TableUse(path, "optional")], TableOptions(), path.parent / "rows.arrow")
        return list(rows.with_labels()["label"][:])


def as_written(number: int) -> st.SearchStrategy[Any]:
    """A whole number as JSON may hold it, in any type and spelling."""
    ways: list[Any] = [number, str(number), f" {number} ", f"{number}.0", f"{number}.000", [str(number)]]
    return st.sampled_from(ways + [float(number)] * (int(float(number)) == number))


@check
@given(st.data(), CHUNK_ROWS)
def test_whole_numbers(data: st.DataObject, chunk_rows: int) -> None:
    numbers = data.draw(st.lists(INTEGERS | st.none(), min_size=1, max_size=8))
    expected = [None if number is None else str(number) for number in numbers]
    exact = all(number is None or int(float(number)) == number for number in numbers)
    small = all(number is None or abs(number) <= 3 for number in numbers)
    with tempfile.TemporaryDirectory() as folder:
        ways = [table(folder, "a.csv", numbers), table(folder, "a.tsv", numbers), table(folder, "a.jsonl", numbers)]
        spelled = [None if number is None else data.draw(as_written(number)) for number in numbers]
        ways.append(table(folder, "b.jsonl", spelled))
        texts = [spelling for spelling in spelled if not isinstance(spelling, list)]
        if len(texts) == len(numbers):
            ways += [table(folder, "b.csv", texts), table(folder, "b.tsv", texts)]
        ways.append(table(folder, "c.parquet", [None if n is None else Decimal(n) for n in numbers]))
        ways.append(table(folder, "d.parquet", pa.array(expected, pa.large_string())))
        if all(number is None or -(2**63) <= number < 2**63 for number in numbers):
            ways.append(table(folder, "e.parquet", pa.array(numbers, pa.int64())))
        if exact:
            floats = [None if number is None else float(number) for number in numbers]
            ways += [table(folder, name, floats) for name in ("f.csv", "f.tsv", "f.jsonl")]
            ways.append(table(folder, "f.parquet", pa.array(floats, pa.float64())))
        if small:
            for kind in (pa.int8(), pa.float16(), pa.float32(), pa.decimal128(30, 3)):
                ways.append(table(folder, f"{len(ways)}.parquet", pa.array(numbers, pa.int64()).cast(kind)))
        for path in ways:
            assert read(path, chunk_rows) == expected, path.read_bytes()


@check
@given(st.lists(TRUTH | st.none(), min_size=1, max_size=8), CHUNK_ROWS)
def test_truth_values(values: list[bool | None], chunk_rows: int) -> None:
    expected = [None if value is None else str(value).lower() for value in values]
    spelled = [v if i % 3 == 0 or v is None else str(v) if i % 3 == 1 else str(v).upper() for i, v in enumerate(values)]
    with tempfile.TemporaryDirectory() as folder:
        for i, cells in enumerate([list[Any](values), spelled, expected]):
            for ending in ("csv", "tsv", "jsonl"):
                assert read(table(folder, f"{i}.{ending}", cells), chunk_rows) == expected
        assert read(table(folder, "a.parquet", pa.array(values, pa.bool_())), chunk_rows) == expected


@check
@given(st.lists(WORDS | st.none(), min_size=1, max_size=8), st.sets(st.integers(0, 7)), CHUNK_ROWS)
def test_words(words: Labels, in_lists: set[int], chunk_rows: int) -> None:
    listed = [[word] if i in in_lists and word is not None else word for i, word in enumerate(words)]
    with tempfile.TemporaryDirectory() as folder:
        ways = [table(folder, f"a.{ending}", words) for ending in ("csv", "tsv", "jsonl")]
        ways.append(table(folder, "b.jsonl", listed))
        ways.append(table(folder, "a.parquet", pa.array(words, pa.string())))
        ways.append(table(folder, "b.parquet", pa.array(words, pa.string()).dictionary_encode()))
        ways.append(table(folder, "c.parquet", [None if word is None else [word] for word in words]))
        for path in ways:
            assert read(path, chunk_rows) == words, path.read_bytes()


@check
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=8))
def test_numbers_of_any_size(numbers: list[float]) -> None:
    singles = pa.array(numbers, pa.float32())
    shortest = [str(number) for number in singles.to_numpy()]
    doubles = [float(text) for text in shortest]
    with tempfile.TemporaryDirectory() as folder:
        labels = read(table(folder, "a.csv", shortest), 3)
        assert [float(label or "nan") for label in labels] == doubles
        assert read(table(folder, "a.tsv", shortest), 3) == read(table(folder, "a.jsonl", doubles), 3) == labels
        assert read(table(folder, "a.parquet", singles), 3) == read(table(folder, "b.parquet", doubles), 3) == labels
