"""`ganbert train` on input that is right: the folder it leaves and the object it prints."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from tests.cli.conftest import LEARNS
from tests.conftest import ANIMALS, COLOURS, Run, toy_rows
from tests.helpers.hub import fake_hub

Toy = Callable[..., Path]


def config(folder: Path) -> dict[str, Any]:
    value = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def log_records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "training_log.jsonl").read_text(encoding="utf-8").splitlines()]


def write_rows(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_run_leaves_a_model_folder_and_nothing_else(train_and_plot: Run, toy_table: Toy, tmp_path: Path) -> None:
    result = train_and_plot(toy_table(), "--test", toy_table(n=30, labelled=30, name="t.csv", first=60)).result

    model = tmp_path / "model"
    assert {path.name for path in model.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "README.md",
        "manifest.json",
        "training_log.jsonl",
        "losses.png",
        "health.png",
    }
    written = json.loads((model / "manifest.json").read_text(encoding="utf-8"))["files"]
    assert written == {path.name: path.stat().st_size for path in model.iterdir() if path.name != "manifest.json"}
    assert len({path.stat().st_mode for path in model.iterdir()}) == 1
    assert all((model / name).read_bytes().startswith(b"\x89PNG") for name in ("losses.png", "health.png"))
    assert [record["step"] for record in log_records(model) if "loss" in record] == [1, 2]
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "| labelled | 24 |" in card
    assert "| unlabelled | 36 |" in card
    recipe = {name: value for name, value in result["recipe"].items() if name != "name"}
    assert [name for name, value in recipe.items() if f"| {name} | {value} |" not in card] == []
    assert f"On 30 test rows: accuracy {result['test']['accuracy']:.3f}" in card
    assert f"macro F1 {result['test']['macro_f1']:.3f}" in card


def test_the_card_names_the_encoder_of_the_teacher(
    train_and_plot: Run, toy_table: Toy, tiny_encoder: str, tmp_path: Path
) -> None:
    train_and_plot(toy_table(), "--teacher-encoder", tiny_encoder, "--set", "looks_needed=0")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert f"texts with a teacher on {tiny_encoder}" in card.replace("\\", "")


def test_json_is_one_object_with_what_a_program_asks_for(train_and_plot: Run, toy_table: Toy, tmp_path: Path) -> None:
    result = train_and_plot(toy_table(), "--test", toy_table(n=30, labelled=30, name="t.csv", first=60)).result

    assert result["output"] == str(tmp_path / "model")
    assert result["steps"] == 2
    assert result["seconds"] > 0
    assert result["recipe"]["name"] == "default"
    assert result["recipe"]["max_steps"] == 2
    counts = result["data"]
    assert (counts["labelled"], counts["unlabelled"], counts["classes"]) == (24, 36, 3)
    assert result["test"]["n"] == 30
    assert 0 <= result["test"]["macro_f1"] <= 1
    assert result["test"]["accuracy"] * 30 == pytest.approx(round(result["test"]["accuracy"] * 30))


def test_without_json_people_get_tables_and_the_next_command(
    run: Run, toy_table: Toy, tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Class names and folders may hold what rich would take for markup.
    table = write_rows(tmp_path / "odd.csv", "text,label", *(f"{t},[/{c}]" for t, c in toy_rows(24)), "a cat,")
    output = tmp_path / "model [b]"
    outcome = run("train", table, "--test", table.with_name("t.csv"), "--output", output, "--encoder", tiny_encoder)
    assert outcome.status == 2  # the test file is missing
    write_rows(tmp_path / "t.csv", "text,label", *(f"{t},[/{c}]" for t, c in toy_rows(6, first=60)))

    outcome = run(
        *("train", table, "--test", table.with_name("t.csv"), "--output", output, "--encoder", tiny_encoder),
        *("--max-steps", 2),
    )

    assert outcome.status == 0, outcome.err
    assert "24 labelled, 1 unlabelled, 3 classes, 6 test" in outcome.out
    assert "[/animal]" in outcome.out
    words = shlex.split(next(line for line in outcome.out.splitlines() if line.startswith("Next:")))[1:]
    monkeypatch.chdir(tmp_path)
    assert run(*words[1:]).status == 0  # as it stands
    assert (tmp_path / "predictions.csv").read_text(encoding="utf-8").count("\n") == 7


def test_a_model_learns_and_is_measured_on_rows_it_has_not_seen(train_and_plot: Run, toy_table: Toy) -> None:
    test = toy_table(n=30, labelled=30, name="t.csv", first=60)

    result = train_and_plot(toy_table(), "--test", test, *LEARNS, "--max-steps", 12).result

    assert result["test"]["accuracy"] > 0.6  # chance is 0.33


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("paper", {"adversarial": True, "pooling": "cls", "noise": "normal", "feature_matching": "sum"}),
        ("code", {"adversarial": True, "pooling": "pooler", "noise": "uniform", "feature_matching": "mean"}),
        ("bert", {"adversarial": False, "pooling": "cls"}),
    ],
)
def test_a_named_recipe_is_what_is_trained_and_stored(
    train_and_plot: Run, toy_table: Toy, tmp_path: Path, name: str, expected: dict[str, object]
) -> None:
    result = train_and_plot(toy_table(), "--recipe", name, "--batch-size", 16, "--epochs", 0.5).result

    assert result["recipe"] | expected | {"name": name} == result["recipe"]
    assert config(tmp_path / "model") | expected == config(tmp_path / "model")
    plots = {path.name for path in (tmp_path / "model").glob("*.png")}
    assert plots == {"losses.png", "health.png"}
    # |L| = 24, |U| = 36: neither rule replicates, so 60 rows; the plain run takes as many steps as GAN-BERT.
    assert result["steps"] == 2
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as weights:
        assert not any(key.startswith("generator") for key in weights.keys())  # noqa: SIM118 - not a mapping
        n_outputs = weights.get_tensor("discriminator.output.weight").shape[0]
    assert n_outputs == (4 if expected["adversarial"] else 3)


def test_set_reaches_any_field_of_the_recipe(train_and_plot: Run, toy_table: Toy, tmp_path: Path) -> None:
    result = train_and_plot(
        toy_table(), "--set", "noise=uniform", "--set", "dropout = 0.3", "--set", "labelled_share=none"
    ).result

    recipe = result["recipe"]
    assert (recipe["noise"], recipe["dropout"], recipe["labelled_share"]) == ("uniform", 0.3, None)
    assert config(tmp_path / "model")["noise"] == "uniform"
    assert config(tmp_path / "model")["dropout"] == 0.3


def test_set_wins_over_the_option_for_the_same_field(train_and_plot: Run, toy_table: Toy) -> None:
    result = train_and_plot(toy_table(), "--max-steps", 3, "--set", "max_steps=1").result

    assert result["steps"] == 1


def test_labelled_and_unlabelled_rows_come_from_two_files(train_and_plot: Run, toy_table: Toy) -> None:
    labelled = toy_table(n=12, labelled=12, name="few.csv")
    unlabelled = toy_table(n=40, labelled=40, name="many.csv", first=12)  # its labels are not looked at

    result = train_and_plot("--labeled", labelled, "--unlabeled", unlabelled).result

    assert (result["data"]["labelled"], result["data"]["unlabelled"]) == (12, 40)


def test_several_files_are_one_training_set(train_and_plot: Run, toy_table: Toy) -> None:
    result = train_and_plot(toy_table(n=12, labelled=6), toy_table(n=20, labelled=3, name="more.csv", first=12)).result

    assert (result["data"]["labelled"], result["data"]["unlabelled"]) == (9, 23)


def test_a_validation_file_is_measured_while_training(train_and_plot: Run, toy_table: Toy, tmp_path: Path) -> None:
    validation = toy_table(n=9, labelled=9, name="v.csv", first=60)

    result = train_and_plot(toy_table(), "--validation", validation).result

    assert result["data"]["validation"] == 9
    measured = [record for record in log_records(tmp_path / "model") if "eval_accuracy" in record]
    assert [record["step"] for record in measured] == [1, 2]


def test_a_validation_fraction_is_taken_from_each_class(train_and_plot: Run, toy_table: Toy) -> None:
    result = train_and_plot(toy_table(), "--validation-fraction", 0.25).result

    assert result["data"]["validation"] == 6  # 2 of the 8 rows of each class
    assert result["data"]["labelled"] == 18
    assert result["data"]["unlabelled"] == 36


def test_early_stopping_ends_a_run_that_gets_no_better(train_and_plot: Run, toy_table: Toy) -> None:
    still = ("--recipe", "bert-tuned", "--learning-rate", 0, "--set", "discriminator_lr=0", "--max-steps", 10)

    result = train_and_plot(toy_table(), "--validation-fraction", 0.25, "--early-stopping", 2, *still).result

    assert result["steps"] == 3  # one that is best so far, two that are not better


@pytest.mark.parametrize("column", [None, "question"])
def test_the_second_text_of_a_pair_is_read(train_and_plot: Run, tmp_path: Path, column: str | None) -> None:
    pairs = [(word, "colour" if word in COLOURS else "animal") for word in (COLOURS + ANIMALS) * 3]
    header = f"text,{column or 'text_pair'},label"
    # Only the second text tells the classes apart.
    train = write_rows(
        tmp_path / "pairs.csv", header, *(f"the {'old ' * (i % 3)},{w},{c}" for i, (w, c) in enumerate(pairs))
    )
    test = write_rows(tmp_path / "t.csv", header, *(f"is here,{w},{c}" for w, c in pairs[:8]))
    option = () if column is None else ("--text-pair-column", column)

    result = train_and_plot(train, "--test", test, *option, *LEARNS, "--max-steps", 25).result

    assert result["test"]["accuracy"] == 1.0


def test_labels_may_be_numbers_and_stand_in_their_order(train_and_plot: Run, tmp_path: Path) -> None:
    numbers = {"colour": "10", "animal": "9", "tool": "-2"}
    rows = [json.dumps({"text": text, "label": int(numbers[name])}) for text, name in toy_rows(24)]
    (tmp_path / "numbers.jsonl").write_text("\n".join([*rows, '{"text": "a cat", "label": null}']), encoding="utf-8")

    result = train_and_plot(tmp_path / "numbers.jsonl").result

    assert (result["data"]["labelled"], result["data"]["unlabelled"]) == (24, 1)
    assert config(tmp_path / "model")["id2label"] == {"0": "-2", "1": "9", "2": "10"}


def test_other_column_names_and_encodings_can_be_named(train_and_plot: Run, tmp_path: Path) -> None:
    lines = ["Nachricht;x\tThema", *(f"{text} grün\t{name}" for text, name in toy_rows(12)), "grün\t"]
    (tmp_path / "latin.tsv").write_bytes("\n".join(lines).replace(";x", "").encode("latin-1"))
    options = ("--text-column", "Nachricht", "--label-column", "Thema", "--encoding", "latin-1")

    result = train_and_plot(tmp_path / "latin.tsv", *options).result

    assert (result["data"]["labelled"], result["data"]["unlabelled"]) == (12, 1)


def test_skip_empty_drops_and_counts_rows_without_text(train_and_plot: Run, toy_table: Toy) -> None:
    table = toy_table()
    table.write_text(table.read_text() + ",tool\n  ,\n", encoding="utf-8")

    result = train_and_plot(table, "--skip-empty").result

    assert result["data"]["skipped_empty"] == 2
    assert (result["data"]["labelled"], result["data"]["unlabelled"]) == (24, 36)


def test_all_rows_labelled_is_said_to_be_plain_fine_tuning(train_and_plot: Run, toy_table: Toy, tmp_path: Path) -> None:
    outcome = train_and_plot(toy_table(n=24, labelled=24))

    assert "plain fine-tuning" in outcome.err
    assert outcome.result["recipe"]["adversarial"] is False
    assert config(tmp_path / "model")["adversarial"] is False


def test_test_rows_that_stand_in_training_are_counted(train_and_plot: Run, toy_table: Toy) -> None:
    test = toy_table(n=10, labelled=10, name="t.csv", first=57)  # 57, 58, 59 are training rows

    outcome = train_and_plot(toy_table(), "--test", test)

    assert outcome.result["data"]["test_in_train"] == 3
    assert "3 of 10 test rows have a text that also stands in the training rows" in outcome.err


def test_texts_longer_than_max_length_are_counted(train_and_plot: Run, toy_table: Toy, tmp_path: Path) -> None:
    table = toy_table()
    table.write_text(table.read_text() + "the cat is here the cat is here,\na dog is old and here again,\n")

    outcome = train_and_plot(table, "--max-length", 8)  # [CLS], six words, [SEP]

    assert outcome.result["data"]["cut"] == 2
    assert re.search(r"^2 of 62 training texts .* 8 tokens", outcome.err, re.MULTILINE)
    tokenizer = json.loads((tmp_path / "model" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert tokenizer["model_max_length"] == 8  # whoever opens the model cuts there too


def test_allow_unseen_counts_such_test_rows_as_errors(train_and_plot: Run, toy_table: Toy, tmp_path: Path) -> None:
    test = write_rows(tmp_path / "t.csv", "text,label", "the car,vehicle", "a lorry,vehicle")

    result = train_and_plot(toy_table(), "--test", test, "--allow-unseen").result

    assert result["test"]["accuracy"] == 0
    assert result["test"]["n_unseen"] == result["test"]["n"] == 2


def test_allow_unseen_counts_such_validation_rows_as_errors(
    train_and_plot: Run, toy_table: Toy, tmp_path: Path
) -> None:
    validation = write_rows(tmp_path / "v.csv", "text,label", "the car,vehicle", "a lorry,vehicle")

    train_and_plot(toy_table(), "--validation", validation, "--allow-unseen")

    measured = [record for record in log_records(tmp_path / "model") if "eval_accuracy" in record]
    assert {record["eval_accuracy"] for record in measured} == {0}


def test_overwrite_replaces_a_finished_model_and_nothing_else(
    train_and_plot: Run, toy_table: Toy, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    train_and_plot(toy_table(), "--recipe", "bert")
    (model / "notes.txt").write_text("mine")

    train_and_plot(toy_table(), "--recipe", "paper", "--overwrite")

    assert config(model)["adversarial"] is True
    assert (model / "notes.txt").read_text() == "mine"
    assert "notes.txt" not in json.loads((model / "manifest.json").read_text())["files"]


def test_the_seed_decides_the_weights(train_and_plot: Run, toy_table: Toy, tmp_path: Path) -> None:
    weights = []
    for seed in (1, 1, 2):
        train_and_plot(toy_table(), "--seed", seed, "--overwrite")
        weights.append((tmp_path / "model" / "model.safetensors").read_bytes())

    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_the_columns_of_training_are_those_of_the_next_commands(train_and_plot: Run, run: Run, tmp_path: Path) -> None:
    table = write_rows(tmp_path / "t.csv", "kind,message", *(f"{name},{text}" for text, name in toy_rows(24)))
    train_and_plot(table, "--text-column", "message", "--label-column", "kind")

    predicted = run("predict", tmp_path / "model", table, "--output", tmp_path / "p.csv")
    evaluated = run("evaluate", tmp_path / "model", table, "--json")

    assert (predicted.status, evaluated.status) == (0, 0), predicted.err + evaluated.err
    assert evaluated.result["n"] == 24
    assert config(tmp_path / "model")["columns"] == {"text": "message", "label": "kind"}


# What classes are called


def test_labels_that_are_words_are_class_names_unless_told_otherwise(
    train_briefly: Run, toy_table: Toy, tmp_path: Path
) -> None:
    outcome = train_briefly(toy_table())

    assert "Class names: 'animal' is called 'animal', " in outcome.err
    assert outcome.result["class_names"] == {"animal": ["animal"], "colour": ["colour"], "tool": ["tool"]}
    assert config(tmp_path / "model")["class_names"] == [["animal"], ["colour"], ["tool"]]
    assert (outcome.result["data"]["labelled"], outcome.result["steps"]) == (24, 2)

    outcome = train_briefly(toy_table(), "--class-names", "none", "--overwrite")

    assert "Class names" not in outcome.err
    assert outcome.result["class_names"] == {}
    assert config(tmp_path / "model")["class_names"] is None


def test_class_names_come_from_a_file_and_may_name_classes_without_a_row(
    train_briefly: Run, run: Run, toy_table: Toy, tmp_path: Path
) -> None:
    names = write_rows(tmp_path / "names.csv", "label,text", "animal,cat", "animal,dog", "plant,an oak")

    outcome = train_briefly(toy_table(), "--class-names", names)

    assert outcome.result["class_names"] == {"animal": ["cat", "dog"], "plant": ["an oak"]}
    assert outcome.result["data"]["classes"] == 4
    assert "No class name for 'colour', 'tool'\n" in outcome.err
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "Classes: animal (cat / dog), colour, plant (an oak), tool." in card
    predicted = run("predict", tmp_path / "model", toy_table(), "--output", tmp_path / "p.csv", "--probabilities")
    assert predicted.status == 0, predicted.err
    assert "plant" in (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()[0]


def test_with_class_names_no_row_needs_a_label(train_briefly: Run, tmp_path: Path) -> None:
    pile = write_rows(tmp_path / "pile.csv", "text", *(text for text, _ in toy_rows(30)))
    test = write_rows(tmp_path / "test.csv", "text,label", *(f"{text},{name}" for text, name in toy_rows(9, first=60)))
    names = tmp_path / "names.yaml"
    names.write_text("animal: a cat\ncolour: [red, crimson]\ntool: a saw\n", encoding="utf-8")

    outcome = train_briefly("--unlabeled", pile, "--class-names", names, "--test", test)

    counts = outcome.result["data"]
    assert (counts["labelled"], counts["unlabelled"], counts["classes"]) == (0, 30, 3)
    assert outcome.result["test"]["n"] == 9
    assert "30 rows to train on: 0 labelled in 3 classes, 30 unlabelled" in outcome.err


def test_what_was_read_is_said_before_training(train_and_plot: Run, toy_table: Toy) -> None:
    lines = train_and_plot(toy_table()).err.splitlines()

    assert lines[0] == "60 rows to train on: 24 labelled in 3 classes, 36 unlabelled"
    assert lines[1] == "labelled rows of each class: 'animal' 8, 'colour' 8, 'tool' 8"


def test_a_slip_is_warned_of(train_and_plot: Run, tmp_path: Path) -> None:
    table = write_rows(tmp_path / "t.csv", "id,text,label", *(f"{i},{t},{n}" for i, (t, n) in enumerate(toy_rows(24))))

    outcome = train_and_plot(table, "--text-column", "id")

    assert "Warning: texts are mostly numbers or codes" in outcome.err
    assert "--text-column" in outcome.result["warnings"][0]


@pytest.mark.parametrize(("labelled", "falls_back"), [(24, False), (60, True)])
def test_a_run_that_fell_back_says_so_everywhere(
    train_and_plot: Run, toy_table: Toy, tmp_path: Path, labelled: int, falls_back: bool
) -> None:
    outcome = train_and_plot(toy_table(labelled=labelled), "--set", "looks_needed=0")

    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    reason = "All rows are labelled, so there is no unlabelled text to learn from: this is plain fine-tuning."
    assert outcome.result["fallback"] == (reason if falls_back else None)
    assert (reason in outcome.err) is falls_back
    assert (reason in card) is falls_back


@pytest.mark.parametrize("name", ["unsure", "Unsure "])
def test_a_label_can_mean_that_there_is_none(train_and_plot: Run, tmp_path: Path, name: str) -> None:
    rows = [f"{text},{'unsure' if i % 4 == 0 else label}" for i, (text, label) in enumerate(toy_rows(24))]
    table = write_rows(tmp_path / "t.csv", "text,label", *rows)

    extra = () if name == "unsure" else ("--normalize-labels",)
    result = train_and_plot(table, "--none-label", name, *extra).result

    assert (result["data"]["labelled"], result["data"]["unlabelled"], result["data"]["classes"]) == (18, 6, 3)


def test_the_model_folder_goes_to_the_hub_when_it_is_finished(
    train_briefly: Run, toy_table: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_hub(monkeypatch) as hub:
        ended = train_briefly(toy_table(), "--push-to-hub", "user/colours")

    assert f"Uploaded to {hub.url}/user/colours" in ended.err
    assert hub.files["user/colours"] == {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}


def test_a_model_that_cannot_be_uploaded_is_kept_and_the_command_fails(
    run: Run, tiny_encoder: str, toy_table: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = ("--encoder", tiny_encoder, "--max-steps", 2, "--output", tmp_path / "model")
    with fake_hub(monkeypatch) as hub:
        hub.refuse["/api/repos/create"] = 400
        ended = run("train", toy_table(), *fixed, "--push-to-hub", "user/colours")

    assert ended.status == 1
    assert ended.err.endswith("ganbert: user/colours: upload to the Hub failed (400: refused with 400)\n")
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_a_name_that_the_hub_would_not_take_is_refused_before_training(
    run: Run, toy_table: Toy, tmp_path: Path
) -> None:
    ended = run("train", toy_table(), "--output", tmp_path / "model", "--push-to-hub", "my model")

    assert ended.status == 2
    assert "'my model' is no name for a model on the Hub" in ended.err
    assert not (tmp_path / "model").exists()
