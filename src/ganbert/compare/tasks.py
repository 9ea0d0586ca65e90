"""The tasks: where their rows come from, and the settings that the paper gives each of its own.

The first ones are the paper's. Those of many intents and topics came later; their settings are the paper's for short
texts.

To add a task, add an entry to `TASKS`; another package offers one by an entry point of the group `ganbert.tasks`.
Importing this module is cheap: commands list the tasks before they import what reads rows.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ganbert.errors import InputError
from ganbert.plugins import Registry

if TYPE_CHECKING:
    from datasets import Dataset

DATA_ROOT = "GANBERT_DATA"
"""Environment variable that names the folder of local copies."""

QUOTED = re.compile(r"(writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>)")
"""What a line of a quote in a post looks like to scikit-learn."""


class Home(Protocol):
    """Where the rows of a task are published, with a name for people."""

    @property
    def name(self) -> str: ...  # noqa: D102

    def load(self, part: Literal["train", "test"]) -> Dataset:
        """Return one part with the columns `text`, perhaps `text_pair`, and `label` as text."""


@dataclass(frozen=True)
class Local:
    """A task's files under the data root, tables of texts and labels.

    Attributes:
        train: one file or several, in order.
        test: one file.
        label: the column of the labels.
        few: published subsets with few labels, by the name that a label budget gives them.
        names: a file that says what the classes are called, for `read_class_names`.
    """

    train: tuple[str, ...]
    test: str
    label: str = "label"
    few: Mapping[str, str] = field(default_factory=dict, hash=False)
    names: str | None = None

    def files(self, root: Path) -> list[Path]:
        """Return those that training and test rows are in, under a data root."""
        return [root / name for name in (*self.train, self.test)]


@dataclass(frozen=True)
class Hub:
    """A task's public home on the Hugging Face Hub, with the names of its columns there.

    Attributes:
        name, config, revision: of the data set.
        label, text, text_pair: columns.
        train, test: splits.
        labels: a label there to the label of the local copy, where the two are spelled differently.
        names: a config, with one split of the same name, whose `id` and `name` say what labels given as numbers mean.
    """

    name: str
    label: str
    train: str = "train"
    test: str = "test"
    config: str | None = None
    revision: str | None = None
    text: str = "text"
    text_pair: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    names: str | None = None

    def load(self, part: Literal["train", "test"]) -> Dataset:
        """Return one part with the columns `text`, perhaps `text_pair`, and `label` as text."""
        from datasets import ClassLabel, load_dataset

        from ganbert.labels import label_text

        with _hub_or_cache():
            rows = load_dataset(self.name, self.config, split=getattr(self, part), revision=self.revision)
            named = load_dataset(self.name, self.names, split=self.names, revision=self.revision) if self.names else []
        names = {self.text: "text", self.text_pair: "text_pair", self.label: "label"}
        rows = rows.select_columns([name for name in names if name]).rename_columns(
            {old: new for old, new in names.items() if old and old != new}
        )
        label = rows.features["label"]
        labels = [label.int2str(i) for i in rows["label"]] if isinstance(label, ClassLabel) else list(rows["label"])
        spelled = {label_text(row["id"]): row["name"] for row in named} | dict(self.labels)
        texts = [spelled.get(name, name) for name in map(label_text, labels)]
        return rows.remove_columns("label").add_column("label", texts)


@dataclass(frozen=True)
class WebTables:
    """A public home of tab-separated files, `train.tsv` and `test.tsv`, with the columns `text` and `label`.

    Attributes:
        name: for people.
        address: of the folder that holds them.
    """

    name: str
    address: str

    def load(self, part: Literal["train", "test"]) -> Dataset:
        """Return one part with the columns `text` and `label`."""
        from datasets import load_dataset

        file = f"{self.address}/{part}.tsv"
        with _hub_or_cache():
            rows = load_dataset("csv", data_files={part: file}, split=part, sep="\t", keep_default_na=False)
        return rows.select_columns(["text", "label"])


@contextmanager
def _hub_or_cache() -> Iterator[None]:
    """Keep `datasets` from trying for half a minute where the Hub is out of reach: it looks into its cache at once.

    It has no argument for that, and reads the environment only when it is imported.
    """
    import datasets
    import huggingface_hub

    from ganbert.storage.hub import hub_is_out_of_reach

    modules: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [module.HF_HUB_OFFLINE for module in modules]
    try:
        for module in modules if hub_is_out_of_reach() else ():
            module.HF_HUB_OFFLINE = True
        yield
    finally:
        for module, value in zip(modules, before, strict=True):
            module.HF_HUB_OFFLINE = value


class TwentyNewsgroups:
    """The public home of 20 Newsgroups: scikit-learn's loader, by date."""

    name = "sklearn.datasets.fetch_20newsgroups"

    def load(self, part: Literal["train", "test"]) -> Dataset:
        """Return one part with the columns `text` and `label`."""
        from datasets import Dataset
        from sklearn.datasets import fetch_20newsgroups

        posts = fetch_20newsgroups(subset=part, shuffle=False)
        return Dataset.from_dict({"text": posts.data, "label": [posts.target_names[i] for i in posts.target]})


