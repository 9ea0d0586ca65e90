"""`ganbert compare` and `ganbert curve` on real commands with a tiny encoder."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from scipy import stats

from tests.conftest import Run, toy_rows

FAST = ("--max-steps", 4, "--max-length", 16, "--precision", "float32", "--threads", 1)
METHODS = "tfidf,embed,bert-tuned,default"


@pytest.fixture
def compare(run: Run, tiny_encoder: str, tmp_path: Path) -> Run:
    """Return a function that runs `ganbert compare` briefly, into `tmp_path / "out"`."""
    return lambda *arguments: run("compare", *arguments, *FAST, "--encoder", tiny_encoder, "--output", tmp_path / "out")


def test_a_test_file_is_measured_on(compare: Run, toy_table: Callable[..., Path], tmp_path: Path) -> None:
    test = toy_table(n=30, labelled=30, name="test.csv", first=60)
    outcome = compare(toy_table(), "--test", test, "--seeds", 2, "--json")
    assert outcome.status == 0, outcome.err
    runs, summary = outcome.result["runs"], outcome.result["summary"]
    seedless = [("tfidf", 0), ("embed", 0)]  # with the same rows, another seed would do the same
    assert [(r["method"], r["seed"]) for r in runs] == [
        *seedless, ("bert-tuned", 0), ("default", 0), ("bert-tuned", 1), ("default", 1)
    ]  # fmt: skip
    assert {r["n_test"] for r in runs} == {30}
    assert {(r["n_labelled"], r["n_unlabelled"]) for r in runs} == {(24, 36)}
    assert {r["steps"] for r in runs if r["method"].startswith("default")} == {4}
    default = next(s for s in summary if s["method"] == "default")
    assert default["baseline"] == "bert-tuned"
    assert (default["gain"]["n"], default["gain"]["rows"]) == (2, 30)
    tfidf = next(s for s in summary if s["method"] == "tfidf")
    assert (tfidf["figures"]["accuracy"]["n"], tfidf["gain"]["n"], tfidf["gain"]["rows"]) == (1, 2, 30)
    hits = round(30 * tfidf["figures"]["accuracy"]["mean"])
    wilson = stats.binomtest(hits, 30).proportion_ci(method="wilson")
    assert (tfidf["figures"]["accuracy"]["low"], tfidf["figures"]["accuracy"]["high"]) == pytest.approx(wilson)
    assert default["fallback"].startswith("The unlabelled rows are not used")
    assert default["name"] == "default (plain fine-tune)"
    played, plain = ([r["accuracy"] for r in runs if r["method"] == m] for m in ("default", "bert-tuned"))
    assert default["gain"]["mean"] == pytest.approx((sum(played) - sum(plain)) / 2)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "results.jsonl", "commands.txt", "curve.png", "curve.svg", "report.html", "summary.md",
    }  # fmt: skip
    assert "ganbert compare" in (tmp_path / "out" / "report.html").read_text()


def test_a_teacher_of_another_encoder_is_in_the_records(
    compare: Run, toy_table: Callable[..., Path], tiny_encoder: str
) -> None:
    given = ("--methods", "default:looks_needed=0", "--seeds", 1, "--teacher-encoder", tiny_encoder, "--json")
    outcome = compare(toy_table(), "--test", toy_table(n=30, labelled=30, name="test.csv", first=60), *given)
    assert outcome.status == 0, outcome.err
    (record,) = outcome.result["runs"]
    assert record["settings"]["teacher_encoder"] == tiny_encoder
    assert record["fallback"] is None


def test_without_a_test_file_labelled_rows_are_cross_validated(compare: Run, toy_table: Callable[..., Path]) -> None:
    outcome = compare(toy_table(labelled=30), "--methods", "tfidf", "--seeds", 5, "--json")
    assert outcome.status == 0, outcome.err
    runs = outcome.result["runs"]
    assert sum(r["n_test"] for r in runs) == 30  # every labelled row once
    assert {r["split"] for r in runs} == {"cross-validation"}
    assert all(r["n_labelled"] + r["n_test"] == 30 for r in runs)


def test_labels_can_be_withheld(compare: Run, toy_table: Callable[..., Path]) -> None:
    test = toy_table(n=30, labelled=30, name="test.csv", first=60)
    arguments = (toy_table(labelled=40), "--test", test, "--methods", "tfidf", "--seeds", 1, "--json")
    for labels, expected in (("50%", (20, 40)), ("10", (10, 50))):
        outcome = compare(*arguments, "--labels", labels)
        assert outcome.status == 0, outcome.err
        assert [(r["n_labelled"], r["n_unlabelled"]) for r in outcome.result["runs"]] == [expected]


def test_several_budgets_of_one_table(compare: Run, toy_table: Callable[..., Path], tmp_path: Path) -> None:
    test = toy_table(n=30, labelled=30, name="test.csv", first=60)
    arguments = ("--test", test, "--methods", "tfidf", "--seeds", 2, "--json")
    outcome = compare(toy_table(labelled=40), *arguments, "--budgets", "10, 50%,100%,10")
    assert [(r["budget"], r["n_labelled"], r["seed"]) for r in outcome.result["runs"]] == [
        ("10", 10, 0), ("50%", 20, 0), ("100%", 40, 0), ("10", 10, 1), ("50%", 20, 1)
    ]  # fmt: skip
    assert "| | 10 | 50% (20) | 100% (40) |" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


def test_names_and_encoders_may_be_several(
    run: Run, toy_table: Callable[..., Path], tiny_encoder: str, tmp_path: Path
) -> None:
    test = toy_table(n=30, labelled=30, name="test.csv", first=60)
    other = tmp_path / "an encoder, with a comma"
    shutil.copytree(tiny_encoder, other)
    arguments = ("compare", toy_table(labelled=40), "--test", test, "--methods", "embed", "--seeds", 1, *FAST)
    output = ("--output", tmp_path / "out")
    outcome = run(*arguments, *output, "--labels", "0,9", "--names", "labels", "--encoder", other, "--json")
    assert outcome.status == 0, outcome.err
    assert [(r["budget"], r["encoder"], r["names"]) for r in outcome.result["runs"]] == [
        (budget, str(other), "labels") for budget in ("0", "9")
    ]
    (tmp_path / "tiny").symlink_to(tiny_encoder)
    (tmp_path / "small").symlink_to(tiny_encoder)
    encoders = f"{tmp_path / 'tiny'},{tmp_path / 'small'}"
    outcome = run(*arguments, *output, "--labels", "9", "--names", "none,labels", "--encoders", encoders)
    assert outcome.status == 0, outcome.err
    for variant in ("tiny, no names", "tiny, names", "small, no names", "small, names"):
        assert f"embed [{variant}]" in outcome.out
        assert f"9 embed [{variant}] seed 0: accuracy" in outcome.err


def test_what_was_skipped_is_counted(compare: Run, toy_table: Callable[..., Path]) -> None:
    table = toy_table(labelled=30)
    table.write_text(table.read_text(encoding="utf-8") + '"  ",tool\n', encoding="utf-8")
    arguments = (table, "--methods", "tfidf", "--seeds", 1, "--skip-empty", "--json")
    first, again = compare(*arguments), compare(*arguments)
    assert "left out: 1 row without text" in first.err
    assert (first.result["skipped_empty"], first.result["skipped_blank"]) == (1, 0)
    assert again.result["skipped_empty"] == 1  # also where nothing is run


def test_what_was_read_is_said_with_what_is_odd_about_it(compare: Run, toy_table: Callable[..., Path]) -> None:
    table = toy_table(labelled=30)
    text = table.read_text(encoding="utf-8")
    table.write_text(text + "a b,Tool\nc d,Tool\ne f,?\n", encoding="utf-8")
    arguments = ("--methods", "tfidf", "--seeds", 1, "--json")
    plain = compare(table, *arguments)
    assert "33 labelled in 5 classes" in plain.err
    assert "Warning: labels that look alike are separate classes" in plain.err
    mended = compare(table, *arguments, "--normalize-labels", "--none-label", "?")
    assert "32 labelled in 3 classes" in mended.err
    assert "look alike" not in mended.err
    assert mended.result["runs"][0]["classes"] == 3


def test_the_time_that_is_left_is_told_by_method(compare: Run, toy_table: Callable[..., Path]) -> None:
    outcome = compare(toy_table(labelled=30), "--methods", "tfidf,bert-tuned", "--seeds", 2)
    assert outcome.status == 0, outcome.err
    first, second, *_ = [line for line in outcome.err.splitlines() if " seed " in line]
    assert first.startswith("toy.csv 100% tfidf seed 0: accuracy ")
    assert "[1/4, " in first
    assert "2 runs not timed yet)]" in first
    assert "[2/4, about 0:00:" in second


def test_a_changed_table_is_measured_anew(compare: Run, toy_table: Callable[..., Path], tmp_path: Path) -> None:
    arguments = ("--methods", "tfidf", "--seeds", 1, "--json")
    first = compare(toy_table(labelled=30), *arguments)
    again = compare(toy_table(labelled=30), *arguments)
    changed = compare(toy_table(labelled=40), *arguments)
    assert first.result["runs"] == again.result["runs"]
    assert changed.result["runs"][0]["split_hash"] != first.result["runs"][0]["split_hash"]
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 2


def test_people_get_a_table_and_a_sentence(compare: Run, toy_table: Callable[..., Path]) -> None:
    outcome = compare(toy_table(labelled=30), "--methods", "default,default-plain", "--seeds", 2)
    assert outcome.status == 0, outcome.err
    assert "default-plain" in outcome.out
    assert "default: " in outcome.out
    assert "Report: " in outcome.out
    assert "4 runs, 4 of them still to be done" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "no table"),
        (("qc-coarse",), "needs a label budget, as --labels 1%"),
        (("qc-coarse", "--labels", "1%", "--test", "t.csv"), "compare tasks and files in two commands"),
        (("toy.csv", "--methods", "bart"), "no method 'bart'"),
        (("toy.csv", "--engine", "slurm"), "choose local or ray"),
        (("qc-coarse", "--labels", "some"), "label budget 'some'"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: tuple[str, ...], problem: str, compare: Run, toy_table: Callable[..., Path]
) -> None:
    table = toy_table()
    outcome = compare(*(table if argument == "toy.csv" else argument for argument in arguments))
    assert (outcome.status, outcome.out) == (2, "")
    assert problem in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("toy.csv", "--seeds", 2), "cross-validation over 6 labelled rows"),
        (("toy.csv", "--label-column", "intent"), "'intent'"),
        (("qc-corse", "--labels", "1%"), "qc-corse: no such file or folder, and no task (qc-coarse, qc-fine"),
        (("toy.csv", "--against", "bert"), "--against bert: is not among --methods"),
        (("toy.csv", "--address", "10.0.0.1"), "add --engine ray"),
        (("toy.csv", "--engine", "ray", "--jobs", 2), "--jobs is for --engine local"),
        (("toy.csv", "--seeds", 10**9), "--seeds 1e+09: at most 1,000"),
        (("toy.csv", "--jobs", 10**6), "--jobs 1e+06: at most 256"),
        (("toy.csv", "--epochs", "1e300"), "--epochs 1e+300: at most 1,000,000"),
        (("toy.csv", "--labels", "10,,20"), "label budget ''"),
        (("toy.csv", "--labels", "1e300"), "label budget '1e300'"),
        (("toy.csv", "--labels", "few_5"), "label budget 'few_5': write a number"),
        (
            ("hwu64", "--labels", "few_7"),
            "as 1%, or a subset: few_10, few_5",
        ),
        (("toy.csv", "--names", "no.json"), "--names 'no.json': write none, labels, or a file that there is"),
        (("toy.csv", "--names", "none,"), "--names '': write none, labels, or a file that there is"),
        (("toy.csv", "--methods", f"gan-bert:max_steps={10**20}"), f"max_steps={10**20}"),
    ],
)
def test_what_cannot_be_used_is_one_line_before_anything_is_run(
    arguments: tuple[object, ...], problem: str, compare: Run, toy_table: Callable[..., Path], tmp_path: Path
) -> None:
    table = toy_table(labelled=6)
    before = table.read_bytes()
    outcome = compare(*(table if argument == "toy.csv" else argument for argument in arguments))
    assert (outcome.status, outcome.out) == (2, "")
    assert problem in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "out" / "results.jsonl").exists()
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--output", "toy.csv"), "toy.csv: is a file; --output names a folder"),
        (("--output", "/proc/nope"), "/proc/nope: cannot be written to"),
        (("--max-steps", 10**20), "--max-steps 1e+20: at most 1,000,000,000"),
    ],
)
@pytest.mark.parametrize("command", ["compare", "curve"])
def test_a_folder_that_cannot_be_used_is_one_line(
    command: str, arguments: tuple[str, ...], problem: str, run: Run, toy_table: Callable[..., Path], tmp_path: Path
) -> None:
    table = toy_table()
    before = table.read_bytes()
    what = table if command == "compare" else "qc-coarse"
    outcome = run(command, what, *(table if argument == "toy.csv" else argument for argument in arguments))
    assert (outcome.status, outcome.out) == (2, "")
    assert problem in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert table.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["toy.csv"]


@pytest.mark.parametrize("line", ['{"task": "x"}', '["x"]', "not json"])
def test_a_foreign_line_among_results_is_told_before_anything_is_run(
    line: str, compare: Run, toy_table: Callable[..., Path], tmp_path: Path
) -> None:
    arguments = (toy_table(labelled=30), "--methods", "tfidf", "--seeds", 1, "--json")
    record = compare(*arguments).result["runs"][0]
    path = tmp_path / "out" / "results.jsonl"
    for foreign in (line, json.dumps({**record, "seed": 3, "accuracy": "high"})):
        path.write_text(f"{json.dumps(record)}\n{foreign}\n", encoding="utf-8")
        outcome = compare(*arguments, "--seeds", 2)
        assert (outcome.status, outcome.out) == (2, "")
        assert f"{path}, row 2: is no record of a run" in outcome.err
        assert len(outcome.err.splitlines()) == 1


def test_rows_that_stand_twice_are_no_obstacle(compare: Run, toy_table: Callable[..., Path]) -> None:
    table = toy_table(labelled=30)
    header, first, *rest = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([header, first, first, *rest]) + "\n", encoding="utf-8")
    outcome = compare(table, "--methods", "tfidf", "--seeds", 5, "--json")
    assert outcome.status == 0, outcome.err
    assert {(r["n_labelled"] + r["n_test"] + r["n_removed"]) for r in outcome.result["runs"]} == {31}


def test_what_a_table_is_for_is_part_of_its_results(compare: Run, toy_table: Callable[..., Path]) -> None:
    one, other = toy_table(n=30, labelled=30, name="a.csv"), toy_table(n=30, labelled=30, name="b.csv", first=30)
    both = compare(one, other, "--methods", "tfidf", "--seeds", 1, "--json").result["runs"]
    roles = compare("--labeled", one, "--unlabeled", other, "--methods", "tfidf", "--seeds", 1, "--json").result["runs"]
    assert [r["n_labelled"] for r in (*both, *roles)] == [48, 24]


def test_with_a_fully_labelled_table_what_ran_is_named(compare: Run, toy_table: Callable[..., Path]) -> None:
    outcome = compare(toy_table(labelled=60), "--methods", "bert-tuned,default", "--seeds", 2)
    assert outcome.status == 0, outcome.err
    assert "toy.csv 100% default (plain fine-tune) seed 0: accuracy" in outcome.err
    lines = outcome.out.splitlines()
    assert any(line.split()[:3] == ["default", "(plain", "fine-tune)"] for line in lines)
    said = next(line for line in lines if line.startswith("default (plain fine-tune): "))
    assert said.startswith("default (plain fine-tune): All rows are labelled, so there is no unlabelled text to learn")


def test_a_method_without_its_baseline_says_how_to_get_the_difference(
    compare: Run, toy_table: Callable[..., Path]
) -> None:
    outcome = compare(toy_table(labelled=30), "--methods", "tfidf", "--seeds", 2)
    assert "tfidf: measured against nothing. For the difference from bert add it to --methods, or name" in outcome.out
    assert "ECE: how far confidence is from accuracy on average" in " ".join(outcome.out.split())


def test_names_cannot_steer_the_terminal(compare: Run, toy_table: Callable[..., Path], tmp_path: Path) -> None:
    table = toy_table(labelled=30, name="[red]a|$b$\x1b[31m.csv")
    outcome = compare(table, "--methods", "tfidf", "--seeds", 2)
    assert outcome.status == 0, outcome.err
    assert r"[red]a|$b$\x1b[31m.csv, 100% (24 labelled rows), measured on cross-validation" in outcome.out
    assert "\x1b" not in outcome.out + outcome.err
    assert "\x1b" not in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


def test_a_missing_table_is_told_before_anything_slow_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['ganbert', 'compare', 'nowhere.csv']\nfrom ganbert.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code, {'torch', 'datasets'} & set(sys.modules))"
    )
    (tmp_path / "there.csv").write_text("text,intent\na,b\n")
    columns = subprocess.run(
        [sys.executable, "-c", code.replace("nowhere", "there")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert columns.stdout == "2 set()\n"
    assert columns.stderr.startswith("ganbert: there.csv, column 'label': no such column")
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert outcome.stdout == "2 set()\n"
    assert outcome.stderr.startswith("ganbert: nowhere.csv: no such file or folder, and no task (qc-coarse, ")


def test_another_method_can_be_what_all_are_measured_against(compare: Run, toy_table: Callable[..., Path]) -> None:
    outcome = compare(toy_table(labelled=30), "--methods", "tfidf,embed", "--against", "tfidf", "--seeds", 2, "--json")
    assert [s["baseline"] for s in outcome.result["summary"]] == [None, "tfidf"]


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGTERM, 2)])
def test_a_signal_stops_all_runs_and_says_how_to_go_on(
    number: signal.Signals, jobs: int, toy_table: Callable[..., Path], tiny_encoder: str, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [
            sys.executable, "-m", "ganbert", "compare", str(toy_table()), "--methods", "tfidf,default-plain",
            "--seeds", "2", "--max-steps", "1000000", "--encoder", tiny_encoder, "--output", str(tmp_path / "out"),
            "--jobs", str(jobs), "--threads", "1",
        ],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    results = tmp_path / "out" / "results.jsonl"
    while not results.exists() and process.poll() is None:
        time.sleep(0.1)
    time.sleep(2)  # into the endless training
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "ganbert: stopped; the same command again does only what is missing" in err
    assert "Traceback" not in err


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """A data root with a small QC of toy rows."""
    folder = tmp_path / "data" / "qc"
    folder.mkdir(parents=True)
    for name, n, first in (("train", 200, 0), ("test", 30, 500)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
            for text, label in toy_rows(n, first=first):
                file.write(json.dumps({"text": text, "coarse": label, "fine": label}) + "\n")
    return tmp_path / "data"


Curve = Callable[..., list[dict[str, object]]]


@pytest.fixture
def curve(run: Run, tiny_encoder: str, data_root: Path, tmp_path: Path) -> Curve:
    """Return a function that runs `ganbert curve qc-coarse` briefly, into `tmp_path / "out"`, and returns the runs."""

    def command(budgets: str, *more: object, methods: str = "bert,tfidf") -> list[dict[str, object]]:
        outcome = run(
            "curve", "qc-coarse", "--methods", methods, "--budgets", budgets, "--seeds", 1,
            "--data-root", data_root, "--output", tmp_path / "out", "--encoder", tiny_encoder, "--json", *FAST, *more,
        )  # fmt: skip
        assert outcome.status == 0, outcome.err
        return list(outcome.result["runs"])

    return command


def test_a_curve_does_what_is_missing(curve: Curve, tmp_path: Path) -> None:
    first = curve("10%")
    both = curve("10%,20%")
    assert both[:2] == first
    assert [(r["budget"], r["n_labelled"]) for r in both] == [("10%", 20)] * 2 + [("20%", 40)] * 2
    development = curve("10%", "--split", "dev")
    assert {(r["split"], r["n_test"]) for r in development} == {("dev", 20)}
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 6


def test_the_report_of_a_folder_shows_all_of_it_that_compares(curve: Curve, tmp_path: Path) -> None:
    curve("20%")
    curve("10%", methods="tfidf")
    curve("10%", "--balanced", methods="tfidf")
    assert len(curve("10%", methods="tfidf")) == 1  # no more than was asked for
    folder = tmp_path / "out"
    summary = (folder / "summary.md").read_text(encoding="utf-8")
    assert "3 runs." in summary  # not the balanced one
    assert "| | 10% (20) | 20% (40) |" in summary
    commands = (folder / "commands.txt").read_text(encoding="utf-8").splitlines()
    assert len(commands) == 3
    assert all(command in summary for command in commands)


def test_a_task_that_is_missing_is_said(run: Run, tiny_encoder: str, tmp_path: Path) -> None:
    outcome = run("curve", "mnli-mm", "--data-root", tmp_path, "--output", tmp_path / "out", "--encoder", tiny_encoder)
    assert outcome.status == 2
    assert "no mnli/train.jsonl.gz" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_the_environment_names_the_data_root(
    run: Run, tiny_encoder: str, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBERT_DATA", str(data_root))
    outcome = run(
        "compare", "qc-fine", "--labels", "20", "--methods", "tfidf", "--seeds", 1, "--output", tmp_path / "out",
        "--encoder", tiny_encoder, "--json",
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    assert outcome.result["runs"][0]["n_labelled"] == 20


def test_standard_input_is_no_table_of_a_comparison(run: Run, toy_table: Callable[..., Path], tmp_path: Path) -> None:
    outcome = run("compare", toy_table(), "--test", "-", "--output", tmp_path / "out")

    assert outcome.status == 2
    assert "reads its tables more than once" in outcome.err
    assert not (tmp_path / "out").exists()
