"""`ganbert suggest`: rows of a table, with all their columns and a reason, in a table to be labelled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ganbert import Predictor
from ganbert.select.strategies import STRATEGIES
from tests.cli.conftest import write_toy
from tests.cli.test_predict import read
from tests.conftest import NAMES, Outcome, Run, toy_rows

TEXTS = [text for text, _ in dict.fromkeys(toy_rows(90))]
LABELS = dict(toy_rows(90))


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A table of texts that nobody has labelled, with columns before and behind."""
    path = tmp_path / "pool.jsonl"
    rows = [{"id": 100 + i, "text": text, "price": i / 2} for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture
def suggest(run: Run, reading_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `ganbert suggest` with a tiny encoder and an empty place for kept vectors."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path.parent / f"{tmp_path.name}-cache")

    def command(*arguments: object) -> Outcome:
        return run("suggest", *arguments, *(() if "--encoder" in arguments else ("--encoder", reading_encoder)))

    return command


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "csv.gz"])
def test_rows_have_the_columns_of_the_pool_an_empty_label_and_three_more(
    suggest: Run, pool: Path, tmp_path: Path, ending: str
) -> None:
    output = tmp_path / f"next.{ending}"
    outcome = suggest(pool, "-n", 8, "--output", output)
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith(f"8 rows to label written to {output}; strategy: ")

    rows = read(output)
    assert list(rows.columns) == ["id", "text", "price", "label", "reason", "guess", "confidence"]
    assert len({*rows["text"]}) == len(rows) == 8
    positions = [int(i) - 100 for i in rows["id"]]
    assert [TEXTS[i] for i in positions] == list(rows["text"])
    assert [i / 2 for i in positions] == [float(price) for price in rows["price"]]
    for column in ("label", "guess", "confidence"):
        assert rows[column].isna().all()
    assert rows["reason"].str.contains("nobody|unlike").all()


def test_a_labelled_batch_goes_back_in_and_the_next_one_is_new_and_guessed(
    suggest: Run, pool: Path, tmp_path: Path
) -> None:
    batches: list[Path] = []
    seen: set[str] = set()
    for i in range(3):
        batch = tmp_path / f"batch-{i}.csv"
        labelled = [word for path in batches for word in ("--labeled", path)]
        found = suggest(pool, *labelled, "-n", 12, "--output", batch, "--json").result
        assert (found["n"], found["pool"], found["labelled"]) == (12, 90, 12 * i)
        rows = read(batch)
        assert not seen & {*rows["text"]}
        assert rows["guess"].isin(NAMES).all() == (i > 0)
        assert rows["confidence"].between(0, 1).all() == (i > 0)
        seen |= {*rows["text"]}
        rows.assign(label=rows["text"].map(LABELS)).to_csv(batch, index=False)
        batches.append(batch)


def test_rows_of_the_pool_that_have_a_label_are_learned_from(suggest: Run, tmp_path: Path) -> None:
    table = write_toy(tmp_path / "pool.csv", 90, 30)
    found = suggest(table, "-n", 10, "--output", tmp_path / "next.csv", "--json").result
    assert (found["labelled"], found["classes"]) == (30, 3)
    rows = read(tmp_path / "next.csv")
    assert list(rows.columns) == ["text", "label", "reason", "guess", "confidence"]
    assert rows["label"].isna().all()
    assert not {*rows["text"]} & {text for text, _ in toy_rows(30)}
    assert rows["guess"].isin(NAMES).all()


def test_json_says_what_was_done(suggest: Run, pool: Path, tmp_path: Path) -> None:
    output = tmp_path / "next.csv"
    result = suggest(pool, "-n", 5, "--strategy", "random", "--output", output, "--json").result
    assert result == {
        "output": str(output),
        "n": 5,
        "strategy": "random",
        "pool": 90,
        "labelled": 0,
        "classes": 0,
        "skipped_empty": 0,
        "skipped_blank": 0,
    }
    assert {*read(output)["reason"]} == {"drawn at random"}


def test_the_most_telling_row_comes_first(suggest: Run, tmp_path: Path) -> None:
    table = write_toy(tmp_path / "pool.csv", 90, 30)
    outcome = suggest(table, "-n", 15, "--strategy", "margin", "--precision", "float32", "-o", tmp_path / "n.parquet")
    assert outcome.status == 0, outcome.err
    confidence = list(read(tmp_path / "n.parquet")["confidence"])
    assert confidence[0] < confidence[-1]
    position = {text: i for i, (text, _) in enumerate(toy_rows(90))}
    order = [position[text] for text in read(tmp_path / "n.parquet")["text"]]
    assert order != sorted(order)