def strip_post(text: str) -> str:
    """Take header, footer and quotes off a post.

    The rules are those of scikit-learn's `fetch_20newsgroups(remove=...)`, which takes no posts of one's own.
    """
    _, _, body = text.partition("\n\n")
    lines = body.strip().split("\n")
    footer = next((i for i in reversed(range(len(lines))) if not lines[i].strip().strip("-")), 0)
    kept = lines[:footer] if footer > 0 else body.split("\n")
    return "\n".join(line for line in kept if not QUOTED.search(line)).strip()


@dataclass(frozen=True)
class Task:
    """A text classification task with the settings of the paper (section 4 and figure 2), or like them.

    Attributes:
        name: as in `ganbert curve NAME`.
        local, home: where its rows are.
        metric: what the paper reports, by its name in `METRICS`.
        max_length, epochs, learning_rate: what the paper trained with.
        budgets: label budgets of a curve: numbers are percent of the training set, texts are as in `Budget`.
        n_train: rows of the whole training set, which percentages refer to; None counts those at hand.
        clean: applied to every text; training rows left empty by it are dropped.
    """

    name: str
    local: Local
    home: Home
    metric: str = "accuracy"
    max_length: int = 64
    epochs: float = 3.0
    learning_rate: float = 2e-5
    budgets: tuple[float | str, ...] = (1, 2, 5, 10, 20, 50)
    n_train: int | None = None
    clean: Callable[[str], str] | None = field(default=None, repr=False)

    def load(self, part: Literal["train", "test"], root: Path | None) -> Dataset:
        """Return the rows of one part, in memory: columns `text`, perhaps `text_pair`, and `label` as text.

        Args:
            part: the training or the test rows.
            root: folder of local copies; None loads from the task's public home.

        Raises:
            InputError: they cannot be had; says what to do.
        """
        if root is None:
            return self._cleaned(self._load_home(part), keep_empty=part == "test")
        files = self.local.train if part == "train" else (self.local.test,)
        instead = f" (without --data-root and {DATA_ROOT} they are loaded from {self.home.name})"
        self._require(files, root, f"so its {part} rows are missing{instead}")
        return self._cleaned(self._load_local(files, root), keep_empty=part == "test")

    def load_few(self, name: str, root: Path | None) -> Dataset:
        """Return the labelled rows of a published subset, with the columns of `load`.

        Raises:
            InputError: there is no local copy of it.
        """
        file = self.local.few[name]
        if root is None:
            raise InputError(
                f"task {self.name}: {name} needs a local copy: name its folder, --data-root or {DATA_ROOT}"
            )
        self._require([file], root, f"so {name} cannot be taken")
        return self._cleaned(self._load_local([file], root), keep_empty=False)

    def _require(self, files: Iterable[str], root: Path, consequence: str) -> None:
        if missing := [file for file in files if not (root / file).is_file()]:
            raise InputError(f"task {self.name}: no {', '.join(missing)} in the data root, {consequence}", path=root)

    def _cleaned(self, rows: Dataset, *, keep_empty: bool) -> Dataset:
        from datasets import Dataset

        columns = rows.to_dict()
        if self.clean is not None:
            columns["text"] = [self.clean(text) for text in columns["text"]]
            kept = [keep_empty or text != "" for text in columns["text"]]
            columns = {name: list(itertools.compress(cells, kept)) for name, cells in columns.items()}
        return Dataset.from_dict(columns)

    def _load_local(self, files: Iterable[str], root: Path) -> Dataset:
        from datasets import Dataset

        from ganbert.data.rows import TableOptions, TableUse, read_rows
        from ganbert.storage.folders import scratch

        with scratch() as workspace:
            options = TableOptions(label_column=self.local.label)
            tables = [TableUse(root / file, "required") for file in files]
            # In memory before the workspace goes.
            return Dataset.from_dict(read_rows(tables, options, workspace / "rows.arrow").with_labels().to_dict())

    def _load_home(self, part: Literal["train", "test"]) -> Dataset:
        try:
            return self.home.load(part)
        except Exception as error:  # each library has its own ways to say that it cannot be reached
            raise InputError(
                f"task {self.name}: its {part} rows cannot be loaded from {self.home.name} "
                f"({' '.join(str(error).split())[:200]}); name the folder of a local copy: --data-root or {DATA_ROOT}"
            ) from error


