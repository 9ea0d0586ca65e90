"""Makes tables as people and programs leave them, and damages some: bytes, and how the reader is told to read them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

PIECES = [
    '"', '""', ",", ";", "\t", "|", "\n", "\r", "\r\n", " ", "  ", "'", "\\", "a", "b", "Text", "NA", "nan", "None",
    "null", "1", "1.0", "-0", "1e5", "007", "true", "True", "=1+1", "2024-01-31", "\x00", "\x1b[31m", "\x1a", "\ufeff",
    "\u200b", "\u2028", "\x85", "\x0b", "ä", "e\u0301", "日本", "🙂", "#", "sep=;", "{", "[1]",
]  # fmt: skip
PLAIN = ["a", "b c", "Text", "where is it?", "NA", "1", "1.0", "true", "ä", "日本", "x;y", "x|y", "it's", "", "0,5"]
HUGE = 2**24 + 1
"""One character more than a cell may have."""


@dataclass(frozen=True)
class TableFile:
    """A table on disk.

    Attributes:
        name: of the file; its ending tells the format.
        content: its bytes.
        encoding: what the reader is told; None says nothing.
        delimiter: what the reader is told; None says nothing.
        rows: header and rows, where the maker knows them; such a table must be read, not refused.
        sound: the bytes before they were damaged.
    """

    name: str
    content: bytes
    encoding: str | None = None
    delimiter: str | None = None
    rows: list[list[Any]] | None = None
    sound: bytes | None = None


def text_of(rng: random.Random, pieces: list[str] = PIECES) -> str:
    """Return a cell: mostly a few pieces, seldom a long text."""
    if rng.random() < 0.003:
        return rng.choice(pieces) * rng.choice([1_000, 70_000])
    return "".join(rng.choices(pieces, k=rng.choice([0, 1, 1, 2, 3, 5])))


def clean_delimited(rng: random.Random) -> TableFile:
    """A sound CSV or TSV file, in one of many dialects, whose rows are known."""
    ending = rng.choice([".csv", ".csv", ".csv", ".tsv"])
    delimiter = "\t" if ending == ".tsv" else rng.choice([",", ",", ",", ";", "\t", "|"])
    n = rng.randint(2, 4)
    names = rng.sample(["text", "label", "id", "Größe", "a b", "x.y"], n)
    pieces = [piece for piece in PLAIN if ending == ".csv" or "\n" not in piece]
    rows = [[text_of(rng, pieces) for _ in names] for _ in range(rng.randint(0, 8))]
    newline = rng.choice(["\n", "\r\n"])
    if ending == ".tsv":
        text = "".join("\t".join(row) + newline for row in [names, *rows])
    else:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=rng.choice([0, 0, 1]))
        writer.writerows([names, *rows])
        text = out.getvalue()
    told = delimiter if delimiter != "," and ending == ".csv" and rng.random() < 0.3 else None
    if ending == ".csv" and told is None and rng.random() < 0.1:
        text = f"sep={delimiter}{newline}{text}"
    encoding = rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "gb18030"])
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, content = "utf-8", text.encode()
    says = None if encoding in ("utf-8", "utf-8-sig", "utf-16") else encoding
    return _perhaps_packed(rng, TableFile(f"a{ending}", content, says, told, [names, *rows]))


def soup(rng: random.Random) -> TableFile:
    """Delimiters, quotes, line ends and text in any order."""
    text = "".join(rng.choices(PIECES, k=rng.randint(0, 40)))
    if rng.random() < 0.5:
        text = "text,label\n" + text
    told = rng.choice([None, None, None, ",", ";", "\t", "|"])
    ending = rng.choice([".csv", ".csv", ".tsv"])
    encoding = rng.choice(["utf-8", "utf-8", "utf-16"])
    return TableFile(f"a{ending}", text.encode(encoding), None, told if ending == ".csv" else None)


def uneven_delimited(rng: random.Random) -> TableFile:
    """Nearly right: rows of other lengths, blank lines, trailing delimiters, quotes where none belong, no last end."""
    delimiter = rng.choice([",", ",", ";", "\t"])
    ending = ".tsv" if delimiter == "\t" and rng.random() < 0.7 else ".csv"
    cells = ['"a"', '"b\nc"', "a", "d e", '" "', '""', "", 'x"y', '"x"y', '"open', "1", f'"{delimiter}"']
    width = rng.randint(1, 4)
    names = [rng.choice(["text", "label", "id", "a", "", '"q"', '"']) for _ in range(width)]
    lines = [delimiter.join(names) + delimiter * rng.choice([0, 0, 0, 1, 3])]
    trailing = len(lines[0]) - len(lines[0].rstrip(delimiter))
    for _ in range(rng.randint(0, 6)):
        wide = width if rng.random() < 0.85 else rng.randint(0, 5)
        lines.append(delimiter.join(rng.choices(cells, k=wide)) + delimiter * trailing)
        if rng.random() < 0.1:
            lines.append(rng.choice(["", " ", "\t", delimiter]))
    text = rng.choice(["\n", "\n", "\r\n", "\r"]).join(lines) + rng.choice(["", "\n"])
    return _perhaps_packed(rng, TableFile(f"a{ending}", text.encode(), None, None))


def json_value(rng: random.Random, depth: int = 0) -> Any:
    """Return any JSON value, with the numbers that are hard to keep."""
    kind = rng.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return None
    if kind == 1:
        return rng.choice([True, False])
    if kind == 2:
        return rng.choice([0, 1, -1, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30])
    if kind == 3:
        return rng.choice([0.0, 1.0, -0.0, 0.1, 1e300, 5e-324, 1.5])
    if kind in (4, 5):
        return text_of(rng)
    if kind == 6:
        return [json_value(rng, depth + 1) for _ in range(rng.randint(0, 2))]
    return {text_of(rng): json_value(rng, depth + 1) for _ in range(rng.randint(0, 2))}


def json_rows(rng: random.Random) -> list[dict[str, Any]]:
    """Return objects whose columns are mostly of one kind, seldom mixed."""
    names = rng.sample(["text", "label", "id", "", "a b"], rng.randint(1, 4))
    makers: dict[str, Callable[[], Any]] = {}
    for name in names:
        sample = [json_value(rng) for _ in range(rng.choice([1, 1, 2, 4]))]
        makers[name] = lambda sample=sample: rng.choice([*sample, None])  # type: ignore[misc]
    return [
        {name: makers[name]() for name in names if rng.random() < 0.9 or name == names[0]}
        for _ in range(rng.randint(1, 7))
    ]


def json_file(rng: random.Random) -> TableFile:
    """JSON Lines, or an array of objects, with whatever is legal in between."""
    rows = json_rows(rng)
    ascii_only = rng.random() < 0.5
    if rng.random() < 0.25:
        text = json.dumps(rows, ensure_ascii=ascii_only, indent=rng.choice([None, 2]))
        return _perhaps_packed(rng, TableFile("a.json", text.encode(rng.choice(["utf-8", "utf-8-sig"]))))
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    if rng.random() < 0.2:
        odd = ['{"text": NaN}', '{"text": "\\ud800"}', '{"text": 1e999}', "[1]", '"a"', "{}", '{"a": 1, "a": 2}', "{"]
        lines.insert(rng.randint(0, len(lines)), rng.choice(odd))
    for _ in range(rng.choice([0, 0, 2])):
        lines.insert(rng.randint(0, len(lines)), rng.choice(["", " ", "\t"]))
    text = rng.choice(["\n", "\n", "\r\n"]).join(lines) + rng.choice(["", "\n"])
    encoding = rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
    return _perhaps_packed(rng, TableFile(rng.choice(["a.jsonl", "a.ndjson"]), text.encode(encoding)))


ARROW_TYPES: list[tuple[pa.DataType, list[Any]]] = [
    (pa.string(), ["a", "", "ä\n", "1"]),
    (pa.large_string(), ["a", "b"]),
    (pa.dictionary(pa.int8(), pa.string()), ["cat", "dog"]),
    (pa.int8(), [0, -1, 127]),
    (pa.int64(), [0, 2**63 - 1, -(2**63)]),
    (pa.uint64(), [0, 2**64 - 1]),
    (pa.float16(), [0.5, 1.0]),
    (pa.float32(), [0.1, float("nan"), float("inf")]),
    (pa.float64(), [0.1, 1e300]),
    (pa.bool_(), [True, False]),
    (pa.null(), []),
    (pa.binary(), [b"a", b"\xff"]),
    (pa.date32(), [0, 19_000]),
    (pa.timestamp("ms"), [0, 1_700_000_000_000]),
    (pa.list_(pa.string()), [["a"], [], ["a", "b"]]),
    (pa.struct([("k", pa.string())]), [{"k": "v"}, {"k": None}]),
]


def arrow_table(rng: random.Random, types: list[tuple[pa.DataType, list[Any]]]) -> pa.Table:
    """Return a table with columns of some of these types."""
    n = rng.randint(0, 9)
    columns = {}
    for name in rng.sample(["text", "label", "id", "a b", ""], rng.randint(1, 4)):
        kind, values = rng.choice(types)
        cells = [rng.choice([*values, None]) for _ in range(n)]
        columns[name] = pa.array(cells, kind)
    return pa.table(columns)


def parquet_file(rng: random.Random) -> TableFile:
    """A Parquet file in one of the ways that there are to write one."""
    out = io.BytesIO()
    pq.write_table(
        arrow_table(rng, ARROW_TYPES),
        out,
        compression=rng.choice(["none", "snappy", "gzip", "zstd"]),
        row_group_size=rng.choice([1, 3, 1000]),
        use_dictionary=rng.choice([True, False]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        version=rng.choice(["1.0", "2.6"]),
    )
    return _perhaps_packed(rng, TableFile("a.parquet", out.getvalue()))


def excel_file(rng: random.Random) -> TableFile:
    """A workbook with cells of all types, blank rows, and perhaps a second sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    names = rng.sample(["text", "label", "id", "Größe"], rng.randint(1, 3))
    sheet.append(names)
    values = ["a", "ä\nb", "1", "", " ", "007", "=1+1", "true", 1, -2, 0.5, 1e300, 2**53, True, False, None]
    for _ in range(rng.randint(0, 6)):
        sheet.append([rng.choice(values) for _ in names])
    if rng.random() < 0.2:
        book.create_sheet("second").append(["text", "more"])
    out = io.BytesIO()
    book.save(out)
    return TableFile("a.xlsx", out.getvalue())


