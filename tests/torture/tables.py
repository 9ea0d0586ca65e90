"""Tables: the cells that ganbert reads are those that other readers read, or it refuses in one line.

Three kinds of cases: a file read, a table written and read back, and the same labels in several formats
(`tests/torture/labels.py`).
"""

from __future__ import annotations

import json
import math
import random
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ganbert.data.tables import TableWriter, read_chunks
from tests.torture import labels, references
from tests.torture.bases import Bases
from tests.torture.cases import Failure, or_refused
from tests.torture.references import Table, Unreadable
from tests.torture.table_files import ARROW_TYPES, PLAIN, TableFile, arrow_table, json_rows, table_file, text_of


def check(rng: random.Random, folder: Path, bases: Bases) -> str:
    """Carry out one case; return how it held."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = rng.random()
        if kind < 0.10:
            return check_round_trip(rng, folder)
        if kind < 0.15:
            return labels.check(rng, folder)
        file = table_file(rng)
        try:
            return check_file(file, folder, rng.choice([1, 2, 3, 4096]))
        except Failure as failure:
            told = f"{file.name} encoding={file.encoding} delimiter={file.delimiter!r}: {file.content[:500]!r}"
            raise Failure(failure.how, f"{told}\n{failure.detail}") from None


def check_file(file: TableFile, folder: Path, chunk_rows: int) -> str:
    """Read a file and compare with whatever else can read it."""
    path = folder / file.name
    path.write_bytes(file.content)
    chunks = or_refused(lambda: _read(path, file, chunk_rows))
    if chunks is None:
        if file.rows is not None:
            raise Failure("a clean table is refused", _refusal(path, file))
        return "refused"
    try:
        if file.name.startswith("a.parquet"):
            _compare_arrow(chunks, references.parquet(file))
        elif file.name.startswith(("a.json", "a.ndjson")):
            _compare_objects(chunks, references.json_objects(file))
        elif file.name.startswith("a.xlsx"):
            _compare_excel(_table(chunks), _excel(file))
        else:
            _compare_delimited(_table(chunks), file)
    except Unreadable:
        raise Failure("reads what no other reader reads", _table(chunks)) from None
    return "equal"


def check_round_trip(rng: random.Random, folder: Path) -> str:
    """Write a table and read it back; a format that cannot hold a cell says so."""
    ending = rng.choice([".csv", ".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".xlsx"])
    path = folder / f"a{ending}{rng.choice(['', '', '.gz'])}"
    if ending == ".parquet":
        chunks = [arrow_table(rng, ARROW_TYPES)]
    elif ending in (".jsonl", ".ndjson", ".json"):
        chunks = [pa.Table.from_pylist(rows) for _ in range(2) if (rows := _uniform(json_rows(rng)))]
    else:
        names = rng.sample([*filter(None, PLAIN)], rng.randint(1, 3))
        chunks = [_string_table(rng, names) for _ in range(rng.randint(1, 3))]

    def there_and_back() -> list[pa.Table]:
        with TableWriter(path) as out:
            for chunk in chunks:
                out.write(chunk)
        return list(read_chunks(path))

    found = or_refused(there_and_back)
    if found is None:
        broken = any(
            "\n" in str(cell) or "\r" in str(cell) for c in chunks for row in c.to_pylist() for cell in row.values()
        )
        if path.exists() and not broken:  # lines of a cell may look like rows, and then a quote like one left open
            raise Failure("what was written is refused", _refusal(path, TableFile(path.name, b"")))
        return "refused"
    expected = [row for chunk in chunks for row in chunk.to_pylist()]
    rows = [row for chunk in found for row in chunk.to_pylist()]
    same_cell = same
    if ending == ".xlsx":  # in a sheet a blank row is none, and blanks are no cell
        expected, rows = ([row for row in t if not all(map(_is_blank, row.values()))] for t in (expected, rows))
        same_cell = _same_in_excel
    if len(rows) != len(expected):
        raise Failure("silent difference: rows after a round trip", f"{len(expected)} rows written, {len(rows)} read")
    for before, after in zip(expected, rows, strict=True):
        if not all(same_cell(value, after.get(name)) for name, value in before.items()):
            raise Failure("silent difference: cells after a round trip", f"{path.name}\n{before}\n{after}")
    return "equal"


def same(value: Any, cell: Any) -> bool:
    """Whether a cell is the JSON value: the value itself, or, in a column of mixed kinds, the JSON text of it."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) and cell == value[0]:
        return True  # a list of exactly one string is that string
    if isinstance(cell, str) and not isinstance(value, str):
        try:
            return value is not None and same(value, json.loads(cell))
        except ValueError:
            return False
    if isinstance(value, dict) and isinstance(cell, dict):
        rest = [cell[name] for name in cell if name not in value]
        return not any(x is not None for x in rest) and all(same(value[name], cell.get(name)) for name in value)
    if isinstance(value, list) and isinstance(cell, list):
        return len(value) == len(cell) and all(map(same, value, cell))
    if isinstance(value, bool) or isinstance(cell, bool):
        return value is cell
    if isinstance(value, float) and isinstance(cell, float) and math.isnan(value):
        return math.isnan(cell)
    alike = type(value) is type(cell) or (_is_number(value) and _is_number(cell))
    return alike and bool(value == cell)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _read(path: Path, file: TableFile, chunk_rows: int) -> list[pa.Table]:
    chunks = list(read_chunks(path, encoding=file.encoding or "utf-8", delimiter=file.delimiter, chunk_rows=chunk_rows))
    for chunk in chunks:
        chunk.validate(full=True)
        if len(chunk) > chunk_rows:
            raise Failure("a chunk of too many rows", len(chunk))
    return chunks


