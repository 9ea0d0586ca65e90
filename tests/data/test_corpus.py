"""The data of a run: classes in a stable order, held-out rows, and refusals that name file and row."""

from __future__ import annotations

import gc
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganbert.data.corpus import Corpus, corpus_of_texts, n_shared_texts, read_corpus, read_labelled
from ganbert.data.formats.base import ReadLog
from ganbert.data.rows import TableOptions
from ganbert.data.tables import read_chunks
from ganbert.errors import InputError

TRAIN = "text,label\na,ham\nb,\nc,spam\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def csv(folder: Path, text: str, name: str = "train.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def read(files: list[Path], folder: Path, options: TableOptions | None = None, **tables: Any) -> Corpus:
    return read_corpus(files, options, **tables)


def refusal(files: list[Path], folder: Path, options: TableOptions | None = None, **tables: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(files, folder, options, **tables)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_one_file_is_labelled_and_unlabelled_rows(folder: Path) -> None:
    corpus = read([csv(folder, TRAIN)], folder)
    assert corpus.label_names == ("ham", "spam")
    assert corpus.train.to_dict() == {"text": ["a", "b", "c"], "label": [0, -100, 1]}
    assert corpus.labelled.tolist() == [0, 2]
    assert corpus.unlabelled.tolist() == [1]
    assert corpus.validation is corpus.test is None
    assert corpus.counts() == {"labelled": 2, "unlabelled": 1, "classes": 2, "skipped_empty": 0, "skipped_blank": 0}


def test_labelled_and_unlabelled_files(folder: Path) -> None:
    labelled = csv(folder, "text,label\na,ham\nc,spam\n")
    unlabelled = [csv(folder, "text\nd\n", "u.csv"), csv(folder, "text,label\ne,unheard of\n", "v.csv")]
    corpus = read([], folder, labelled=[labelled], unlabelled=unlabelled)
    assert corpus.label_names == ("ham", "spam")
    assert corpus.train.to_dict() == {"text": ["a", "c", "d", "e"], "label": [0, 1, -100, -100]}


def test_a_labelled_file_needs_every_label(folder: Path) -> None:
    path = csv(folder, TRAIN)
    assert refusal([], folder, labelled=[path]).startswith(f"{path}, row 2, column 'label': no label")


@pytest.mark.parametrize("use", ["validation", "test"])
def test_a_held_out_file_needs_every_label(use: str, folder: Path) -> None:
    path = csv(folder, "text,label\nd,ham\ne,\n", "held.csv")
    tables: dict[str, Any] = {use: path}
    assert refusal([csv(folder, TRAIN)], folder, **tables).startswith(f"{path}, row 2, column 'label': no label")


def test_counts_name_all_parts_and_dropped_rows(folder: Path) -> None:
    held = csv(folder, "text,label\nd,ham\n,ham\n", "held.csv")
    train = csv(folder, TRAIN + ",spam\n , \n")
    corpus = read([train], folder, TableOptions(skip_empty=True), validation=held, test=held)
    assert corpus.counts() == {
        "labelled": 2,
        "unlabelled": 1,
        "classes": 2,
        "skipped_empty": 4,
        "skipped_blank": 0,
        "validation": 1,
        "test": 1,
    }


# Classes


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "C"], ("C", "a", "b")),
        (["10", "2", "1"], ("1", "2", "10")),
        (["10", "2", "x"], ("10", "2", "x")),
        (["0.5", "-1", "3"], ("-1", "0.5", "3")),
        (["1.5", "1", "01"], ("01", "1", "1.5")),
        (["9007199254740993", "9007199254740992", "1"], ("1", "9007199254740992", "9007199254740993")),
        (["10", "2", "nan"], ("10", "2", "nan")),
    ],
)
def test_classes_have_one_order_whatever_that_of_the_rows(
    labels: list[str], names: tuple[str, ...], folder: Path
) -> None:
    for seed in range(3):
        rows = random.Random(seed).sample(labels * 3, len(labels) * 3)
        corpus = read([csv(folder, "text,label\n" + "\n".join(f"t,{label}" for label in rows))], folder)
        assert corpus.label_names == names
        assert [names[i] for i in corpus.labels] == rows