def _mnli(variant: str) -> Task:
    return Task(
        f"mnli-{'m' if variant == 'matched' else 'mm'}",
        Local(
            ("mnli/train.jsonl.gz", "mnli/train_extra.jsonl.gz"),
            f"mnli/test_{variant}.jsonl.gz",
            names="mnli/names.json",
        ),
        Hub("nyu-mll/glue", "label", "train", f"validation_{variant}", "mnli", text="premise", text_pair="hypothesis"),
        metric="macro_f1",
        max_length=128,
        budgets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
        n_train=392_702,
    )


def _20n(name: str, clean: Callable[[str], str] | None) -> Task:
    return Task(
        name,
        Local(("20n/train.jsonl.gz",), "20n/test.jsonl.gz", names="20n/names.json"),
        TwentyNewsgroups(),
        metric="macro_f1",
        max_length=256,
        epochs=15.0,
        learning_rate=5e-6,
        n_train=11_314,
        clean=clean,
    )


def _qc(name: str, column: str) -> Task:
    return Task(
        name,
        Local(
            ("qc/train.jsonl.gz",),
            "qc/test.jsonl.gz",
            label=column,
            few={"authors": "qc_ganbert_split/labeled.jsonl.gz"},
            names=f"qc/names-{column}.json",
        ),
        Hub("CogComp/trec", f"{column}_label", revision="refs/convert/parquet"),
    )


ROWS = ("50", "100", "200", "400", "800", "1600")
"""Label budgets of the tasks that the paper does not have."""

HWU64 = Task(
    "hwu64",
    Local(
        ("hwu64/train.jsonl.gz",),
        "hwu64/test.jsonl.gz",
        few={"few_5": "hwu64/few_5.jsonl.gz", "few_10": "hwu64/few_10.jsonl.gz"},
        names="hwu64/names.json",
    ),
    Hub("DeepPavlov/hwu64", "label", text="utterance", names="intents"),
    budgets=ROWS,
    n_train=8_954,
)
"""Requests to a voice assistant in 64 intents (Liu et al. 2019), as split by Casanueva et al. (2020)."""

STACKOVERFLOW = Task(
    "stackoverflow",
    Local(("stackoverflow/train.jsonl.gz",), "stackoverflow/test.jsonl.gz", names="stackoverflow/names.json"),
    WebTables("github.com/thuiar/TEXTOIR", "https://raw.githubusercontent.com/thuiar/TEXTOIR/main/data/stackoverflow"),
    budgets=ROWS,
    n_train=12_000,
)
"""Titles of questions in 20 topics (Xu et al. 2015), as split by TEXTOIR (Zhang et al. 2021)."""

AG_NEWS = Task(
    "ag_news",
    Local(
        ("ag_news/train.jsonl.gz",),
        "ag_news/test.jsonl.gz",
        few={"few_10": "ag_news/few_10.jsonl.gz"},
        names="ag_news/names.json",
    ),
    Hub(
        "fancyzhx/ag_news",
        "label",
        labels={"World": "world", "Sports": "sports", "Business": "business", "Sci/Tech": "sci_tech"},
    ),
    budgets=ROWS,
    n_train=120_000,
)
"""News in 4 classes (Zhang et al. 2015). Local copies may hold a part of the training rows."""


def _is_task(name: str, value: Any) -> Task:
    if not isinstance(value, Task):
        raise TypeError(f"{value!r} is no Task")
    return value


TASKS = Registry(
    "ganbert.tasks",
    {
        task.name: task
        for task in (
            _qc("qc-coarse", "coarse"),
            _qc("qc-fine", "fine"),
            Task(
                "sst5",
                Local(("sst5/train.jsonl.gz",), "sst5/test.jsonl.gz", names="sst5/names.json"),
                Hub("SetFit/sst5", "label_text"),
            ),
            _20n("20n", None),
            _20n("20n-stripped", strip_post),
            _mnli("matched"),
            _mnli("mismatched"),
            HWU64,
            STACKOVERFLOW,
            AG_NEWS,
        )
    },
    _is_task,
)
"""By name. 20 Newsgroups comes raw, and stripped of headers, footers and quotes, which give the group away."""


def task_named(name: str) -> Task:
    """Return a task of the registry; `InputError` lists them."""
    if name not in TASKS:
        raise InputError(f"no task {name!r}: choose one of {', '.join(TASKS)}")
    return TASKS[name]


def few_label_subsets(tasks: Iterable[str]) -> set[str]:
    """Return the names of the published subsets of tasks, each of which is a label budget; other names have none."""
    return {subset for name in tasks if name in TASKS for subset in TASKS[name].local.few}


def metric_of(task: str) -> str:
    """Return what the paper judges a task by; accuracy for tables, and for tasks that there are no more."""
    return TASKS[task].metric if task in TASKS else "accuracy"
