"""Any file reads as pandas reads it or is refused with InputError, and what is written reads back equal."""

from __future__ import annotations

import gzip
import io
import json
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganbert.data.formats import Dialect
from ganbert.data.formats.base import ReadLog
from ganbert.data.tables import TableWriter, read_chunks
from ganbert.errors import InputError, RunError

DELIMITED = [".csv", ".tsv"]
ENDINGS = [".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet", ".xlsx"]
# after a blank line that ends in a lone \r, pandas takes the delimiter that begins the next line for nothing
PANDAS_LOSES_A_CELL = re.compile(rb"(^|\xef\xbb\xbf|[\r\n])[ \t]*\r[,;|\t]")
# as long as the delimiter is not known a line of tabs is blank, and afterwards it may turn out to be a tab
TABS_FIRST = re.compile(rb"(\xef\xbb\xbf)?[ \r\n]*\t[ \t]*[\r\n]")
check = settings(
    deadline=None, max_examples=200, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)

# pieces that matter to a parser, and any other text
PIECES = st.sampled_from(
    ['"', '""', ",", "\t", "\n", "\r", "\r\n", " ", "a", "b", "NA", "1", "\x00", "\ufeff", "ä", "日"]
)
TEXT = st.lists(PIECES | st.text(max_size=3), max_size=5).map("".join)
MESS = st.lists(PIECES, max_size=30).map("".join)
CHUNK_ROWS = st.integers(1, 4)


@st.composite
def string_tables(draw: st.DrawFn) -> pa.Table:
    names = draw(st.lists(TEXT, min_size=1, max_size=3, unique=True))
    rows = draw(st.lists(st.tuples(*[TEXT] * len(names)), max_size=6))
    return pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)})


JSON_COLUMNS = st.sampled_from(
    [
        TEXT,
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.lists(st.integers(-9, 9), max_size=2),
        st.fixed_dictionaries({"k": TEXT, "v": st.booleans() | st.none()}),
    ]
)


@st.composite
def typed_tables(draw: st.DrawFn) -> pa.Table:
    names = draw(st.lists(TEXT, min_size=1, max_size=3, unique=True))
    size = draw(st.integers(1, 6))
    columns = [draw(st.lists(draw(JSON_COLUMNS) | st.none(), min_size=size, max_size=size)) for _ in names]
    return pa.table({name: pa.array(column) for name, column in zip(names, columns, strict=True)})