def test_a_number_is_one_class_in_every_format(folder: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "label": [2.0, None]}), folder / "t.parquet")
    json_lines = csv(folder, '{"text":"c","label":10}\n{"text":"d","label":2}\n', "t.jsonl")
    corpus = read([folder / "t.parquet", json_lines, csv(folder, "text,label\ne,2\nf,10\n")], folder)
    assert corpus.label_names == ("2", "10")
    assert corpus.labels.tolist() == [0, -100, 1, 0, 0, 1]


def test_what_pandas_makes_of_labels_is_the_same_class(folder: Path) -> None:
    floats = csv(folder, "text,label\na,1.0\nb,0.0\nc,\n", "float.csv")
    integers = csv(folder, "text,label\nd,1\ne,0\n", "int.csv")
    corpus = read([floats, integers], folder, test=integers)
    assert corpus.label_names == ("0", "1")
    assert corpus.labels.tolist() == [1, 0, -100, 1, 0]
    assert corpus.test is not None
    assert corpus.test["label"][:] == [1, 0]


# Labels that look alike


ALIKE = "text,label\na,Payment\nb,payment\nc,\u200bpayment\nd,payment\ne,cafe\u0301\nf,caf\u00e9\ng,nan\n"


def test_labels_that_look_alike_are_classes_of_their_own(folder: Path) -> None:
    corpus = read([csv(folder, ALIKE)], folder)
    assert corpus.label_names == ("Payment", "cafe\u0301", "caf\u00e9", "nan", "payment", "\u200bpayment")
    assert corpus.notes == ()


def test_they_are_merged_into_the_most_frequent_one_on_request(folder: Path) -> None:
    held = csv(folder, "text,label\na,PAYMENT\nb,CAFÉ\nc,NaN\n", "held.csv")
    corpus = read([csv(folder, ALIKE)], folder, TableOptions(normalize_labels=True), test=held)
    assert corpus.label_names == ("cafe\u0301", "nan", "payment")  # of two as frequent ones the first
    assert corpus.labels.tolist() == [2, 2, 2, 2, 0, 0, 1]
    assert corpus.test is not None
    assert corpus.test["label"][:] == [2, 0, 1]
    assert corpus.notes == (
        "--normalize-labels: one class, named as the first: "
        "'payment' (2 rows), 'Payment' (1 row), '\\u200bpayment' (1 row)",
        "--normalize-labels: one class, named as the first: 'cafe\\u0301' (1 row), 'caf\\xe9' (1 row)",
    )


def test_merged_to_one_class_they_are_refused(folder: Path) -> None:
    path = csv(folder, "text,label\na,Ham\nb,ham\n")
    assert refusal([path], folder, TableOptions(normalize_labels=True)).startswith(f"one class only in {path}, 'Ham': ")


def test_an_unseen_label_that_looks_like_a_class_says_so(folder: Path) -> None:
    train, held = csv(folder, TRAIN), csv(folder, "text,label\na,Ham\nb,eggs\nc,eggs\n", "held.csv")
    assert refusal([train], folder, test=held) == (
        f"{held}, row 1, column 'label': label 'Ham' is in no training row (--allow-unseen counts such rows as "
        "errors); 'Ham' looks like 'ham': --normalize-labels takes it for that"
    )
    assert read([train], folder, TableOptions(allow_unseen=True), test=held).notes == (
        f"{held}: labels that no training row has count as errors: 'Ham' (1 row), 'eggs' (2 rows); "
        "'Ham' looks like 'ham': --normalize-labels takes it for that",
    )


def test_labels_that_mean_none_are_unlabelled_rows(folder: Path) -> None:
    table = csv(folder, "text,label\na,x\nb,nan\nc,y\nd,0.0\n")
    corpus = read([table], folder, TableOptions(none_labels=("nan", "0")))
    assert corpus.label_names == ("x", "y")
    assert corpus.labels.tolist() == [0, -100, 1, -100]


# What classes are called


