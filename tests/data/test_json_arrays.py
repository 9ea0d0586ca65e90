"""JSON arrays of objects, and lists and objects among the strings of a JSON column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganbert.data.formats.base import nested_rows
from ganbert.data.tables import TableWriter, read_chunks
from ganbert.errors import InputError
from tests.data.test_tables_properties import JSON_OBJECTS, check, read


def rows_of(path: Path, content: str, **options: Any) -> list[dict[str, Any]]:
    path.write_text(content, encoding="utf-8")
    return [row for chunk in read_chunks(path, **options) for row in chunk.to_pylist()]


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}])
def test_an_array_of_objects(tmp_path: Path, layout: dict[str, Any]) -> None:
    rows = [{"text": f'Ä {i} "],[{{', "n": i, "l": [i]} for i in range(30_000)]
    assert rows_of(tmp_path / "a.json", json.dumps(rows, **layout)) == rows


def test_keys_may_differ(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert rows_of(path, ' \n[{"b": 1} ,\n\n {"a": "x"}]\n \n') == [{"b": 1, "a": None}, {"b": None, "a": "x"}]
    assert [chunk.column_names for chunk in read_chunks(path, chunk_rows=1)] == [["b"], ["b", "a"]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ': not a JSON array such as [{"text": "..."}] (one object a line is .jsonl)'),
        ('{"a": 1}\n{"a": 2}\n', ': not a JSON array such as [{"text": "..."}] (one object a line is .jsonl)'),
        (" [ ] ", ": the array is empty, so the table has no columns"),
        ("[{}, {}]", ": the objects have no keys, so the table has no columns"),
        ("[", ": the array is not closed; the file ends behind element 0"),
        ('[{"a": 1}', ", row 1: the array is not closed; the file ends behind element 1"),
        ('[{"a": 1},', ", row 1: the array is not closed; the file ends behind element 1"),
        ('[{"a": 1}, ]', ", row 2: element 2 is not JSON: Expecting value at character 1"),
        ('[{"a": 1} {"a": 2}]', ", row 1: element 1 is followed by '{', not by a comma"),
        ('[{"a": 1}] x', ": something follows behind the array"),
        ('[{"a": 1}, 3]', ', row 2: element 2 is not a JSON object such as {"text": "..."}'),
        ('[{"a": 1}, {"a" 3}]', ", row 2: element 2 is not JSON: Expecting ':' delimiter at character 6"),
        ('[{"a": "x}]', ", row 1: element 1 is not JSON: Unterminated string starting at character 7"),
        ('[{"a": tru', ", row 1: element 1 is not JSON: Expecting value at character 7"),
        ('[{"a": NaN}]', ", row 1: element 1 cannot be used: the number NaN is not a finite one (write null)"),
        ('[{"a": "\\ud800"}]', ", row 1: element 1 has half of a surrogate pair, which is no text"),
    ],
)
def test_refusals(tmp_path: Path, content: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        rows_of(tmp_path / "a.json", content)
    assert str(caught.value).removeprefix(str(tmp_path / "a.json")) == expected


def test_an_array_is_written_with_an_object_a_line(tmp_path: Path) -> None:
    path, chunk = tmp_path / "a.json", pa.table({"a": ["Ä", None]})
    with TableWriter(path) as out:
        for part in (chunk, chunk.slice(0, 0), pa.table({"b": [1]})):
            out.write(part)
    assert path.read_text(encoding="utf-8") == '[\n{"a": "Ä"},\n{"a": null},\n{"b": 1}\n]\n'
    with TableWriter(path) as out:
        out.write(chunk.slice(0, 0))
    assert path.read_text() == "[]\n"


@check
@given(st.lists(JSON_OBJECTS, max_size=6), st.sampled_from([None, 1]), st.integers(0, 200), st.text(max_size=2))
def test_an_array_gives_what_lines_give(objects: list[Any], indent: int | None, place: int, damage: str) -> None:
    def rows(chunks: list[pa.Table] | None) -> list[Any] | None:
        return chunks and [row for chunk in chunks for row in chunk.to_pylist()]

    array = json.dumps(objects, indent=indent)
    by_lines = rows(read(".jsonl", "\n".join(map(json.dumps, objects)).encode()))
    assert rows(read(".json", array.encode())) == by_lines
    damaged = array[:place] + damage + array[place + 1 :]
    if (found := rows(read(".json", damaged.encode()))) is not None:
        assert len(found) == len(json.loads(damaged))


def test_it_is_known_which_strings_stand_for_lists_and_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "x", "b": [1]}\n{"a": ["x"], "b": [2]}\n{"a": {"k": 1}, "b": []}\n{"a": "[\\"x\\"]"}\n')

    (chunk,) = read_chunks(path)

    assert chunk["a"].to_pylist() == ["x", '["x"]', '{"k": 1}', '["x"]']
    assert nested_rows(chunk.schema.field("a")) == [1, 2]
    assert nested_rows(chunk.schema.field("b")) == []


@pytest.mark.parametrize(
    "values",
    [[[0.5, False]], [[1], [True]], [{"a": 1}, {"a": True}], [[{"a": 0}, {"a": False}]]],
    ids=lambda values: json.dumps(values),
)
def test_truths_beside_numbers_are_not_turned_into_numbers(tmp_path: Path, values: list[Any]) -> None:
    content = json.dumps([{"x": value} for value in values])

    assert [json.loads(row["x"]) for row in rows_of(tmp_path / "a.json", content)] == values
    assert [str(json.loads(row["x"])) for row in rows_of(tmp_path / "a.json", content)] == list(map(str, values))


def test_truths_and_numbers_at_different_places_keep_their_types(tmp_path: Path) -> None:
    rows = [{"x": {"a": True, "b": [1, 2]}}, {"x": {"a": False, "b": [3]}}]

    assert rows_of(tmp_path / "a.json", json.dumps(rows)) == rows