def huge_cell(rng: random.Random) -> TableFile:
    """A cell of more characters than may be: refused in every text format."""
    cell = "a" * HUGE
    if rng.random() < 0.5:
        return TableFile("a.jsonl", json.dumps({"text": cell}).encode())
    return TableFile(rng.choice(["a.csv", "a.tsv"]), f"text\nb\n{cell}\n".encode())


def damaged(rng: random.Random, file: TableFile) -> TableFile:
    """The same file with some bytes changed, lost or added, or cut off; nothing is known of its rows any more."""
    content = bytearray(file.content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        place = rng.randint(0, len(content))
        how = rng.randrange(4)
        if how == 0 and place < len(content):
            content[place] = rng.randrange(256)
        elif how == 1:
            del content[place : place + rng.choice([1, 1, 4, 100])]
        elif how == 2:
            content[place:place] = rng.choice([b"\0", b'"', b"\n", b"\xff", b"\xe4", b",", rng.randbytes(4)])
        elif how == 3 and rng.random() < 0.3:
            del content[place:]
    return replace(file, content=bytes(content), rows=None, sound=file.content)


MAKERS: Iterable[tuple[Callable[[random.Random], TableFile], int]] = (
    (clean_delimited, 30),
    (soup, 15),
    (uneven_delimited, 15),
    (json_file, 20),
    (parquet_file, 12),
    (excel_file, 5),
)


def table_file(rng: random.Random) -> TableFile:
    """Return a table of any kind, one in four of them damaged."""
    if rng.random() < 0.001:
        return huge_cell(rng)
    makers, weights = zip(*MAKERS, strict=True)
    file: TableFile = rng.choices(makers, weights)[0](rng)
    return damaged(rng, file) if rng.random() < 0.25 else file


def _perhaps_packed(rng: random.Random, file: TableFile) -> TableFile:
    if rng.random() < 0.85:
        return file
    return replace(file, name=f"{file.name}.gz", content=gzip.compress(file.content, 1, mtime=0))