def test_classes_that_only_their_names_make_have_ids_and_rows_may_follow_later(folder: Path) -> None:
    names = csv(folder, '{"spam": "junk mail", "eggs": ["breakfast", "from hens"]}', "names.json")
    held = csv(folder, "text,label\nd,eggs\n", "held.csv")
    corpus = read([csv(folder, TRAIN)], folder, test=held, class_names=names)
    assert corpus.label_names == ("eggs", "ham", "spam")
    assert corpus.labels.tolist() == [1, -100, 2]
    assert corpus.class_names == {"eggs": ("breakfast", "from hens"), "spam": ("junk mail",)}
    assert corpus.notes == (
        "Class names: 'eggs' is called 'breakfast' or 'from hens', 'spam' is called 'junk mail'",
        "No class name for 'ham'",
    )
    assert corpus.test is not None
    assert corpus.test["label"][:] == [0]
    assert names.resolve() in corpus.files
    assert corpus.counts() | {"labelled": 2, "classes": 3} == corpus.counts()


def test_names_in_the_labels_are_taken_on_request_and_only_for_labels_that_rows_have(folder: Path) -> None:
    table = csv(folder, "text,label\na,card_lost\nb,x1\nc,x1\n")
    assert read([table], folder).class_names == {}
    corpus = read([table], folder, class_names="auto")
    assert corpus.label_names == ("card_lost", "x1")
    assert corpus.class_names == {"card_lost": ("card lost",)}
    assert corpus.notes == (
        "Class names: 'card_lost' is called 'card lost'",
        "No class name for 'x1' (--class-names gives them)",
    )
    pairs = csv(folder, "text,text_pair,label\na,b,entailment\nc,d,neutral\n", "pairs.csv")
    read_pairs = read([pairs], folder, class_names="auto")
    assert (read_pairs.class_names, read_pairs.notes) == ({}, ())


def test_a_name_of_a_label_that_only_looks_alike_is_a_class_of_its_own_unless_merged(folder: Path) -> None:
    table, names = csv(folder, "text,label\na,ham\nb,spam\n"), {"Ham": "pork", "SPAM": "junk"}
    corpus = read([table], folder, class_names=names)
    assert corpus.label_names == ("Ham", "SPAM", "ham", "spam")
    assert corpus.notes[1] == (
        "No class name for 'ham', 'spam'; 'ham' looks like 'Ham': --normalize-labels takes it for that"
    )
    merged = read([table], folder, TableOptions(normalize_labels=True), class_names={**names, "eggs": "e", "Eggs": "f"})
    assert merged.label_names == ("eggs", "ham", "spam")
    assert merged.class_names == {"eggs": ("e", "f"), "ham": ("pork",), "spam": ("junk",)}
    assert "'ham' (1 row), 'Ham' (0 rows)" in merged.notes[0]


def test_the_name_of_a_label_that_means_none_makes_no_class(folder: Path) -> None:
    corpus = read([csv(folder, TRAIN)], folder, TableOptions(none_labels=("?",)), class_names={"?": "unclear"})
    assert (corpus.label_names, corpus.class_names, corpus.notes) == (("ham", "spam"), {}, ())


def test_with_names_no_row_needs_a_label(folder: Path) -> None:
    pile, names = csv(folder, "text\na\nb\nc\n"), {"ham": "pork", "spam": "junk"}
    for corpus in (
        read([], folder, unlabelled=[pile], class_names=names),
        read([csv(folder, "text,label\na,\nb,\nc,\n", "t.csv")], folder, class_names=names),
    ):
        assert corpus.label_names == ("ham", "spam")
        assert (len(corpus.labelled), len(corpus.unlabelled)) == (0, 3)
        with pytest.raises(InputError, match="holds out no row of any class"):
            corpus.hold_out(0.5, 0)


