"""Methods and tasks from outside the package: by entry points, and by module and name."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganbert.compare.conditions import FINE_TUNES
from ganbert.compare.methods import METHODS, FineTuning, base_and_settings, method_named
from ganbert.compare.runs import Run as Run_
from ganbert.compare.tasks import TASKS, metric_of, task_named
from ganbert.errors import InputError
from ganbert.plugins import found
from tests.compare.test_comparison import NoRows
from tests.conftest import Run

EXAMPLES = Path(__file__).parents[2] / "examples"

MODULE = '''
import numpy as np

from ganbert.compare import Local, Method, Outcome, Task
from ganbert.compare.methods import FineTuning
from ganbert.training.recipe import DEFAULT


def first(split, conditions):
    """Always the first class.

    Nothing is learnt.
    """
    return Outcome(np.eye(len(split.corpus.label_names))[[0] * len(split.test)], 0.0)


tuned = Method(FineTuning(DEFAULT, of_paper=False), "mine", ("bert-tuned", "first"))
class Home:
    name = "a home of words"


words = Task("words", Local(("w/train.csv",), "w/test.csv"), Home(), metric="macro_f1", budgets=(50,))
number = 3
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an installed package with two methods, one task, and entry points that name neither."""
    folder = tmp_path / "site"
    (folder / "own-1.0.dist-info").mkdir(parents=True)
    (folder / "own_things.py").write_text(MODULE, encoding="utf-8")
    (folder / "own-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    (folder / "own-1.0.dist-info" / "entry_points.txt").write_text(
        "[ganbert.methods]\nfirst = own_things:first\ntuned = own_things:tuned\nodd = own_things:number\n"
        "[ganbert.tasks]\nwords = own_things:words\nodd = own_things:number\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    found.cache_clear()
    yield folder
    found.cache_clear()
    sys.modules.pop("own_things", None)


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of examples, as the current one and on the path."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.chdir(EXAMPLES)
    yield EXAMPLES
    sys.modules.pop("own_method", None)


def test_the_example_compares_a_method_of_its_own(
    examples: Path, tiny_encoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    importlib.import_module("own_method").main(tmp_path / "out", tiny_encoder, seeds=2)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("own_method:nearest"))
    assert line.endswith("against embed")
    assert "vote of the 5 nearest labelled texts" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_method_is_named_by_module_and_name(
    examples: Path, run: Run, toy_table: Callable[..., Path], tiny_encoder: str, tmp_path: Path
) -> None:
    outcome = run(
        "compare", toy_table(labelled=30), "--methods", "tfidf,own_method:nearest,own_method:vote", "--seeds", 1,
        "--encoder", tiny_encoder, "--precision", "float32", "--output", tmp_path / "out", "--json",
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    runs = {r["method"]: r for r in outcome.result["runs"]}
    assert list(runs) == ["tfidf", "own_method:nearest", "own_method:vote"]
    assert runs["own_method:nearest"]["predicted"] == runs["own_method:vote"]["predicted"]


def test_methods_of_a_package_are_found_by_name_and_in_other_processes(
    package: Path, toy_table: Callable[..., Path], tiny_encoder: str, tmp_path: Path
) -> None:
    (tmp_path / "here.py").write_text("from own_things import first as mine\n", encoding="utf-8")
    arguments = [
        "compare", str(toy_table(labelled=30)), "--methods", "tfidf,first,here:mine", "--against", "tfidf", "--seeds",
        "2", "--encoder", tiny_encoder, "--precision", "float32", "--jobs", "2", "--output", "out", "--json",
    ]  # fmt: skip
    outcome = subprocess.run(
        [Path(sys.executable).parent / "ganbert", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert outcome.returncode == 0, outcome.stderr
    runs = json.loads(outcome.stdout)["runs"]
    assert [r["method"] for r in runs] == ["tfidf", "first", "here:mine"] * 2
    assert [r["predicted"] for r in runs[1::3]] == [r["predicted"] for r in runs[2::3]]


def test_whatever_lists_methods_and_tasks_lists_those_of_packages(package: Path, run: Run) -> None:
    assert list(METHODS)[-3:] == ["first", "tuned", "odd"]
    assert list(TASKS)[-2:] == ["words", "odd"]
    assert (task_named("words").budgets, metric_of("words"), metric_of("messages.csv")) == (
        (50,),
        "macro_f1",
        "accuracy",
    )
    with pytest.raises(
        InputError, match=r"no method 'bart': choose among bert-epochs, .*setfit, first, tuned, odd, or"
    ):
        method_named("bart")
    assert "ag_news, words, odd" in run("curve", "word").err
    assert "no w/train.csv in the data root" in run("curve", "words", "--data-root", package, "--output", package).err


def test_a_function_is_a_method_that_its_docstring_describes(package: Path) -> None:
    method = method_named("first")
    assert (method.says, method.baselines, method.deterministic) == ("Always the first class", FINE_TUNES, False)
    assert method_named("own_things:first") == method


def test_settings_follow_the_name_of_a_method_of_ones_own(package: Path) -> None:
    for name in ("tuned", "own_things:tuned"):
        method = method_named(f"{name}:noise=uniform+encoder_lr=1e-4")
        assert isinstance(method.run, FineTuning)
        assert method.run.changes == (("noise", "uniform"), ("encoder_lr", "1e-4"))
        assert method.baselines == ("bert-tuned:encoder_lr=1e-4", "first")
    assert Run_(NoRows(), "own_things:tuned:noise=uniform", "1%", 0).identity["method"].endswith("noise=uniform")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("gan-bert", ("gan-bert", "")),
        ("gan-bert:noise=uniform", ("gan-bert", "noise=uniform")),
        ("joint:noise", ("joint", "noise")),  # ours, whatever modules there are
        ("a.b:c.d", ("a.b:c.d", "")),
        ("a:b:noise=uniform+pooling=mean", ("a:b", "noise=uniform+pooling=mean")),
    ],
)
def test_a_name_is_of_the_registry_or_of_a_module(name: str, parts: tuple[str, str]) -> None:
    assert base_and_settings(name) == parts


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("odd", r"ganbert\.methods odd: 3 is neither a Method nor a function"),
        ("own_things:number", r"method own_things:number: 3 is neither a Method nor a function"),
        ("own_things:absent", r"method own_things:absent cannot be imported: AttributeError"),
        ("nowhere.at_all:x", r"method nowhere\.at_all:x cannot be imported: ModuleNotFoundError"),
        ("gan-brt:noise=uniform", "no method 'gan-brt': choose among"),
        ("gan_brt:noise=uniform", "no method 'gan_brt': choose among"),
        ("first:noise=uniform", "first has no recipe to change"),
    ],
)
def test_what_is_no_method_is_said_in_one_line(package: Path, name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        method_named(name)


def test_what_is_no_task_is_said_in_one_line(package: Path) -> None:
    with pytest.raises(InputError, match=r"ganbert\.tasks odd: 3 is no Task"):
        task_named("odd")
