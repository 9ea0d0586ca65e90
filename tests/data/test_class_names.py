"""What classes are called: files of every kind, one rule for labels that are words, refusals that name the place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganbert.data.class_names import class_names_given, names_of, read_class_names, words_of
from ganbert.errors import InputError
from ganbert.labels import Classes

NAMES = {"card_arrival": ("card arrival",), "lost": ("lost or stolen card", "my card is gone")}


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


JSON = '{"card_arrival": "card arrival", "lost": ["lost or stolen card", "my card is gone"]}'
YAML = "# a comment\ncard_arrival: card arrival\nlost:\n  - lost or stolen card\n  - my card is gone\n"
CSV = "label,text\ncard_arrival,card arrival\nlost,lost or stolen card\nlost,my card is gone\n"
JSON_LINES = "\n".join(json.dumps({"label": label, "text": text}) for label, texts in NAMES.items() for text in texts)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.json", JSON),
        ("NAMES.JSON", "\ufeff" + JSON),
        ("names.yaml", YAML),
        ("names.yml", YAML),
        ("names.csv", CSV),
        ("names.csv", CSV.replace(",", ";").replace("text", "name")),
        ("names.tsv", CSV.replace(",", "\t").replace("text", "description")),
        ("names.jsonl", JSON_LINES),
    ],
)
def test_a_file_says_the_same_in_every_format(name: str, content: str, tmp_path: Path) -> None:
    assert read_class_names(written(tmp_path, name, content)) == NAMES


def test_any_table_will_do(tmp_path: Path) -> None:
    rows = pa.table({"label": [1.0, 2.0], "name": ["one", "two"], "other": ["a", "b"]})
    pq.write_table(rows, tmp_path / "names.parquet")
    (tmp_path / "names.csv.gz").write_bytes(gzip.compress(b"label,name\n1,one\n2,two\n"))
    for name in ("names.parquet", "names.csv.gz"):
        assert read_class_names(tmp_path / name) == {"1": ("one",), "2": ("two",)}


def test_labels_follow_the_one_rule_and_texts_are_trimmed_and_stand_once(tmp_path: Path) -> None:
    content = json.dumps({" 1.0 ": " one ", "True": ["yes", "yes "], "007": "agent"})
    expected = {"1": ("one",), "true": ("yes",), "007": ("agent",)}
    assert read_class_names(written(tmp_path, "n.json", content)) == expected
    assert class_names_given({1.0: "one", "True": ("yes", "yes"), "007": ["agent"]}) == expected


def test_labels_in_yaml_are_what_is_written_there(tmp_path: Path) -> None:
    content = "no: a refusal\nyes: an agreement\n1.0: one\n2020-01-01: new year\n0x10: a code\n'null': nothing\n"
    assert [*read_class_names(written(tmp_path, "n.yaml", content))] == ["no", "yes", "1", "2020-01-01", "0x10", "null"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("n.json", "{", r"n\.json: is not JSON \("),
        ("n.json", "[" * 100_000, r"n\.json: is not JSON"),
        ("n.json", '["a"]', r'n\.json: is no JSON object such as \{"label": "what it is called"\}'),
        ("n.json", "{}", r"n\.json: names no class"),
        ("n.json", '{"a": "x", "b": "y", "a": "z"}', r"n\.json: names label 'a' twice"),
        ("n.json", '{"1": "x", "1.0": "y"}', r"n\.json: names label '1' twice"),
        ("n.json", '{"a": ""}', r"n\.json: label 'a': empty text"),
        ("n.json", '{"a": ["x", " "]}', r"n\.json: label 'a': empty text"),
        ("n.json", '{"a": []}', r"n\.json: label 'a': no text"),
        ("n.json", '{"a": 5}', r"n\.json: label 'a': '5' is no text"),
        ("n.json", '{"a": null}', r"n\.json: label 'a': 'None' is no text"),
        ("n.json", '{"a": ["x", 5]}', r"n\.json: label 'a': '5' is no text"),
        ("n.json", '{"a": {"b": "x"}}', r"n\.json: label 'a': .* is no text"),
        ("n.json", '{"a": "\\ud800"}', r"n\.json: label 'a': .* is no text"),
        ("n.json", '{"": "x"}', r"n\.json: '' is no label"),
        ("n.json", '{"\\ud800": "x"}', r"n\.json: .* is no label"),
        ("n.yaml", "a: [", r"n\.yaml: is not YAML \("),
        ("n.yaml", "a: !!python/object:os.system x", r"n\.yaml: is not YAML \("),
        ("n.yaml", "a: &a [*a]", r"n\.yaml: is not YAML \("),
        ("n.yaml", "- a", r"n\.yaml: is no YAML mapping"),
        ("n.yaml", "", r"n\.yaml: is no YAML mapping"),
        ("n.yaml", "a: x\na: y", r"n\.yaml: names label 'a' twice"),
        ("n.yaml", "a: no", r"n\.yaml: label 'a': 'False' is no text"),
        ("n.yaml", "a:", r"n\.yaml: label 'a': 'None' is no text"),
        ("n.csv", "label,text\na,x\nb,\n", r"n\.csv, row 2, column 'text': empty text"),
        ("n.csv", "label,name\na,x\n,y\n", r"n\.csv, row 2, column 'label': no label"),
        (
            "n.csv",
            "label,words\na,x\n",
            r"n\.csv, column 'text': no such column; .* are 'label', 'words'",
        ),
        ("n.csv", "class,text\na,x\n", r"n\.csv, column 'label': no such column; .* are 'class', 'text'"),
        ("n.csv", "label,text\n", r"n\.csv: names no class"),
        ("n.jsonl", '{"label": ["a", "b"], "text": "x"}', r"n\.jsonl, row 1, column 'label': a label is one word"),
        ("n.words", "a", r"n\.words: no table format has this ending"),
    ],
)
def test_what_cannot_be_used_is_refused_with_file_and_place(
    name: str, content: str, problem: str, tmp_path: Path
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(InputError, match=problem) as caught:
        read_class_names(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no.json", "no.yaml", "no.csv"])
def test_a_missing_file_and_a_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"{name}: (cannot be read: )?(?i:no such file)"):
        read_class_names(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name}: "):
        read_class_names(tmp_path / name)
    (tmp_path / f"b{name}").write_bytes(b"{\xff")
    with pytest.raises(InputError, match=f"b{name}: "):
        read_class_names(tmp_path / f"b{name}")


def test_a_mapping_is_checked_as_a_file_is() -> None:
    for given, problem in (
        ({"a": 5}, "class_names: label 'a': '5' is no text"),
        ({"a": b"x"}, "class_names: label 'a': .* is no text"),
        ({("a",): "x"}, "class_names: a label is one word or number, not tuple"),
        ({None: "x"}, "class_names: 'None' is no label"),
        ({1: "x", "1": "y"}, "class_names: names label '1' twice"),
        ({}, "class_names: names no class"),
    ):
        with pytest.raises(InputError, match=problem):
            class_names_given(given)  # type: ignore[arg-type]


def test_nothing_is_given_or_all_is_left_to_the_labels() -> None:
    assert class_names_given(None) == {}
    assert class_names_given("auto") is None


@pytest.mark.parametrize("path", ["qc/names-coarse.json", "qc/names-fine.json", "20n/names.json", "hwu64/names.json"])
def test_the_names_of_real_data_sets_are_read(path: str, real_data: Path) -> None:
    stated = json.loads((real_data / path).read_text(encoding="utf-8"))
    assert read_class_names(real_data / path) == {label: (text,) for label, text in stated.items()}


# Labels that are words


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("card_arrival", "card arrival"),
        ("sci.space", "sci space"),
        ("comp.os.ms-windows.misc", "comp os ms windows misc"),
        ("cardArrival", "card arrival"),
        ("CardArrival", "card arrival"),
        ("very negative", "very negative"),
        ("Microsoft Windows", "Microsoft Windows"),
        ("SPORTS", "sports"),
        ("Sci/Tech", "Sci Tech"),
        ("ENTY:dismed", "dismed"),  # the abbreviation in capitals goes, the one in small letters cannot be told
        ("FAQ_shipping", "shipping"),
        ("FAQShipping", "shipping"),
        ("don't know", "don't know"),
        ("qt", "qt"),
        ("comp.windows.x", "comp windows x"),
        ("über_uns", "über uns"),
        ("好评", "好评"),
        ("猫", "猫"),
        ("हिन्दी_भाषा", "हिन्दी भाषा"),
    ],
)
def test_a_label_of_words_is_called_by_them(label: str, text: str) -> None:
    assert words_of([label]) == {label: (text,)}


@pytest.mark.parametrize(
    "label",
    ["0", "-1", "1.5", "A1", "LBL_003", "xK9", "a", "X", "x_y", "ABBR", "C++", "R&D", "top10", "٣", "--"],
)
def test_codes_and_numbers_are_left_alone(label: str) -> None:
    assert words_of([label]) == {}


def test_of_mixed_labels_those_that_are_words_get_a_text_and_one_that_two_would_share_goes_to_neither() -> None:
    labels = ["LOC:other", "NUM:other", "LOC:city", "0", "Payment", "payment"]
    assert words_of(labels) == {"LOC:city": ("city",)}


# What is taken, in notes


def test_notes_say_what_was_taken_and_what_has_no_name() -> None:
    names, notes = names_of(Classes(["card_arrival", "lost", "x1"]), NAMES, pairs=False)
    assert names == NAMES
    assert notes == [
        "Class names: 'card_arrival' is called 'card arrival', "
        "'lost' is called 'lost or stolen card' or 'my card is gone'",
        "No class name for 'x1'",
    ]


def test_notes_are_short_and_begin_with_names_that_say_more_than_the_label() -> None:
    labels = ["ham", "spam", "eggs", "toast", "green_tea", "0", "1", "2", "3"]
    names, notes = names_of(Classes(labels), None, pairs=False)
    assert [*names] == labels[:5]
    assert notes == [
        "Class names: 'green_tea' is called 'green tea', 'ham' is called 'ham', 'spam' is called 'spam' and 2 more",
        "No class name for '0', '1', '2' and 1 more (--class-names gives them)",
    ]


def test_a_label_without_a_name_is_offered_the_one_that_looks_like_it() -> None:
    classes = Classes(["Payment", "lost", "payment"])
    _, notes = names_of(classes, {"Payment": ("a payment",), "lost": ("lost",)}, pairs=False)
    assert (
        notes[1] == "No class name for 'payment'; 'payment' looks like 'Payment': --normalize-labels takes it for that"
    )


def test_without_names_there_is_nothing_to_say() -> None:
    assert names_of(Classes(["a", "b"]), {}, pairs=False) == ({}, [])
    assert names_of(Classes(["good words", "bad words"]), None, pairs=True) == ({}, [])