def test_too_few_names_or_rows_are_refused(folder: Path) -> None:
    pile, pairs = csv(folder, "text\na\n"), csv(folder, "text,text_pair\na,b\n", "pairs.csv")
    names = {"ham": "pork", "spam": "junk"}
    assert refusal([], folder, unlabelled=[pile]).endswith("or say what the classes are called (--class-names FILE)")
    assert refusal([], folder, unlabelled=[pile], class_names="auto").startswith(f"no labelled row in {pile}: ")
    one = refusal([], folder, unlabelled=[pile], class_names={"ham": "pork"})
    assert one.startswith(f"one class only in {pile}, 'ham': ")
    no_help = refusal([], folder, unlabelled=[pairs], class_names=names)
    assert no_help == f"no labelled row in {pairs}: label at least two rows of different classes"
    empty = csv(folder, "text\n", "empty.csv")
    assert refusal([], folder, unlabelled=[empty], class_names=names).startswith(f"no row in {empty}: ")


def test_wrong_names_are_found_before_the_tables_are_read(folder: Path) -> None:
    assert refusal([folder / "no.csv"], folder, class_names=folder / "no.json").startswith(f"{folder / 'no.json'}: ")


def test_rows_that_are_held_out_leave_the_names_as_they_are(folder: Path) -> None:
    rows = "".join(f"{i},{'ham' if i % 2 else 'spam'}\n" for i in range(20))
    corpus = read([csv(folder, f"text,label\n{rows}")], folder, class_names="auto")
    assert corpus.hold_out(0.2, 0).class_names == corpus.class_names == {"ham": ("ham",), "spam": ("spam",)}


# What was read


def test_a_corpus_knows_its_tables_and_columns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        csv(folder, "body,kind\na,x\nb,y\n", name)
    options = TableOptions("body", label_column="kind")
    corpus = read(
        [Path("a.csv")], folder, options, unlabelled=[Path("b.csv")], validation=Path("c.csv"), test=Path("d.csv")
    )
    assert corpus.files == tuple(folder.resolve() / name for name in ("a.csv", "b.csv", "c.csv", "d.csv"))
    assert corpus.columns == {"text": "body", "label": "kind"}
    csv(folder, "text,text_pair,other,label\na,b,c,x\nd,e,f,y\n", "p.csv")
    assert read([Path("p.csv")], folder).columns == {"text": "text", "text_pair": "text_pair", "label": "label"}
    assert read([Path("p.csv")], folder, TableOptions(text_pair_column="other")).columns["text_pair"] == "other"


def test_what_the_readers_note_is_gathered_from_all_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def noting(path: Path, log: ReadLog, **given: Any) -> Iterator[pa.Table]:
        yield from read_chunks(path, log=log, **given)
        log.notes.append("odd")
        log.n_blank += 2

    monkeypatch.setattr("ganbert.data.rows.read_chunks", noting)
    train, held = csv(folder, TRAIN), csv(folder, TRAIN.replace("b,\n", ""), "held.csv")
    corpus = read([train], folder, test=held)
    assert corpus.notes == (f"{train}: odd", f"{held}: odd")
    assert corpus.n_blank == corpus.counts()["skipped_blank"] == 4
    assert read_labelled(held, TableOptions(), corpus.label_names).notes == (f"{held}: odd",)


def test_no_labelled_row_is_refused(folder: Path) -> None:
    first, second = csv(folder, "text,label\na,\n"), csv(folder, "text,label\n", "b.csv")
    message = refusal([first, second], folder)
    assert message.startswith(f"no labelled row in {first}, {second}: ")


def test_one_class_only_is_refused(folder: Path) -> None:
    table = csv(folder, "text,label\na,ham\nb,ham\nc,\n")
    assert refusal([table], folder).startswith(f"one class only in {table}, 'ham': ")


# Held-out tables


@pytest.mark.parametrize("use", ["validation", "test"])
@pytest.mark.parametrize("row", [1, 2, 11_000])
def test_an_unseen_label_is_refused_by_file_row_and_column(use: str, row: int, folder: Path) -> None:
    lines = ["d,ham"] * 11_000
    lines[row - 1] = "d,eggs"
    held = csv(folder, "text,kind\n" + "\n".join(lines), "held.csv")
    train = csv(folder, TRAIN.replace("label", "kind"))
    message = refusal([train], folder, TableOptions(label_column="kind"), **{use: held})
    assert message.startswith(f"{held}, row {row}, column 'kind': label 'eggs' is in no training row (--allow-unseen ")


