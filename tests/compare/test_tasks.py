"""The paper's tasks: from a local folder, from their public homes, and what is said when neither can be had."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from ganbert.compare.row_sources import TaskRows
from ganbert.compare.tasks import TASKS, Hub, WebTables, strip_post, task_named
from ganbert.errors import InputError

SIZES = {
    "qc-coarse": (5452, 500, 6),
    "qc-fine": (5452, 500, 50),
    "sst5": (8544, 2210, 5),
    "mnli-m": (24511, 9815, 3),
    "hwu64": (8954, 1076, 64),
    "stackoverflow": (12000, 6000, 20),
    "ag_news": (8000, 7600, 4),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_real_tasks_have_the_rows_they_should(name: str, real_data: Path) -> None:
    train, test = (task_named(name).load(part, real_data) for part in ("train", "test"))
    assert (len(train), len(test), len(set(train["label"]))) == SIZES[name]
    assert set(test["label"]) <= set(train["label"])
    assert ("text_pair" in train.column_names) == name.startswith("mnli")


def test_20_newsgroups_has_two_variants_that_differ_in_headers(real_data: Path) -> None:
    raw, stripped = (task_named(name).load("test", real_data) for name in ("20n", "20n-stripped"))
    assert len(raw) == len(stripped) == 7532
    assert sum("From:" in text for text in raw["text"]) == 7532
    assert sum("From:" in text for text in stripped["text"]) < 500  # some quote whole posts
    train = task_named("20n-stripped").load("train", real_data)
    assert 11_000 < len(train) < 11_314  # posts of nothing but header and quotes are gone
    assert "" not in train["text"][:]


def test_posts_are_stripped_as_scikit_learn_does() -> None:
    post = "From: a@b\nSubject: x\n\nBob wrote:\n> no\nYes, it is.\n\n--\nAlice"
    assert strip_post(post) == "Yes, it is."
    assert strip_post("From: a@b") == ""


def test_what_is_missing_is_said(real_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mnli-mm: no mnli/test_mismatched\.jsonl\.gz in the data root"):
        task_named("mnli-mm").load("test", real_data)
    with pytest.raises(InputError, match=r"no qc/train\.jsonl\.gz in the data root"):
        task_named("qc-fine").load("train", tmp_path)


@pytest.mark.parametrize("name", ["qc-coarse", "20n"])
def test_without_network_and_data_root_one_line_says_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("datasets.load_dataset", offline)
    monkeypatch.setattr("sklearn.datasets.fetch_20newsgroups", offline)
    with pytest.raises(InputError, match=r"cannot be loaded from .*--data-root or GANBERT_DATA"):
        task_named(name).load("train", None)


def test_a_home_with_other_columns_and_numbered_classes(tmp_path: Path) -> None:
    features = Features(
        {
            "premise": Value("string"),
            "hypothesis": Value("string"),
            "label": ClassLabel(names=["yes", "no"]),
            "idx": Value("int64"),
        }
    )
    columns = {"premise": ["p1", "p2"], "hypothesis": ["h1", "h2"], "label": [1, 0], "idx": [0, 1]}
    Dataset.from_dict(columns, features).to_parquet(tmp_path / "train.parquet")
    task = replace(TASKS["mnli-m"], home=Hub(str(tmp_path), "label", text="premise", text_pair="hypothesis"))
    assert task.load("train", None).to_dict() == {
        "text": ["p1", "p2"], "text_pair": ["h1", "h2"], "label": ["no", "yes"],
    }  # fmt: skip


def test_a_home_whose_labels_are_spelled_otherwise(tmp_path: Path) -> None:
    rows = {"text": ["a", "b"], "label": ["Sci/Tech", "World"]}
    Dataset.from_dict(rows).to_parquet(tmp_path / "train.parquet")
    task = replace(TASKS["ag_news"], home=replace(TASKS["ag_news"].home, name=str(tmp_path)))  # type: ignore[type-var]
    assert task.load("train", None)["label"][:] == ["sci_tech", "world"]


def test_a_home_whose_labels_are_numbers_of_another_table(tmp_path: Path) -> None:
    for folder, columns in (
        ("data", {"utterance": ["wake me", "play"], "label": [1, 0]}),
        ("intents", {"id": [0, 1], "name": ["play_music", "alarm_set"]}),
    ):
        (tmp_path / folder).mkdir()
        split = "train" if folder == "data" else "intents"
        Dataset.from_dict(columns).to_parquet(tmp_path / folder / f"{split}-00000-of-00001.parquet")
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n"
        "- config_name: intents\n  data_files:\n  - split: intents\n    path: intents/intents-*\n---\n",
        encoding="utf-8",
    )
    task = replace(TASKS["hwu64"], home=replace(TASKS["hwu64"].home, name=str(tmp_path)))  # type: ignore[type-var]
    assert task.load("train", None).to_dict() == {"text": ["wake me", "play"], "label": ["alarm_set", "play_music"]}


def test_a_home_of_tab_separated_files(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text('text\tlabel\n"""Live Preview"" of a post"\tajax\nNA\tqt\n', encoding="utf-8")
    task = replace(TASKS["stackoverflow"], home=WebTables("here", str(tmp_path)))
    assert task.load("test", None).to_dict() == {"text": ['"Live Preview" of a post', "NA"], "label": ["ajax", "qt"]}


def test_budgets_are_percentages_or_rows(real_data: Path) -> None:
    assert TaskRows("sst5", real_data).budgets[0] == "1%"
    source = TaskRows("hwu64", real_data)
    assert source.budgets == ["50", "100", "200", "400", "800", "1600"]
    assert len(source.split("50", 0).corpus.labelled) == 50