def test_a_model_gives_the_guesses_and_the_names_of_the_columns(suggest: Run, trained: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS})
    frame.to_parquet(tmp_path / "pool.parquet")
    output = tmp_path / "next.parquet"
    arguments = ("--model", trained, "--precision", "float32", "--output", output)
    outcome = suggest(tmp_path / "pool.parquet", *arguments)
    assert outcome.status == 0, outcome.err
    rows = read(output)
    predicted = Predictor.load(trained, precision="float32").predict(list(rows["text"]))
    assert list(rows["guess"]) == predicted.labels
    assert list(rows["confidence"]) == pytest.approx(predicted.confidence.tolist(), abs=1e-5)

    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "model").mkdir()
    for file in trained.iterdir():
        (tmp_path / "model" / file.name).write_bytes(file.read_bytes())
    config["columns"] = {"text": "body", "label": "topic"}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    frame.rename(columns={"text": "body"}).to_parquet(tmp_path / "pool.parquet")
    outcome = suggest(tmp_path / "pool.parquet", *arguments, "--overwrite", "--model", tmp_path / "model")
    assert outcome.status == 0, outcome.err
    assert list(read(output).columns) == ["body", "topic", "reason", "guess", "confidence"]


def test_names_of_classes_come_from_a_file(suggest: Run, pool: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"animal": ["cat", "dog"], "colour": "red crimson", "tool": "hammer saw"}))
    found = suggest(pool, "--class-names", names, "--output", tmp_path / "next.csv", "--json").result
    assert found["classes"] == 3
    assert read(tmp_path / "next.csv")["guess"].isin(NAMES).all()
    refused = suggest(pool, "--class-names", names, "--output", names, "--overwrite")
    assert (refused.status, "is the input too" in refused.err or "no table format" in refused.err) == (2, True)


def test_delimiter_and_encoding_of_the_pool_stay(suggest: Run, tmp_path: Path) -> None:
    table = tmp_path / "pool.csv"
    lines = ["id;text;größe", *(f"{i};{text};ü" for i, text in enumerate(TEXTS))]
    table.write_bytes("\n".join(lines).encode("latin-1"))
    outcome = suggest(table, "-n", 4, "--delimiter", ";", "--encoding", "latin-1", "--output", tmp_path / "next.csv")
    assert outcome.status == 0, outcome.err
    written = (tmp_path / "next.csv").read_bytes().decode("latin-1").splitlines()
    assert written[0] == "id;text;größe;label;reason;guess;confidence"
    assert len(written) == 5