def test_the_row_of_an_unseen_label_counts_the_dropped_rows(folder: Path) -> None:
    held = csv(folder, "text,label\n,ham\nd,ham\n,ham\ne,eggs\n", "held.csv")
    options = TableOptions(skip_empty=True)
    assert refusal([csv(folder, TRAIN)], folder, options, test=held).startswith(f"{held}, row 4, ")


def test_unseen_labels_have_ids_above_all_others_where_allowed(folder: Path) -> None:
    held = csv(folder, "text,label\nd,spam\ne,eggs\nf,ham\ng,bacon\nh,eggs\n", "held.csv")
    corpus = read([csv(folder, TRAIN)], folder, TableOptions(allow_unseen=True), validation=held, test=held)
    assert corpus.validation is not None
    assert corpus.test is not None
    assert corpus.validation["label"][:] == corpus.test["label"][:] == [1, 3, 0, 2, 3]
    assert corpus.label_names == ("ham", "spam")


@pytest.mark.parametrize("use", ["validation", "test"])
def test_a_held_out_file_without_rows_is_refused(use: str, folder: Path) -> None:
    held = csv(folder, "text,label\n", "held.csv")
    tables: dict[str, Any] = {use: held}
    assert refusal([csv(folder, TRAIN)], folder, **tables) == f"{held}: the {use} table has no rows"


def test_a_training_file_without_rows_adds_none(folder: Path) -> None:
    corpus = read([csv(folder, TRAIN), csv(folder, "text,label\n", "b.csv")], folder)
    assert corpus.labels.tolist() == [0, -100, 1]


def test_labelled_rows_for_known_classes(folder: Path) -> None:
    path = csv(folder, "text,label\na,spam\nb,eggs\n")
    rows = read_labelled(path, TableOptions(allow_unseen=True), ["spam", "ham"])
    assert rows.dataset.to_dict() == {"text": ["a", "b"], "label": [0, 2]}
    assert rows.notes == (f"{path}: labels that no training row has count as errors: 'eggs' (1 row)",)
    with pytest.raises(InputError, match="row 2, column 'label': label 'eggs'"):
        read_labelled(path, TableOptions(), ["spam", "ham"])
    with pytest.raises(InputError, match="has no rows"):
        read_labelled(csv(folder, "text,label\n"), TableOptions(), ["spam", "ham"])


@pytest.mark.parametrize(
    ("names", "labels", "ids"),
    [
        (("0", "1"), ["1.0", "1", "0.0"], [1, 1, 0]),
        (("True", "False"), ["true", "True", "FALSE"], [0, 0, 1]),  # as models were saved when text stayed as it was
        (("1.0", "2.0"), ["1", "2.0"], [0, 1]),
        (("1.0", "1"), ["1", "1.0"], [1, 1]),  # the class of exactly that name comes first
    ],
)
def test_a_label_means_the_class_that_it_is_the_text_of(
    names: tuple[str, ...], labels: list[str], ids: list[int], folder: Path
) -> None:
    path = csv(folder, "text,label\n" + "".join(f"t,{label}\n" for label in labels))
    assert read_labelled(path, TableOptions(), names).dataset["label"][:] == ids


def test_spellings_of_a_models_classes_are_known_on_request(folder: Path) -> None:
    path = csv(folder, "text,label\na,PAYMENT\nb,order\nc,Order\nd,ORDER\n")
    options = TableOptions(normalize_labels=True, allow_unseen=True)
    rows = read_labelled(path, options, ["payment", "order", "Order"])
    assert rows.dataset["label"][:] == [0, 1, 2, 3]  # ORDER may be either
    assert rows.notes == (f"{path}: labels that no training row has count as errors: 'ORDER' (1 row)",)
    with pytest.raises(InputError, match=r"label 'PAYMENT' is in no training row .*looks like 'payment'"):
        read_labelled(path, TableOptions(), ["payment", "order", "Order"])


