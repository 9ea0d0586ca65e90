"""CSV and TSV as people have them: quotes left open, other delimiters, columns without a name, other encodings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ganbert.data.formats import Dialect
from ganbert.data.formats.base import ReadLog
from ganbert.data.formats.lines import likely_encoding
from ganbert.data.tables import TableWriter, read_chunks
from ganbert.errors import InputError, RunError


def read(path: Path, content: str | bytes, **options: Any) -> tuple[list[dict[str, Any]], ReadLog]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    log = ReadLog()
    rows = [row for chunk in read_chunks(path, log=log, **options) for row in chunk.to_pylist()]
    return rows, log


def refusal(path: Path, content: str | bytes, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(path, content, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


def write(path: Path, table: pa.Table, dialect: Dialect | None = None) -> bytes:
    with TableWriter(path, dialect=dialect) as out:
        out.write(table)
    return path.read_bytes()


# Quotes


def test_tsv_has_no_quoting(tmp_path: Path) -> None:
    rows, log = read(tmp_path / "a.tsv", 'id\ttext\n1\t"Never again\n2\t"Great" service\n3\tsize 5"\n4\t""\n')

    assert [row["text"] for row in rows] == ['"Never again', '"Great" service', 'size 5"', '""']
    assert log.notes == [
        "cells in double quotes, the first in row 4, column 'text', are read as they stand, since TSV has no quoting "
        "(if the quotes are meant as in CSV, let the name end in .csv)"
    ]


@pytest.mark.parametrize("cell", ["a\tb", "a\nb", "a\rb"])
def test_tsv_does_not_hold_tabs_and_line_breaks(tmp_path: Path, cell: str) -> None:
    with pytest.raises(RunError) as caught:
        write(tmp_path / "a.tsv", pa.table({"id": ["1", "2"], "text": ["fine", cell]}))
    assert str(caught.value) == (
        f"{tmp_path / 'a.tsv'}: cannot be written: row 2, column 'text': a cell of TSV holds no tab and no line break "
        "(a .csv or .jsonl file can take it)"
    )
    with pytest.raises(RunError, match="the names of the columns: a cell of TSV holds no tab"):
        write(tmp_path / "a.tsv", pa.table({cell: ["1"]}))
    assert list(tmp_path.iterdir()) == []


def test_tsv_does_not_hold_a_row_that_is_a_blank_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="row 2, column 'text': a line of TSV with nothing in it is no row"):
        write(tmp_path / "a.tsv", pa.table({"text": ["a", None]}))


BEHIND = ": text behind a closing quote: a cell that begins with a quote ends with one, and quotes within are doubled"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('id,text\n1,"Great" service\n', f", row 1{BEHIND} (line 2)"),
        ('id,text\n1,a\n\n2,"Great" service\n', f", row 2{BEHIND} (line 4)"),
        ('id,text\n1,"Never again\n2,fine\n3,"Loved it\n', f", row 1{BEHIND} (line 4; the row begins in line 2)"),
        ('"id" ,text\n1,a\n', f"{BEHIND} (line 1)"),
    ],
)
def test_text_behind_a_closing_quote_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    assert refusal(tmp_path / "a.csv", content) == expected


def test_long_texts_of_many_lines_are_one_cell(tmp_path: Path) -> None:
    post = "\n".join(f"> line {i}, and so on" for i in range(20_000))

    rows, log = read(tmp_path / "a.csv", f'text,label\n"{post}",a\n"{post}\n\n\n",b\n')

    assert rows == [{"text": post, "label": "a"}, {"text": f"{post}\n\n\n", "label": "b"}]
    assert log.n_blank == 0


@pytest.mark.parametrize("line", ["\n", "a line of text\n", '"",\n'])
def test_a_quote_left_open_ends_the_reading_soon(tmp_path: Path, line: str) -> None:
    message = refusal(tmp_path / "a.csv", 'text,label\na,b\n"' + line * 200_000)

    assert message.startswith(", row 2: ")
    assert message.endswith("is a quote left open? (line 3)")


@pytest.mark.parametrize(
    ("content", "row", "line"),
    [
        ('text,label\nfine,pos\n"Never again,neg\nI loved it",pos\nbad,neg\n', 2, 3),
        ('text,label\n"Never again,neg\non time,pos\nI loved it",pos\nbad,neg\nfine,pos\n', 1, 2),
        ('id,text,label\n1,a,pos\n2,"Never again,neg\n3,on time,pos\n4,I loved it",pos\n5,bad,neg\n', 2, 3),
        ('id,text\n1,fine\n2,"Never again\n3,on time\n4,I loved it"\n5,bad\n', 2, 3),
        ('label,text\npos,fine\nneg,"Never again\npos,I loved it"\nneg,bad\n', 2, 3),
        ('text;label\r\nfine;pos\r\n"Never again;neg\r\nI loved it";pos\r\nbad;neg\r\n', 2, 3),
    ],
)
def test_rows_that_a_quote_has_swallowed_are_found(tmp_path: Path, content: str, row: int, line: int) -> None:
    assert refusal(tmp_path / "a.csv", content) == (
        f", row {row}: the lines of a quoted cell look like rows of this table: is a quote left open? "
        f"(line {line}; if it is one text, write the table as .jsonl)"
    )


@pytest.mark.parametrize(
    "text", ["Hi Bob,\nthanks", "Hi Bob,\nwell, no\nbye", "a total of 1,234\nas, said\nhere", "one\ntwo", "x,\ny,\nz"]
)
def test_texts_of_several_lines_are_no_rows(tmp_path: Path, text: str) -> None:
    rows, _ = read(tmp_path / "a.csv", f'text,label\nfine,1\n"{text}",2\nbad,2\n"{text}",\nmore,\n')
    assert [row["text"] for row in rows] == ["fine", text, "bad", text, "more"]
    rows, _ = read(tmp_path / "b.csv", f'id,text,label\n1,fine,a\n2,"{text}",b\n3,bad,b\n')
    assert [row["text"] for row in rows] == ["fine", text, "bad"]


# Blank lines


@pytest.mark.parametrize(
    ("content", "n_rows", "n_blank"),
    [
        ("text\na\nb\n", 2, 0),
        ("text\na\nb", 2, 0),
        ("text\na\nb\n\n", 2, 0),
        ("text\na\nb\n  ", 2, 0),
        ("text\n\na\n\n \n\nb\n\n\n", 2, 5),
        ("\n\ntext\na\nb\n", 2, 2),
        ("text\r\n\r\na\r\n\r\nb\r\n", 2, 2),
        ("text\r\ra\r\rb\r", 2, 2),
        ("text\na\n" + "\n" * 100_000 + "b\n", 2, 100_000),
        ("text\n" + "a\n\n" * 50_000 + "b\n", 50_001, 50_000),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_blank_lines_are_counted(tmp_path: Path, ending: str, content: str, n_rows: int, n_blank: int) -> None:
    rows, log = read(tmp_path / f"a{ending}", content)
    assert (len(rows), log.n_blank) == (n_rows, n_blank)
    assert (rows[0]["text"], rows[-1]["text"]) == ("a", "b")


def test_the_line_of_an_error_counts_blank_lines(tmp_path: Path) -> None:
    content = "a,b\n" + "\n" * 50_000 + "1,2\n" + "\n" * 50_000 + "3\n"
    assert refusal(tmp_path / "a.csv", content).endswith("row 2: the header has 2 fields, this row 1 (line 100003)")
    bad = b"a,b\n" + b"\n" * 50_000 + b"1,2\n" + b" \n" * 50_000 + b"3,\xff\n"
    assert "(line 100003) is not utf-8" in refusal(tmp_path / "a.csv", bad)


def test_a_line_of_tabs_is_a_row_of_empty_cells_in_tsv(tmp_path: Path) -> None:
    rows, log = read(tmp_path / "a.tsv", "a\tb\n\t\n \t \n")
    assert rows == [{"a": "", "b": ""}, {"a": " ", "b": " "}]
    assert log.n_blank == 0


# Delimiters


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found_where_the_header_has_one_field(tmp_path: Path, delimiter: str) -> None:
    content = 'text;label\nlate, really;a\n"x;\ny";b\n'.replace(";", delimiter)
    rows, log = read(tmp_path / "a.csv", content)

    assert rows == [{"text": "late, really", "label": "a"}, {"text": f"x{delimiter}\ny", "label": "b"}]
    assert log.notes == [f"fields are separated by {delimiter!r} (--delimiter names another)"]
    assert log.dialect == Dialect(delimiter, "utf-8", bom=False)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("text;more,label\na;b,c\n", ["text;more", "label"]),  # two fields between commas
        ("comments; notes\nfine\n", ["comments; notes"]),  # the first row has one field
        ('"text;label"\n"a;b"\n', ["text;label"]),
        ("text\na;b\n", ["text"]),
    ],
)
def test_a_comma_otherwise(tmp_path: Path, content: str, columns: list[str]) -> None:
    rows, log = read(tmp_path / "a.csv", content)
    assert list(rows[0]) == columns
    assert log.notes == []


def test_a_delimiter_that_is_named(tmp_path: Path) -> None:
    for name, character in ((";", ";"), ("tab", "\t"), ("\\t", "\t"), ("^", "^"), (" ", " ")):
        content = "text;label\na,b;c\n".replace(";", character)
        rows, log = read(tmp_path / "a.csv", content, delimiter=name)
        assert rows == [{"text": "a,b", "label": "c"}]
        assert log.notes == []
    assert read(tmp_path / "a.csv", "a;b\n1;2\n", delimiter=",")[0] == [{"a;b": "1;2"}]
    for wrong in ("", ";;", '"', "\n"):
        assert refusal(tmp_path / "a.csv", "a\n1\n", delimiter=wrong) == (
            f": --delimiter {wrong!r}: give one character, which is no quote, or tab"
        )


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", "\n\nsep=; \n"])
def test_excels_line_that_names_the_delimiter_is_no_row(tmp_path: Path, first: str) -> None:
    rows, log = read(tmp_path / "a.csv", f"{first}text;label\na, b;c\n")
    assert rows == [{"text": "a, b", "label": "c"}]
    assert log.notes == []
    line = first.count("\n") + 3
    message = refusal(tmp_path / "a.csv", f"{first}text;label\na;c\n1;2;3\n")
    assert message.endswith(f"row 2: the header has 2 fields, this row 3 (line {line})")


@pytest.mark.parametrize("name", ["a;b", "a|b", "sep=;", "a\tb", " ", "\ufeffa", 'q"', "a,b"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_names_that_could_mislead_read_back(tmp_path: Path, name: str, delimiter: str) -> None:
    for table in (pa.table({name: ["x;y", "z|"]}), pa.table({name: ["x;y", "z|"], "other": ["1", "2"]})):
        content = write(tmp_path / "a.csv", table, Dialect(delimiter))
        given = delimiter if table.num_columns == 1 else None
        assert read(tmp_path / "a.csv", content, delimiter=given)[0] == table.to_pylist()


# Columns without a name


def test_trailing_columns_without_a_name_are_left_out(tmp_path: Path) -> None:
    rows, log = read(tmp_path / "a.csv", "v1,v2,,,\nham,see you soon,,,\nspam,win now,, ,\n")
    assert rows == [{"v1": "ham", "v2": "see you soon"}, {"v1": "spam", "v2": "win now"}]
    assert log.notes == []


def test_what_stands_in_them_is_counted_and_said(tmp_path: Path) -> None:
    content = "v1,v2,,\n" + "ham,see you,,\n" * 10 + 'ham,"yes, I"," come, too",\n' + "spam,win,, x\n"
    rows, log = read(tmp_path / "a.csv", content, chunk_rows=4)
    assert len(rows) == 12
    assert log.notes == [
        "2 rows have text in columns without a name (the first is row 11): it is left out; "
        "name these columns in the header to keep it"
    ]


def test_other_columns_without_a_name_stay(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", ",text\n0,a\n")[0] == [{"": "0", "text": "a"}]
    assert read(tmp_path / "a.csv", '""\n0\n')[0] == [{"": "0"}]
    assert "more than one column has this name" in refusal(tmp_path / "a.csv", ",,text\n0,1,a\n")


# Encodings


def test_unicode_text_of_excel(tmp_path: Path) -> None:
    content = 'text\tlabel\r\nä "x"\tpos\r\n"a\tb\nc"\tneg\r\n'
    expected = [{"text": 'ä "x"', "label": "pos"}, {"text": "a\tb\nc", "label": "neg"}]
    for name in ("a.txt", "a.csv"):
        for encoding, codec in (("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")):
            rows, log = read(tmp_path / name, ("\ufeff" + content).encode(codec))
            assert rows == expected
            assert log.dialect == Dialect("\t", encoding, bom=True)
    rows, _ = read(tmp_path / "a.jsonl", '\ufeff{"a": "ä"}\n'.encode("utf-16-le"))
    assert rows == [{"a": "ä"}]


def test_other_files_that_end_in_txt(tmp_path: Path) -> None:
    for content in (b"text\tlabel\na\tb\n", b"\xe4", b""):
        assert refusal(tmp_path / "a.txt", content) == (
            ": a .txt file is a table only where Excel wrote it as Unicode text (UTF-16 with a byte order mark): "
            "let the name end in .csv or .tsv"
        )


@pytest.mark.parametrize(
    ("name", "dialect", "expected"),
    [
        ("a.csv", Dialect(";", "utf-8", bom=True), '\ufefftext;n\nä;1\n"b;";2\n'.encode()),
        ("a.csv", Dialect(",", "cp1252"), "text,n\nä,1\nb;,2\n".encode("cp1252")),
        ("a.csv", Dialect("\t", "utf-16-le", bom=True), "\ufefftext\tn\nä\t1\nb;\t2\n".encode("utf-16-le")),
        ("a.csv", Dialect(",", "utf-16"), "text,n\nä,1\nb;,2\n".encode("utf-16")),
        ("a.txt", None, "\ufefftext\tn\nä\t1\nb;\t2\n".encode("utf-16-le")),
        ("a.tsv", Dialect("\t", "utf-8", bom=True), "\ufefftext\tn\nä\t1\nb;\t2\n".encode()),
        ("a.jsonl", Dialect(None, "utf-8", bom=True), '\ufeff{"text": "ä", "n": 1}\n{"text": "b;", "n": 2}\n'.encode()),
    ],
)
def test_a_table_is_written_in_a_dialect(tmp_path: Path, name: str, dialect: Dialect | None, expected: bytes) -> None:
    table = pa.table({"text": ["ä", "b;"], "n": [1, 2]})
    assert write(tmp_path / name, table, dialect) == expected


def test_a_character_that_the_encoding_lacks(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a\.csv: cannot be written: '日' is not in cp1252, the encoding of the input"):
        write(tmp_path / "a.csv", pa.table({"text": ["日"]}), Dialect(",", "cp1252"))


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("schöne Grüße", "latin-1", "latin-1"),
        ("“quoted” – and €", "cp1252", "cp1252"),
        ("Посылка пришла слишком поздно, водитель не знал дороги. Где мой заказ?", "cp1251", "cp1251"),
        ("Посылка пришла слишком поздно, водитель не знал дороги. Где мой заказ?", "koi8_r", "koi8_r"),
        ("荷物が遅すぎました。運転手は道を知りませんでした。私の注文はどこですか?", "shift_jis", "shift_jis"),
        ("包裹到得太晚了,司机不认识路。我的订单在哪里?请把钱退给我。", "gb18030", "gb18030"),
    ],
)
def test_the_likely_encoding(text: str, encoding: str, expected: str) -> None:
    assert likely_encoding(text.encode(encoding)) == expected


def test_a_damaged_character_in_utf8_does_not_propose_another_encoding(tmp_path: Path) -> None:
    content = "text\nschöne Grüße aus Köln\n".encode() + b"\xff\n"
    assert refusal(tmp_path / "a.csv", content) == (
        ": byte 0xff at offset 31 (line 3) is not utf-8, though the text around it is: mend or remove this character"
    )
    assert refusal(tmp_path / "a.csv", "schön".encode(), encoding="ascii").endswith("(for example --encoding utf-8)")