def test_rows_go_to_standard_output(suggest: Run, pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = suggest(pool, "-n", 3, "--output", "-", "--format", "jsonl")
    assert outcome.status == 0, outcome.err
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert [[*row] for row in rows] == [["id", "text", "price", "label", "reason", "guess", "confidence"]] * 3
    assert "3 rows to label written to standard output" in outcome.err


def test_rows_without_text_are_left_out_and_the_right_rows_written(suggest: Run, tmp_path: Path) -> None:
    table = tmp_path / "pool.csv"
    lines = [line for i, text in enumerate(TEXTS) for line in (f"{i},{text}", f"{i},")]
    table.write_text("id,text\n" + "\n".join(lines) + "\n", encoding="utf-8")
    found = suggest(table, "--skip-empty", "-n", 9, "--output", tmp_path / "next.csv", "--json").result
    assert (found["pool"], found["skipped_empty"]) == (90, 90)
    rows = read(tmp_path / "next.csv")
    assert [TEXTS[i] for i in rows["id"]] == list(rows["text"])


def test_columns_that_come_late_are_kept(suggest: Run, pool: Path, tmp_path: Path) -> None:
    lines = pool.read_text(encoding="utf-8").splitlines() * 60  # more than a chunk
    late = [json.dumps({"text": f"{text} drill", "note": "late", "price": "?"}) for text in TEXTS[:20]]
    pool.write_text("\n".join([*lines, *late]), encoding="utf-8")
    outcome = suggest(pool, "-n", 60, "--strategy", "random", "--output", tmp_path / "next.jsonl")
    assert outcome.status == 0, outcome.err
    rows = [json.loads(line) for line in (tmp_path / "next.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all((row["note"] == "late") == row["text"].endswith(" drill") for row in rows if row["price"] == "?")
    assert {row["note"] for row in rows} == {None, "late"}


Arguments = Callable[[Path, Path], list[Any]]

WRONG: list[Any] = [
    pytest.param(lambda pool, tmp: ["-", "-o", tmp / "n.csv"], ["-: the pool is read more than once"], id="a pipe"),
    pytest.param(lambda pool, tmp: [pool, "-o", pool, "--overwrite"], ["is the input too"], id="over the pool"),
    pytest.param(lambda pool, tmp: [pool, "-o", tmp / "n.docx"], ["no table format"], id="no table"),
    pytest.param(lambda pool, tmp: [pool, "-o", tmp / "no" / "n.csv"], ["cannot be written"], id="no folder"),
    pytest.param(lambda pool, tmp: [pool, "-o", "-", "--json"], ["both want standard output"], id="one output for two"),
    pytest.param(lambda pool, tmp: [tmp / "no.csv", "-o", tmp / "n.csv"], ["no.csv: no such file"], id="no pool"),
    pytest.param(
        lambda pool, tmp: [pool, "-o", tmp / "n.csv", "--text-column", "body"],
        ["column 'body': no such column; the columns here are 'id', 'text'"],
        id="no column",
    ),
    pytest.param(
        lambda pool, tmp: [pool, "-o", tmp / "n.csv", "--labeled", pool], ["column 'label'"], id="no label in labeled"
    ),
    pytest.param(
        lambda pool, tmp: [pool, "-o", tmp / "n.csv", "--strategy", "best"],
        ["'best': choose one of auto, random"],
        id="no strategy",
    ),
    pytest.param(
        lambda pool, tmp: [pool, "-o", tmp / "n.csv", "-n", 0], ["-n", "greater than or equal to 1"], id="no rows"
    ),
    pytest.param(lambda pool, tmp: [pool, "-o", tmp / "n.csv", "-n", 9999], ["n=9999: 1 to 2,000"], id="too many"),
    pytest.param(lambda pool, tmp: [pool, "-o", tmp / "n.csv", "--model", tmp], ["is no model folder"], id="no model"),
    pytest.param(
        lambda pool, tmp: [pool, "-o", tmp / "n.csv", "--encoder", tmp], ["encoder ", "config.json"], id="no encoder"
    ),
    pytest.param(
        lambda pool, tmp: [pool, "-o", tmp / "n.csv", "--class-names", tmp / "no.json"], ["no.json"], id="no names"
    ),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_input_is_one_line_and_nothing_is_written(
    suggest: Run, pool: Path, tmp_path: Path, arguments: Arguments, words: list[str]
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    outcome = suggest(*arguments(pool, tmp_path))
    assert (outcome.status, outcome.out) == (2, "")
    assert len(outcome.err.splitlines()) == 1, outcome.err
    assert all(word in outcome.err for word in words), outcome.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("column", ["reason", "guess", "confidence"])
def test_a_column_of_suggestions_is_not_written_over(suggest: Run, tmp_path: Path, column: str) -> None:
    table = tmp_path / "pool.csv"
    table.write_text(f"text,{column}\na cat,x\nthe saw,y\n", encoding="utf-8")
    outcome = suggest(table, "--output", tmp_path / "next.csv")
    assert (outcome.status, outcome.out) == (2, "")
    assert f"{table}, column '{column}': is a column of suggestions already" in outcome.err
    assert list(tmp_path.iterdir()) == [table]


def test_an_error_in_a_late_row_leaves_the_old_file_whole(suggest: Run, tmp_path: Path) -> None:
    table, output = tmp_path / "pool.csv", tmp_path / "next.csv"
    table.write_text("text\n" + "a cat\n" * 4200 + '" "\n', encoding="utf-8")
    output.write_text("precious", encoding="utf-8")
    outcome = suggest(table, "--output", output, "--overwrite")
    assert (outcome.status, outcome.out) == (2, "")
    assert f"{table}, row 4201, column 'text': empty text" in outcome.err
    assert output.read_text(encoding="utf-8") == "precious"
    refused = suggest(table, "--output", output)
    assert (refused.status, refused.err) == (2, f"ganbert: {output}: exists already (--overwrite replaces it)\n")


def test_a_pool_in_which_every_row_has_a_label_gives_a_table_without_rows(suggest: Run, tmp_path: Path) -> None:
    table = write_toy(tmp_path / "pool.csv", 12, 12)
    outcome = suggest(table, "--output", tmp_path / "next.csv")
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("0 rows to label written to ")
    assert (tmp_path / "next.csv").read_text() == "text,label,reason,guess,confidence\n"


def test_help_names_every_strategy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    said = re.sub(r"[^\w-]+", " ", run("suggest", "--help").out)
    assert all(re.search(rf" {name} ", said) for name in ("auto", *STRATEGIES.own))