def test_a_task_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no task 'qc': choose one of qc-coarse, qc-fine"):
        task_named("qc")


@pytest.fixture
def small_root(tmp_path: Path) -> Path:
    """A data root with a QC of 200 rows."""
    folder = tmp_path / "qc"
    folder.mkdir()
    for name, n, start in (("train", 200, 0), ("test", 10, 195)):
        rows = [
            {"text": f"t{i}", "coarse": "AB"[i % 2], "fine": "A:xB:y"[i % 2 * 3 :][:3]} for i in range(start, start + n)
        ]
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return tmp_path


def test_percentages_are_of_the_whole_training_set(small_root: Path) -> None:
    split = TaskRows("qc-coarse", small_root).split("10%", 0)
    assert len(split.corpus.labelled) == 20
    assert split.corpus.label_names == ("A", "B")


def test_development_runs_never_read_the_test_set(small_root: Path) -> None:
    (small_root / "qc" / "test.jsonl.gz").unlink()
    split = TaskRows("qc-fine", small_root, "dev").split("10%", 0)
    assert len(split.test) == 20
    tested = TaskRows("qc-fine", small_root, "test")
    with pytest.raises(InputError, match=r"no qc/test\.jsonl\.gz"):
        tested.split("10%", 0)


def test_test_runs_never_train_on_development_rows(small_root: Path) -> None:
    development = TaskRows("qc-coarse", small_root, "dev").split("10%", 0)
    tested = TaskRows("qc-coarse", small_root, "test").split("10%", 0)
    assert not set(development.test["text"]) & set(tested.corpus.train["text"])


def test_posts_of_the_real_task_are_stripped_as_scikit_learn_does(real_data: Path) -> None:
    theirs = pytest.importorskip("sklearn.datasets._twenty_newsgroups", reason="scikit-learn has moved its rules")
    posts = TASKS["20n"].load("test", real_data)["text"][:]
    for post in posts:
        body = theirs.strip_newsgroup_footer(theirs.strip_newsgroup_header(post))
        assert strip_post(post) == theirs.strip_newsgroup_quoting(body).strip()


@pytest.mark.parametrize("is_out_of_reach", [True, False])
def test_where_the_hub_is_out_of_reach_its_libraries_look_into_their_cache_at_once(
    is_out_of_reach: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def load_dataset(*args: Any, **kwargs: Any) -> None:
        seen.append((datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE))
        raise ConnectionError("not in the cache")

    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)  # fails where the library has no such name any more
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    monkeypatch.setattr("ganbert.storage.hub.hub_is_out_of_reach", lambda: is_out_of_reach)
    with pytest.raises(InputError, match="cannot be loaded"):
        TASKS["sst5"].load("train", None)
    assert seen == [(is_out_of_reach, is_out_of_reach)]
    assert not datasets.config.HF_HUB_OFFLINE
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("name", "budget", "labelled", "unlabelled", "classes"),
    [("hwu64", "few_5", 320, 8954, 64), ("ag_news", "few_10", 40, 8000, 4), ("qc-fine", "authors", 108, 5452, 29)],
)
def test_a_published_subset_is_a_budget_with_the_rest_of_the_training_rows(
    name: str, budget: str, labelled: int, unlabelled: int, classes: int, real_data: Path
) -> None:
    source = TaskRows(name, real_data)
    splits = [source.split(budget, seed) for seed in (0, 1)]
    assert splits[0].hash == splits[1].hash
    assert source.is_same_for_all_seeds(budget)
    corpus = splits[0].corpus
    assert (len(corpus.labelled), len(corpus.label_names)) == (labelled, classes)
    tested, given = set(splits[0].test["text"]), set(corpus.train.select(corpus.labelled)["text"])
    rest = set(corpus.train.select(corpus.unlabelled)["text"])
    assert not (given | rest) & tested
    assert not given & rest
    at_hand = unlabelled - min(1000, unlabelled // 10)  # without the development rows
    assert at_hand - labelled - 100 < len(corpus.unlabelled) <= at_hand


def test_a_published_subset_is_refused_where_it_cannot_be_had(real_data: Path, small_root: Path) -> None:
    with pytest.raises(InputError, match=r"label budget 'few_10': write a number .*or a subset: authors"):
        TaskRows("qc-coarse", real_data).split("few_10", 0)
    with pytest.raises(InputError, match=r"no qc_ganbert_split/labeled\.jsonl\.gz in the data root, so authors cannot"):
        TaskRows("qc-coarse", small_root).split("authors", 0)
    with pytest.raises(InputError, match="task hwu64: few_5 needs a local copy"):
        TASKS["hwu64"].load_few("few_5", None)
    with pytest.raises(InputError, match="label budget authors: its rows are published"):
        TaskRows("qc-coarse", real_data).split("authors", 0, balanced=True)


def test_class_names_are_those_of_the_file_else_labels_that_are_words(real_data: Path, small_root: Path) -> None:
    assert TaskRows("qc-coarse", real_data).class_names()["HUM"] == ("a person or group of people",)
    assert set(TaskRows("hwu64", real_data).class_names()) == set(TASKS["hwu64"].load("train", real_data)["label"])
    with pytest.raises(InputError, match="the labels of qc-coarse are no words"):
        TaskRows("qc-coarse", small_root).class_names()
    for task in TASKS.own.values():
        assert task.local.names is not None
        assert (real_data / task.local.names).is_file()
