"""`ganbert predict`: the input's rows, in their order, with label, confidence and novelty."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from ganbert.predict.predictor import Predictor
from tests.cli.conftest import of_pairs, write_toy
from tests.conftest import ANIMALS, COLOURS, FILLER, TOOLS, Run

ENDINGS = ["csv", "tsv", "jsonl", "ndjson", "parquet", "csv.gz", "tsv.gz", "jsonl.gz", "parquet.gz"]


def read(path: Path) -> pd.DataFrame:
    """Read a table with pandas alone."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    match path.name.removesuffix(".gz").rsplit(".", 1)[1]:
        case "csv":
            return pd.read_csv(io.BytesIO(content))
        case "tsv":
            return pd.read_csv(io.BytesIO(content), sep="\t", quoting=csv.QUOTE_NONE)
        case "parquet":
            return pd.read_parquet(io.BytesIO(content))
        case _:
            return pd.DataFrame([json.loads(line) for line in content.decode().splitlines()])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of texts with columns beside them, before and behind."""
    path = tmp_path / "in.jsonl"
    rows: list[dict[str, Any]] = [
        {"id": 7, "text": "the cat", "price": 1.5, "note": 'a, "b"\tc'},
        {"id": 5, "text": "a big red old hammer is here", "price": None, "note": "grün"},
        {"id": 6, "text": "was ruby", "price": 2.0, "note": None},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_holds_the_columns_of_the_input_and_three_more(
    run: Run, trained: Path, table: Path, tmp_path: Path, ending: str
) -> None:
    output = tmp_path / f"out.{ending}"
    if "tsv" in ending:  # which has no quoting, and so no tab in a cell
        table.write_text(table.read_text(encoding="utf-8").replace("\\t", " "), encoding="utf-8")

    assert run("predict", trained, table, "--output", output).status == 0

    rows = read(output)
    assert list(rows.columns) == ["id", "text", "price", "note", "predicted_label", "confidence", "novelty"]
    given = read(table)
    for column in given.columns:
        assert [None if pd.isna(v) else v for v in rows[column]] == [None if pd.isna(v) else v for v in given[column]]
    expected = Predictor.load(trained).predict(list(given["text"]))
    assert list(rows["predicted_label"]) == expected.labels
    assert expected.novelty is not None
    atol = 1e-6 if "parquet" in ending else 5.1e-5  # four digits in formats that people read
    np.testing.assert_allclose(rows["confidence"], expected.confidence, atol=atol)
    np.testing.assert_allclose(rows["novelty"], expected.novelty, atol=atol)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_novelty_is_empty_where_the_model_has_no_fake_class(
    run: Run, trained_plain: Path, table: Path, tmp_path: Path, ending: str
) -> None:
    output = tmp_path / f"out.{ending}"

    assert run("predict", trained_plain, table, "--output", output).status == 0

    rows = read(output)
    assert rows["novelty"].isna().all()
    assert (rows["confidence"] > 1 / 3).all()


def test_a_table_without_any_further_column_needs_no_label(run: Run, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\nthe cat\n", encoding="utf-8")

    assert run("predict", trained, tmp_path / "in.csv", "--output", tmp_path / "out.csv").status == 0

    assert list(read(tmp_path / "out.csv")["text"]) == ["the cat"]


def test_rows_of_all_lengths_stay_in_order_over_chunks(run: Run, trained: Path, tmp_path: Path) -> None:
    words, rng = COLOURS + ANIMALS + TOOLS + FILLER, np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, size=n)) for n in rng.integers(1, 20, size=4500)]
    pd.DataFrame({"id": range(len(texts)), "text": texts}).to_csv(tmp_path / "in.csv", index=False)

    outcome = run("predict", trained, tmp_path / "in.csv", "--output", tmp_path / "out.parquet", "--json")

    assert outcome.result == {
        "output": str(tmp_path / "out.parquet"),
        "n": 4500,
        "skipped_empty": 0,
        "skipped_blank": 0,
        "cut": 0,
        "mostly_unknown": 0,
    }
    rows = read(tmp_path / "out.parquet")
    assert list(rows["text"]) == texts
    assert list(rows["id"]) == [str(i) for i in range(len(texts))]  # a CSV cell is text
    predictor = Predictor.load(trained, batch_size=1)
    for i in [*range(0, 4500, 300), 4095, 4096, 4097, 4499]:
        alone = predictor.predict([texts[i]])
        assert rows["predicted_label"][i] == alone.labels[0]
        assert rows["confidence"][i] == pytest.approx(alone.confidence[0], abs=1e-5)
        assert alone.novelty is not None
        assert rows["novelty"][i] == pytest.approx(alone.novelty[0], abs=1e-5)


def test_the_second_text_is_part_of_the_input(run: Run, trained: Path, tmp_path: Path) -> None:
    pd.DataFrame({"text": ["a"] * 2, "text_pair": ["red", "the saw"], "other": ["the saw", "red"]}).to_csv(
        tmp_path / "in.csv", index=False
    )

    model = of_pairs(trained, tmp_path / "of-pairs")
    by_itself = run("predict", model, tmp_path / "in.csv", "--output", tmp_path / "a.csv")
    named = run("predict", model, tmp_path / "in.csv", "--output", tmp_path / "b.csv", "--text-pair-column", "other")
    of_single_texts = run("predict", trained, tmp_path / "in.csv", "--output", tmp_path / "c.csv")

    assert (by_itself.status, named.status, of_single_texts.status) == (0, 0, 2)
    assert "trained on single texts, and here are pairs" in of_single_texts.err
    a, b = read(tmp_path / "a.csv")["confidence"], read(tmp_path / "b.csv")["confidence"]
    assert a[0] != a[1]
    np.testing.assert_allclose(a, b[::-1], atol=1e-6)


def test_skip_empty_leaves_rows_out_and_counts_them(run: Run, trained: Path, tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    table.write_text('text,id\nthe cat,1\n"  ",2\nthe saw,3\n', encoding="utf-8")

    refused = run("predict", trained, table, "--output", tmp_path / "out.csv")
    outcome = run("predict", trained, table, "--output", tmp_path / "out.csv", "--skip-empty")

    assert refused.status == 2
    assert refused.err.startswith(f"ganbert: {table}, row 2, column 'text': empty text")
    assert outcome.out == f"2 rows written to {tmp_path / 'out.csv'}; 1 without text were left out\n"
    assert list(read(tmp_path / "out.csv")["id"]) == [1, 3]


def test_a_table_without_rows_gives_a_table_without_rows(run: Run, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,id\n", encoding="utf-8")

    assert run("predict", trained, tmp_path / "in.csv", "--output", tmp_path / "out.csv").status == 0

    assert (tmp_path / "out.csv").read_text() == "text,id,predicted_label,confidence,novelty\n"


@pytest.mark.parametrize("column", ["predicted_label", "confidence", "novelty"])
def test_a_column_of_predictions_is_not_written_over(run: Run, trained: Path, tmp_path: Path, column: str) -> None:
    table, output = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text(f"text,{column}\nthe cat,x\n", encoding="utf-8")

    outcome = run("predict", trained, table, "--output", output)

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith(f"ganbert: {table}, column '{column}': ")
    assert list(tmp_path.iterdir()) == [table]


def test_an_error_in_a_late_row_leaves_nothing_behind_and_the_old_file_whole(
    run: Run, trained: Path, tmp_path: Path
) -> None:
    table, output = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text("text\n" + "a cat\n" * 4200 + '" "\n', encoding="utf-8")
    output.write_text("precious", encoding="utf-8")

    outcome = run("predict", trained, table, "--output", output, "--overwrite")

    assert (outcome.status, outcome.out) == (2, "")
    assert f"{table}, row 4201, column 'text': empty text" in outcome.err
    assert output.read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == [table, output]


def test_an_output_that_cannot_be_written_is_refused(run: Run, trained: Path, tmp_path: Path) -> None:
    table = write_toy(tmp_path / "in.csv", 6, 0)

    for output, reason in (
        (tmp_path / "out.docx", "no table format has this ending"),
        (tmp_path, "a folder"),
        (tmp_path / "nowhere" / "out.csv", "cannot be written"),
    ):
        outcome = run("predict", trained, table, "--output", output)
        assert (outcome.status, outcome.out) == (2, "")
        assert outcome.err.startswith(f"ganbert: {output}: {reason}")
    assert list(tmp_path.iterdir()) == [table]


def test_a_missing_text_column_is_refused(run: Run, trained: Path, table: Path, tmp_path: Path) -> None:
    outcome = run("predict", trained, table, "--output", tmp_path / "out.csv", "--text-column", "body")

    assert outcome.status == 2
    assert outcome.err.startswith(f"ganbert: {table}, column 'body': no such column; the columns here are 'id', 'text'")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("spelling", ["same", "relative", "link", "hard link"])
def test_a_file_is_never_written_over_itself(
    run: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    table = write_toy(tmp_path / "in.csv", 12, 0)
    before = table.read_bytes()
    monkeypatch.chdir(tmp_path)
    output = {"same": table, "relative": Path("./in.csv")}.get(spelling, tmp_path / "other.csv")
    if spelling == "link":
        output.symlink_to(table)
    elif spelling == "hard link":
        output.hardlink_to(table)

    outcome = run("predict", trained, table, "--output", output, "--overwrite")

    assert (outcome.status, outcome.out) == (2, "")
    assert "is the input too" in outcome.err
    assert table.read_bytes() == before


def test_a_file_that_is_there_is_replaced_only_on_request(run: Run, trained: Path, tmp_path: Path) -> None:
    table, output = write_toy(tmp_path / "in.csv", 12, 0), tmp_path / "out.csv"
    output.write_text("precious", encoding="utf-8")

    refused = run("predict", trained, table, "--output", output)

    assert refused.status == 2
    assert refused.err == f"ganbert: {output}: exists already (--overwrite replaces it)\n"
    assert output.read_text(encoding="utf-8") == "precious"
    assert run("predict", trained, table, "--output", output, "--overwrite").status == 0
    assert len(read(output)) == 12


def test_every_class_can_have_its_probability(run: Run, trained: Path, tmp_path: Path) -> None:
    table, output = write_toy(tmp_path / "in.csv", 12, 0), tmp_path / "out.csv"

    assert run("predict", trained, table, "--output", output, "--probabilities").status == 0

    rows = read(output)
    names = [f"probability_{name}" for name in ("animal", "colour", "tool")]
    assert list(rows.columns)[-3:] == names
    np.testing.assert_allclose(rows[names].sum(axis=1), 1, atol=2e-4)
    assert [names[i].removeprefix("probability_") for i in rows[names].to_numpy().argmax(axis=1)] == list(
        rows["predicted_label"]
    )


def test_standard_input_and_output_take_the_place_of_files(trained: Path, tmp_path: Path) -> None:
    table = write_toy(tmp_path / "in.csv", 12, 0)
    expected = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "ganbert", "predict", str(trained)]
    subprocess.run([*command, str(table), "--output", str(expected), "--precision", "float32"], check=True)

    piped = subprocess.run(
        [*command, "-", "--output", "-", "--precision", "float32"],
        input=table.read_bytes(), capture_output=True, check=True,
    )  # fmt: skip

    lines = piped.stdout.decode().splitlines()
    assert lines[0] == "text,label,predicted_label,confidence,novelty"
    labels = [json.loads(line)["predicted_label"] for line in expected.read_text().splitlines()]
    assert [line.split(",")[2] for line in lines[1:]] == labels


def test_texts_that_were_cut_are_counted_and_said(run: Run, trained: Path, tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    table.write_text("text\na cat\n" + "the dog " * 300 + "\n", encoding="utf-8")

    told = run("predict", trained, table, "--output", tmp_path / "a.csv")
    counted = run("predict", trained, table, "--output", tmp_path / "b.csv", "--json")

    assert "1 of 2 texts exceed 64 tokens and were cut" in told.err
    assert counted.result["cut"] == 1


def test_texts_of_unknown_words_are_warned_of(run: Run, trained: Path, tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    table.write_text("text\na cat\nxylophon zither\n", encoding="utf-8")

    outcome = run("predict", trained, table, "--output", tmp_path / "a.csv")

    assert "1 of 2 texts are mostly tokens that the encoder does not know" in outcome.err


def test_one_standard_output_is_not_for_two(run: Run, trained: Path, tmp_path: Path) -> None:
    outcome = run("predict", trained, write_toy(tmp_path / "in.csv", 6, 0), "--output", "-", "--json")

    assert (outcome.status, outcome.out) == (2, "")
    assert "both want standard output" in outcome.err


def test_a_file_within_the_input_is_not_written(run: Run, trained: Path, tmp_path: Path) -> None:
    Dataset.from_dict({"text": ["a cat"]}).save_to_disk(tmp_path / "rows")
    before = (tmp_path / "rows" / "state.json").read_bytes()
    (tmp_path / "rows" / "p.jsonl").touch()

    outcome = run("predict", trained, tmp_path / "rows", "--output", tmp_path / "rows" / "p.jsonl", "--overwrite")

    assert (outcome.status, outcome.out) == (2, "")
    assert "lies in it" in outcome.err
    assert (tmp_path / "rows" / "state.json").read_bytes() == before


@pytest.mark.parametrize("columns", [["text"], "text", 3, {"text": 5}])
def test_odd_names_of_columns_in_a_model_are_one_line(run: Run, trained: Path, tmp_path: Path, columns: object) -> None:
    model = tmp_path / "model"
    shutil.copytree(trained, model)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    (model / "config.json").write_text(json.dumps(config | {"columns": columns}), encoding="utf-8")

    outcome = run("predict", model, write_toy(tmp_path / "in.csv", 6, 0), "--output", tmp_path / "out.csv")

    assert (outcome.status, outcome.out) == (2, "")
    assert "columns=" in outcome.err
