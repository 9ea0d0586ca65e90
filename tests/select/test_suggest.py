"""`suggest`: from nothing, after some labels, in batches; from lists, mappings, frames and files; with reasons."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ganbert import InputError, Predictor, Suggestions, TableOptions, choose_compute, suggest
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.runtime import Compute
from ganbert.select.reasons import reasons
from ganbert.select.strategies import STRATEGIES
from tests.conftest import NAMES, tiny_tokenizer, toy_rows
from tests.select.conftest import groups, pool_of

COMPUTE = Compute("cpu", bfloat16=False, threads=1)
ROWS = [*dict.fromkeys(toy_rows(120))]
TEXTS, LABELS = [text for text, _ in ROWS], dict(ROWS)

pytestmark = pytest.mark.usefixtures("cache")

Ask = Callable[..., Suggestions]


@pytest.fixture
def ask(reading_encoder: str) -> Ask:
    """Return `suggest` with a tiny encoder."""
    return lambda *given, **options: suggest(*given, **{"encoder": reading_encoder, "compute": COMPUTE, **options})


def texts_of(suggestions: Suggestions) -> list[str]:
    return [row.text for row in suggestions.rows]


def test_it_begins_from_nothing(ask: Ask) -> None:
    found = ask(TEXTS, n=12)
    assert found.strategy in STRATEGIES
    assert found.counts == {"pool": 120, "labelled": 0, "classes": 0, "skipped_empty": 0, "skipped_blank": 0}
    assert len({*texts_of(found)}) == 12
    for row in found.rows:
        assert TEXTS[row.position] == row.text
        assert (row.guess, row.confidence, row.text_pair) == (None, None, None)
        assert "nobody has labelled yet" in row.reason or row.reason == "unlike everything so far"


def test_after_some_labels_it_guesses_and_says_between_which_classes(ask: Ask) -> None:
    known = dict(ROWS[:30])
    found = ask(TEXTS, known, n=10, strategy="margin")
    assert (found.counts["labelled"], found.counts["classes"]) == (30, 3)
    assert not {*texts_of(found)} & known.keys()
    for row in found.rows:
        assert row.guess in NAMES
        assert row.confidence is not None
        assert 1 / 3 - 1e-6 <= row.confidence <= 1
    assert any(row.reason.startswith("between '") for row in found.rows)


@pytest.mark.parametrize("strategy", [*STRATEGIES])
def test_batches_never_repeat_a_text_and_the_same_call_gives_the_same(ask: Ask, strategy: str) -> None:
    known: dict[str, str] = {}
    for _ in range(3):
        found = ask(TEXTS, known, n=15, strategy=strategy, seed=3)
        assert found == ask(TEXTS, known, n=15, strategy=strategy, seed=3)
        assert found.strategy == strategy
        assert not {*texts_of(found)} & known.keys()
        known |= {text: LABELS[text] for text in texts_of(found)}
    assert len(known) == 45


def test_rows_of_a_table_that_have_a_label_are_learned_from_and_not_chosen(ask: Ask, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": [LABELS[t] if i % 4 == 0 else None for i, t in enumerate(TEXTS)]})
    frame.to_csv(tmp_path / "pool.csv", index=False)
    found = ask(frame, n=20)
    assert (found.counts["labelled"], found.counts["classes"]) == (30, 3)
    assert all(row.position % 4 for row in found.rows)
    mapping = ask(TEXTS, {t: LABELS[t] for t in TEXTS[::4]}, n=20)
    for other in (ask(tmp_path / "pool.csv", n=20), ask([tmp_path / "pool.csv"], n=20), mapping):
        assert other.rows == found.rows


def test_labelled_texts_beside_the_pool_are_learned_from(ask: Ask, tmp_path: Path) -> None:
    pd.DataFrame(ROWS[:30], columns=["text", "label"]).to_csv(tmp_path / "labelled.csv", index=False)
    pool = TEXTS[30:]
    found = ask(pool, tmp_path / "labelled.csv", n=10)
    assert found.counts["labelled"] == 30
    assert {row.guess for row in found.rows} <= {*NAMES}
    # The same rows within the pool change nothing but positions.
    assert texts_of(found) == texts_of(ask(pool + TEXTS[:30], tmp_path / "labelled.csv", n=10))


def test_texts_of_a_list_without_labels_are_not_proposed(ask: Ask) -> None:
    first = texts_of(ask(TEXTS, n=20))
    second = ask(TEXTS, first, n=20)
    assert second.counts["classes"] == 0
    assert not {*first} & {*texts_of(second)}


def test_a_text_that_occurs_often_is_proposed_once_and_labelled_everywhere(ask: Ask) -> None:
    found = ask([*TEXTS[:10], *TEXTS[:10], *TEXTS], n=100, strategy="random")
    assert len({*texts_of(found)}) == len(found.rows)
    assert all(row.position in (*range(10), *range(30, 140)) for row in found.rows)
    again = ask([*TEXTS[:10]] * 3, {TEXTS[0]: "x"}, n=100, strategy="random")
    assert TEXTS[0] not in texts_of(again)


def test_classes_that_have_names_only_are_guessed(ask: Ask) -> None:
    names = {"animal": ["cat", "dog", "horse", "cow"], "colour": ("red", "crimson"), "tool": "hammer saw drill file"}
    found = ask(TEXTS, n=40, class_names=names, strategy="random")
    assert found.counts["classes"] == 3
    right = np.mean([row.guess == LABELS[row.text] for row in found.rows])
    assert right > 0.6


def test_labels_that_look_alike_are_one_class_where_that_is_asked_for(ask: Ask) -> None:
    known = {text: label.upper() if i % 5 == 0 else label for i, (text, label) in enumerate(ROWS[:30])}
    assert ask(TEXTS, known, n=3).counts["classes"] == 6
    merged = ask(TEXTS, known, n=3, options=TableOptions(normalize_labels=True), class_names={"Tool": "hammer"})
    assert merged.counts["classes"] == 3
    assert {row.guess for row in merged.rows} <= {*NAMES}


def test_of_a_table_that_is_half_filled_in_the_labelled_rows_count(ask: Ask) -> None:
    half = pd.DataFrame({"text": TEXTS[:20], "label": [*(LABELS[text] for text in TEXTS[:10]), *[None] * 10]})
    found = ask(TEXTS, half, n=100, strategy="random")
    assert found.counts["labelled"] == len({*TEXTS[:10]})
    assert not {*TEXTS[:10]} & {*texts_of(found)}
    assert {*TEXTS[10:20]} & {*texts_of(found)}  # they may be suggested again


def test_labels_that_mean_none_are_none(ask: Ask) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": "unclear"})
    names = {"unclear": "nobody knows", "tool": "hammer"}
    counts = ask(frame, n=3, options=TableOptions(none_labels=("unclear",)), class_names=names).counts
    assert (counts["labelled"], counts["classes"]) == (0, 1)


def test_a_text_keeps_the_label_that_it_has_in_the_pool(ask: Ask) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": [LABELS[text] if i < 3 else None for i, text in enumerate(TEXTS)]})
    found = ask(frame, TEXTS[:10], n=3)
    assert (found.counts["labelled"], found.counts["classes"]) == (10, 3)


def test_a_model_gives_the_guesses(ask: Ask, reading_encoder: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = GanBertForSequenceClassification.from_encoder(reading_encoder, num_labels=3, adversarial=False)
    model.config.id2label = dict(enumerate(NAMES))
    model.config.label2id = {name: i for i, name in enumerate(NAMES)}
    for parameter in model.discriminator.parameters():
        parameter.data *= 4
    model.save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    found = ask(TEXTS, n=10, model=tmp_path / "model")
    assert found.counts["classes"] == 3
    predicted = Predictor.load(tmp_path / "model", precision="float32").predict(texts_of(found))
    assert [row.guess for row in found.rows] == predicted.labels
    assert [row.confidence for row in found.rows] == pytest.approx(predicted.confidence.tolist(), abs=1e-5)
    further = ask(TEXTS, {TEXTS[0]: "weather"}, n=10, model=tmp_path / "model")
    assert further.counts["classes"] == 4
    assert {row.guess for row in further.rows} <= {*NAMES}
    assert not ask(TEXTS, n=1, model=tmp_path / "model", class_names="auto").notes  # it needs none, so it takes none
    own = ask(TEXTS, n=10, model=tmp_path / "model", encoder=str(tmp_path / "model"))
    assert len(own.rows) == 10


def test_pairs_are_chosen_as_pairs(ask: Ask) -> None:
    frame = pd.DataFrame({"text": TEXTS[:60], "text_pair": TEXTS[60:]})
    known = frame.head(20).assign(label=["same", "other"] * 10)
    found = ask(frame, known, n=10, class_names={"same": "they mean the same"})
    assert found.counts == {"pool": 60, "labelled": 20, "classes": 2, "skipped_empty": 0, "skipped_blank": 0}
    assert not found.notes
    for row in found.rows:
        assert (row.text, row.text_pair) == (TEXTS[row.position], TEXTS[60 + row.position])
        assert row.position >= 20
    beside = ask(frame.iloc[20:], known, n=10)
    assert texts_of(beside) == texts_of(ask(frame, known, n=10))


def test_positions_count_rows_without_text_and_go_on_in_the_next_table(ask: Ask) -> None:
    first = pd.DataFrame({"text": ["", *TEXTS[:3], " ", *TEXTS[3:50]]})
    second = pd.DataFrame({"text": [*TEXTS[50:100], "", *TEXTS[100:]]})
    found = ask([first, second], n=40, strategy="random", options=TableOptions(skip_empty=True))
    assert (found.counts["pool"], found.counts["skipped_empty"]) == (120, 3)
    everything = [*first["text"], *second["text"]]
    assert [everything[row.position] for row in found.rows] == texts_of(found)
    assert max(row.position for row in found.rows) > len(first)


def test_fewer_rows_are_suggested_where_no_more_are_left(ask: Ask) -> None:
    assert len(ask(TEXTS[:5], n=50, strategy="random").rows) <= 5
    assert ask(TEXTS[:5], dict(ROWS[:5]), n=50).rows == ()


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ([[]], {}, ["pool: has no rows to choose from"]),
        ([["a cat", " "]], {}, ["pool, row 2, column 'text'", "empty text"]),
        ([TEXTS, {"a cat": ["x", "y"]}], {}, ["labelled", "column 'label'", "a label is one word"]),
        ([pd.DataFrame({"body": TEXTS})], {}, ["pool table 1, column 'text'", "'body'"]),
        ([TEXTS, pd.DataFrame({"text": ["a"]})], {}, ["labelled table 1, column 'label'"]),
        ([TEXTS, pd.DataFrame({"text": ["a"], "text_pair": ["b"], "label": ["c"]})], {}, ["no text pair column"]),
        (["nowhere.csv"], {}, ["nowhere.csv", "no such file"]),
        ([["a \ud800"]], {}, ["pool: cannot be read"]),
        ([TEXTS], {"n": 0}, ["n=0: 1 to 2,000"]),
        ([TEXTS], {"n": 2001}, ["n=2001: 1 to 2,000"]),
        ([TEXTS], {"seed": -1}, ["seed=-1"]),
        ([TEXTS], {"strategy": "best"}, ["--strategy 'best'", "choose one of auto, random, "]),
        ([TEXTS], {"class_names": {"a": ""}}, ["class_names: ", "'a'"]),
        ([TEXTS], {"class_names": {"a": ["b", 3]}}, ["class_names: ", "'a'"]),
        ([TEXTS], {"class_names": {"": "b"}}, ["class_names: ", "''"]),
        ([TEXTS], {"model": "no-model"}, ["no-model: is no model folder"]),
        ([TEXTS], {"encoder": "no-encoder/here"}, ["encoder 'no-encoder/here'"]),
    ],
)
def test_what_cannot_be_used_is_one_line(ask: Ask, given: Any, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        ask(*given, **options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_reasons_are_what_was_measured() -> None:
    vectors, of = groups(4, 60, spread=0.15)
    outlier = np.eye(1, 16, dtype=np.float32)
    vectors = np.concatenate([vectors, outlier])
    labelled = {int(i): j for j in range(3) for i in np.flatnonzero(of == j)[:5]}
    p = np.full((241, 3), 0.05, np.float32)
    sure, torn = (int(np.flatnonzero((of == 0) & ~np.isin(np.arange(240), [*labelled]))[i]) for i in (0, 1))
    p[sure], p[torn] = (0.1, 0.85, 0.05), (0.5, 0.1, 0.4)
    in_group_3 = np.flatnonzero(of == 3)
    typical = int(in_group_3[(vectors[in_group_3] @ vectors[in_group_3].mean(axis=0)).argmax()])
    pool = pool_of(vectors, labelled, p)

    said = reasons(pool, np.array([typical, 240, torn, sure]), ["a", "b's", "c"], "otherwise")

    assert said == [
        "typical of a group nobody has labelled yet",
        "unlike everything so far",
        "between 'a' and 'c'",
        'most like "b\'s" so far',
    ]
    assert reasons(pool, np.array([sure]), [], "otherwise") == ["otherwise"]


def test_rows_drawn_at_random_say_so(ask: Ask) -> None:
    assert {row.reason for row in ask(TEXTS, dict(ROWS[:30]), n=5, strategy="random").rows} == {"drawn at random"}


def test_on_real_requests_it_finds_more_classes_than_chance(real_data: Path, minilm: str) -> None:
    import gzip

    with gzip.open(real_data / "hwu64" / "train.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rows = [rows[i] for i in np.random.default_rng(0).choice(len(rows), 2500, replace=False)]
    label_of = {row["text"]: row["label"] for row in rows}
    texts, compute = [*label_of], choose_compute("cpu")

    def n_classes(strategy: str, seed: int) -> int:
        found = suggest(texts, n=64, strategy=strategy, seed=seed, encoder=minilm, compute=compute)
        assert len(found.rows) == 64
        return len({label_of[row.text] for row in found.rows})

    chosen, drawn = ([n_classes(strategy, seed) for seed in range(3)] for strategy in ("auto", "random"))
    assert min(chosen) > max(drawn)
    assert np.mean(chosen) > np.mean(drawn) + 5