def _refusal(path: Path, file: TableFile) -> str:
    try:
        list(read_chunks(path, encoding=file.encoding or "utf-8", delimiter=file.delimiter))
    except Exception as error:
        return str(error)
    return ""


def _table(chunks: list[pa.Table]) -> Table:
    names = list(dict.fromkeys(name for chunk in chunks for name in chunk.column_names))
    return names, [[row.get(name) for name in names] for chunk in chunks for row in chunk.to_pylist()]


def _named(table: Table) -> Table:
    """The table without columns that have neither a name nor a cell."""
    names, rows = table
    kept = [i for i, name in enumerate(names) if name.strip() or any(i < len(row) and row[i] for row in rows)]
    return [names[i] for i in kept], [[row[i] if i < len(row) else None for i in kept] for row in rows]


def _compare_delimited(ours: Table, file: TableFile) -> None:
    expected = [(file.rows[0], file.rows[1:])] if file.rows is not None else references.delimited(file)
    if not expected:
        raise Unreadable
    if _named(ours) not in [_named(table) for table in expected]:
        raise Failure("silent difference: cells of a delimited file", f"ours {ours}\nothers {expected}")


def _compare_objects(chunks: list[pa.Table], expected: list[dict[str, Any]]) -> None:
    rows = [row for chunk in chunks for row in chunk.to_pylist()]
    if len(rows) != len(expected):
        raise Failure("silent difference: rows of JSON", f"{len(rows)} rows of {len(expected)}")
    for value, row in zip(expected, rows, strict=True):
        missing = {name: row[name] for name in row if name not in value and row[name] is not None}
        if missing or not all(same(value[name], row.get(name)) for name in value):
            raise Failure("silent difference: cells of JSON", f"ours {row}\nothers {value}")


def _compare_arrow(chunks: list[pa.Table], expected: pa.Table) -> None:
    ours = [row for chunk in chunks for row in chunk.to_pylist()]
    if repr(ours) != repr(expected.to_pylist()):
        raise Failure("silent difference: cells of Parquet", f"ours {ours}\nothers {expected.to_pylist()}")


def _excel(file: TableFile) -> Table:
    """What openpyxl reads; where it gives a damaged workbook up, what was in it before."""
    try:
        return references.excel(file)
    except Unreadable:
        if file.sound is None:
            raise
        return references.excel(replace(file, content=file.sound))


def _compare_excel(ours: Table, expected: Table) -> None:
    (names, rows), (other_names, other_rows) = _named(ours), _named(expected)
    rows = [row for row in rows if not all(map(_is_blank, row))]
    alike = names == other_names and len(rows) == len(other_rows)
    if not alike or not all(
        _same_in_excel(b, a) for x, y in zip(rows, other_rows, strict=True) for a, b in zip(x, y, strict=True)
    ):
        raise Failure(
            "silent difference: cells of a workbook", f"ours {names} {rows}\nothers {other_names} {other_rows}"
        )


def _same_in_excel(value: Any, cell: Any) -> bool:
    """Whether a cell shows the value: a sheet has no types of columns, so a number may come as its text."""
    if _is_blank(value):  # spaces that nothing says are to be kept
        return _is_blank(cell)
    if isinstance(value, bool):
        return str(cell).lower() == str(value).lower()
    if isinstance(value, int | float):
        try:
            return float(cell) == float(value)
        except (TypeError, ValueError):
            return False
    return bool(cell == value)


def _is_blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _uniform(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, if Arrow can hold them as they are, else nothing."""
    try:
        return rows if pa.Table.from_pylist(rows).to_pylist() == [{**dict.fromkeys(rows[0]), **r} for r in rows] else []
    except (pa.ArrowException, OverflowError):
        return []


def _string_table(rng: random.Random, names: list[str]) -> pa.Table:
    n = rng.randint(1, 5)
    return pa.table({name: pa.array([text_of(rng) for _ in range(n)], pa.string()) for name in names})