def read(ending: str, content: bytes, chunk_rows: int = 3, log: ReadLog | None = None) -> list[pa.Table] | None:
    """The chunks, all of them sound, or None for InputError; any other exception fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        path.write_bytes(content)
        try:
            chunks = list(read_chunks(path, chunk_rows=chunk_rows, log=log))
        except InputError as error:
            assert "\n" not in str(error).removeprefix(str(path))  # noqa: PT017
            return None
    for chunk in chunks:
        chunk.validate(full=True)
        assert len(chunk.to_pylist()) == len(chunk) <= chunk_rows
    assert chunks
    return chunks


def written(ending: str, table: pa.Table, chunk_rows: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        with TableWriter(path) as out:
            for start in range(0, max(len(table), 1), chunk_rows):
                out.write(table.slice(start, chunk_rows))
        return path.read_bytes()


def by_pandas(content: bytes, dialect: Dialect, quoting: Literal[0, 3]) -> tuple[list[str], list[list[str]]]:
    frame = pd.read_csv(
        io.BytesIO(content),
        sep=dialect.delimiter,
        encoding=dialect.encoding,
        quoting=quoting,  # 0: in quotes where needed; 3: no quoting
        dtype=str,
        keep_default_na=False,
        index_col=False,
    )
    columns = ["" if name == f"Unnamed: {i}" else name for i, name in enumerate(frame.columns)]
    return columns, frame.to_numpy().tolist()


def assert_as_pandas_or_refused(ending: str, content: bytes, chunk_rows: int) -> None:
    log = ReadLog()
    chunks = read(ending, content, chunk_rows, log)
    if chunks is None or PANDAS_LOSES_A_CELL.search(content) or (ending == ".csv" and TABS_FIRST.match(content)):
        return
    columns, rows = by_pandas(content, log.dialect, 3 if ending == ".tsv" else 0)
    ours = pa.concat_tables(chunks)
    n = ours.num_columns
    assert ["" if name == f"Unnamed: {i}" else name for i, name in enumerate(ours.column_names)] == columns[:n]
    assert [list(row.values()) for row in ours.to_pylist()] == [row[:n] for row in rows]
    # columns without a name (pandas numbers blank ones) are left out, and that is said
    assert all(re.fullmatch(r"\s*(\.\d+)?", name) for name in columns[n:])
    assert bool(any(cell.strip() for row in rows for cell in row[n:])) == ("without a name" in str(log.notes))


# The reader


@pytest.mark.parametrize("ending", DELIMITED)
@check
@given(MESS, CHUNK_ROWS)
def test_any_text_reads_as_pandas_reads_it_or_is_refused(ending: str, text: str, chunk_rows: int) -> None:
    assert_as_pandas_or_refused(ending, text.encode(), chunk_rows)


@pytest.mark.parametrize("ending", DELIMITED)
@check
@given(
    st.lists(st.lists(st.sampled_from(['"a"', '"b\n"', "a", " ", '" "', '""', "", 'x"y']), max_size=3), max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
    CHUNK_ROWS,
)
def test_nearly_right_tables_read_as_pandas_reads_them_or_are_refused(
    ending: str, rows: list[list[str]], newline: str, chunk_rows: int
) -> None:
    content = newline.join(("," if ending == ".csv" else "\t").join(row) for row in rows).encode()
    assert_as_pandas_or_refused(ending, content, chunk_rows)


@pytest.mark.parametrize("ending", DELIMITED)
@check
@given(string_tables(), CHUNK_ROWS)
def test_what_pandas_writes_is_read(ending: str, table: pa.Table, chunk_rows: int) -> None:
    text = table.to_pandas().to_csv(sep="," if ending == ".csv" else "\t", index=False)
    assert_as_pandas_or_refused(ending, text.encode(), chunk_rows)
    if table.num_columns > 1 and "\r" not in text and not text.startswith("\ufeff") and ending == ".csv":
        assert read(ending, text.encode()) is not None  # pandas leaves these bare


@pytest.mark.parametrize("ending", [*ENDINGS, *[f"{ending}.gz" for ending in ENDINGS]])
@check
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(ending: str, content: bytes) -> None:
    read(ending, content)
    if ending.endswith(".gz"):
        read(ending, gzip.compress(content, 1))
    elif ending in DELIMITED:
        assert_as_pandas_or_refused(ending, content, 3)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-7", "latin-1", "shift_jis", "unicode_escape"])
@check
@given(content=st.binary(max_size=60))
def test_any_bytes_in_other_encodings(encoding: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of unicode_escape
        path = Path(folder) / "a.csv"
        path.write_bytes(content)
        try:
            rows = [row for chunk in read_chunks(path, encoding=encoding) for row in chunk.to_pylist()]
        except InputError:
            return
    assert isinstance(rows, list)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)
JSON_OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON_VALUES, max_size=3)


@check
@given(
    st.lists(JSON_OBJECTS.map(json.dumps) | st.sampled_from(["", " ", "\r"]) | JSON_VALUES.map(json.dumps), max_size=6)
)
def test_json_lines_are_read_or_refused(lines: list[str]) -> None:
    chunks = read(".jsonl", "\n".join(lines).encode())
    if chunks is None:
        return
    objects = [json.loads(line) for line in lines if line.strip()]
    rows = [row for chunk in chunks for row in chunk.to_pylist()]
    for item, row in zip(objects, rows, strict=True):
        assert [key for key in row if row[key] is not None] or not any(v is not None for v in item.values())
        for key, value in item.items():
            if isinstance(row[key], str) and not isinstance(value, str):  # a column of mixed kinds
                assert json.loads(row[key]) == value
            elif value is None or isinstance(value, bool | str | float | int):
                assert row[key] == value


@check
@given(typed_tables(), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_damaged_parquet_is_read_or_refused(table: pa.Table, place: int, damage: bytes) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    content = buffer.getvalue()
    place %= len(content)
    read(".parquet", content[:place])
    read(".parquet", content[:place] + damage + content[place + len(damage) :])


# There and back


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".csv.gz", ".parquet"])
@check
@given(string_tables(), CHUNK_ROWS)
def test_strings_read_back_equal(ending: str, table: pa.Table, chunk_rows: int) -> None:
    try:
        content = written(ending, table, chunk_rows)
    except RunError as error:
        assert ending == ".tsv"
        assert re.search("holds no tab and no line break|with nothing in it", str(error))  # noqa: PT017
        return
    chunks = read(ending, content)
    assert chunks is not None
    if ending != ".parquet":
        names = list(table.column_names)
        while len(names) > 1 and not names[-1].strip() and any(map(str.strip, names)):
            names.pop()
        table = table.select(range(len(names)))
    assert pa.concat_tables(chunks).equals(table)
    if ending in DELIMITED:
        assert_as_pandas_or_refused(ending, content, chunk_rows)


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".json", ".parquet", ".parquet.gz"])
@check
@given(typed_tables(), CHUNK_ROWS)
def test_types_read_back_equal(ending: str, table: pa.Table, chunk_rows: int) -> None:
    chunks = read(ending, written(ending, table, chunk_rows))
    assert chunks is not None
    rows: list[dict[str, Any]] = [row for chunk in chunks for row in chunk.to_pylist()]
    assert rows == table.to_pylist()