# Pairs


def test_pairs_stay_pairs(folder: Path) -> None:
    held = csv(folder, "text,text_pair,label\ne,f,y\n", "held.csv")
    corpus = read([csv(folder, "text,text_pair,label\na,b,x\nc,d,y\n")], folder, test=held)
    assert corpus.train.to_dict() == {"text": ["a", "c"], "text_pair": ["b", "d"], "label": [0, 1]}
    assert corpus.test is not None
    assert corpus.test.to_dict() == {"text": ["e"], "text_pair": ["f"], "label": [1]}


@pytest.mark.parametrize("use", ["files", "unlabelled", "validation", "test"])
@pytest.mark.parametrize("pairs_come_first", [True, False])
def test_pairs_in_one_file_only_are_refused(use: str, pairs_come_first: bool, folder: Path) -> None:
    pairs = csv(folder, "text,text_pair,label\na,b,x\nc,d,y\n", "pairs.csv")
    single = csv(folder, "text,label\na,x\nc,y\n", "single.csv")
    first, second = (pairs, single) if pairs_come_first else (single, pairs)
    files = [first, second] if use == "files" else [first]
    tables: dict[str, Any] = {} if use == "files" else {use: [second] if use == "unlabelled" else second}
    assert refusal(files, folder, **tables) == f"{single}: no text pair column, though {pairs} has one"


# Memory


def arrow_files(corpus: Corpus) -> list[Path]:
    parts = (corpus.train, corpus.validation, corpus.test)
    return [Path(file["filename"]) for part in parts if part is not None for file in part.cache_files]


def test_all_parts_are_mapped_from_one_file_each(folder: Path) -> None:
    path = csv(folder, TRAIN)
    corpus = read([path, path], folder, test=csv(folder, "text,label\nd,ham\n", "held.csv"))
    assert [file.name for file in arrow_files(corpus)] == ["train.arrow", "test.arrow"]
    (place,) = {file.parent for file in arrow_files(corpus)}
    assert {file.name for file in place.iterdir() if file.suffix == ".arrow"} == {"train.arrow", "test.arrow"}


def test_the_files_stay_as_long_as_a_corpus_needs_them_and_then_go(folder: Path) -> None:
    corpus = read([csv(folder, TRAIN + "d,ham\ne,spam\n")], folder)
    (file,) = arrow_files(corpus)
    held_out = corpus.hold_out(0.5, seed=0)
    copy = pickle.loads(pickle.dumps(held_out))
    del corpus
    gc.collect()
    assert file.exists()
    del held_out
    gc.collect()
    assert not file.parent.exists()
    assert sorted([*copy.train["text"], *copy.validation["text"]]) == ["a", "b", "c", "d", "e"]  # mapped already
    del copy


def test_the_files_go_with_the_process_and_a_fork_leaves_them(folder: Path) -> None:
    path = csv(folder, TRAIN)
    code = (
        "import os, sys\nfrom ganbert.data.corpus import read_corpus\ncorpus = read_corpus(sys.argv[1])\n"
        "child = os.fork()\nif child == 0:\n    sys.exit()\nos.waitpid(child, 0)\n"
        "file = corpus.train.cache_files[0]['filename']\nprint(os.path.exists(file), file)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    exists, _, file = run.stdout.strip().partition(" ")
    assert exists == "True"
    assert not Path(file).parent.exists()


def test_nothing_is_left_of_tables_that_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder / "temporary"))
    refusal([csv(folder, TRAIN), csv(folder, "text,label\na,b\n,c\n", "b.csv")], folder)
    assert list((folder / "temporary").iterdir()) == []


# Holding out


def toy_corpus(*sizes: int, unlabelled: int = 0) -> Corpus:
    """Corpus of classes of these sizes and unlabelled rows, shuffled; every text is its own."""
    labels = [i for i, size in enumerate(sizes) for _ in range(size)] + [-100] * unlabelled
    random.Random(0).shuffle(labels)
    return corpus_of_texts([f"t{i}" for i in range(len(labels))], labels, [str(i) for i in range(len(sizes))])


def held(corpus: Corpus) -> list[str]:
    assert corpus.validation is not None
    return list(corpus.validation["text"])


def test_holding_out_takes_the_share_of_each_class() -> None:
    corpus = toy_corpus(40, 20, 10, unlabelled=50).hold_out(0.2, seed=0)
    assert corpus.validation is not None
    assert np.bincount(corpus.validation["label"]).tolist() == [8, 4, 2]
    assert np.bincount(corpus.labels[corpus.labelled]).tolist() == [32, 16, 8]
    assert corpus.counts() == {
        "labelled": 56,
        "unlabelled": 50,
        "classes": 3,
        "skipped_empty": 0,
        "skipped_blank": 0,
        "validation": 14,
    }


def test_the_share_of_a_class_is_rounded_half_up() -> None:
    corpus = toy_corpus(10, 6, 5).hold_out(0.25, seed=0)
    assert corpus.validation is not None
    assert np.bincount(corpus.validation["label"]).tolist() == [3, 2, 1]  # of 2.5, 1.5 and 1.25


def test_held_out_rows_leave_training_and_nothing_else_does() -> None:
    corpus = toy_corpus(30, 20, unlabelled=9)
    split = corpus.hold_out(0.3, seed=1)
    pairs = [(row["text"], row["label"]) for part in (split.train, split.validation) for row in part or ()]
    assert len(pairs) == len(set(pairs)) == len(corpus.train)
    assert set(pairs) == {(row["text"], row["label"]) for row in corpus.train}
    assert split.label_names == corpus.label_names


def test_classes_too_small_to_hold_a_row_out_are_named() -> None:
    corpus = toy_corpus(10, 1, 2).hold_out(0.2, seed=0)
    assert corpus.notes == ("no validation row for 2 classes with too few labelled rows: '1', '2'",)
    assert toy_corpus(10, 10).hold_out(0.2, seed=0).notes == ()


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.9, 1.0])
def test_every_class_keeps_a_training_row(fraction: float) -> None:
    corpus = toy_corpus(1, 2, 5).hold_out(fraction, seed=0)
    assert set(corpus.labels.tolist()) == {0, 1, 2}
    assert corpus.validation is not None
    assert 0 not in corpus.validation["label"][:]


def test_the_seed_decides_which_rows_are_held_out() -> None:
    corpus = toy_corpus(40, 20)
    assert held(corpus.hold_out(0.2, seed=0)) == held(corpus.hold_out(0.2, seed=0))
    assert set(held(corpus.hold_out(0.2, seed=0))) != set(held(corpus.hold_out(0.2, seed=1)))


@pytest.mark.parametrize(("sizes", "fraction"), [((1, 1, 1), 0.5), ((4, 4), 0.1)])
def test_nothing_to_hold_out_is_refused(sizes: tuple[int, ...], fraction: float) -> None:
    with pytest.raises(InputError, match=rf"--validation-fraction {fraction} holds out no row"):
        toy_corpus(*sizes, unlabelled=100).hold_out(fraction, seed=0)


# Texts on both sides


def test_shared_texts_are_counted_by_row_of_the_other_part() -> None:
    train = corpus_of_texts(["a", "b", "b", "c"], [0, 1, 1, -100], ["x", "y"]).train
    other = corpus_of_texts(["b", "a", "a", "c", "d", "A"], [0, 0, 0, 0, 0, 0], ["x", "y"]).train
    assert n_shared_texts(train, other) == 4
    assert n_shared_texts(train, other.select([4, 5])) == 0
    assert n_shared_texts(train.select([0]), other) == 2


def test_a_shared_pair_shares_both_texts() -> None:
    def pairs(*rows: tuple[str, str]) -> Corpus:
        texts, seconds = zip(*rows, strict=True)
        return corpus_of_texts(texts, [0] * len(rows), ["x"], seconds)

    train = pairs(("a", "b"), ("ab", "c"))
    other = pairs(("a", "b"), ("a", "bc"), ("a", "c"), ("b", "a"), ("", "ab"))
    assert n_shared_texts(train.train, other.train) == 1
