"""A run's folder: no file is lost that ganbert did not write, and at any moment it is a model or a run to resume."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ganbert.errors import InputError
from ganbert.storage import folders
from ganbert.storage.disk import read_object
from ganbert.training import run_folder

MODEL = {
    "config.json": '{"model_type": "ganbert"}',
    "model.safetensors": "weights",
    "tokenizer.json": "{}",
    "README.md": "a card",
    "training_log.jsonl": '{"step": 9}\n',
}
CHECKPOINT = {
    "config.json": '{"model_type": "ganbert"}',
    "model.safetensors": "weights",
    "optimizer.pt": "moments",
    "rng_state.pth": "numbers",
    "trainer_state.json": "{}",
}
FACTS = {"seed": 0, "encoder": "tiny"}


def fill(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def finished(folder: Path) -> Path:
    fill(folder, MODEL)
    run_folder.finish(folder)
    return folder


def checkpoint(output: Path, step: int, best: str | None = None) -> Path:
    state = {"trainer_state.json": json.dumps({"best_model_checkpoint": best and f"elsewhere/{best}"})}
    folder = fill(output / f"checkpoint-{step}", CHECKPOINT | state)
    run_folder.keep_checkpoint(folder, best)
    return folder


def unfinished(folder: Path) -> Path:
    folder.mkdir()
    run_folder.begin(folder, FACTS, resume=False)
    return folder


def files_under(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def failing_at(number: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let the n-th change of the file system raise; yields what was changed so far."""
    done: list[str] = []

    def watched(name: str) -> Callable[..., Any]:
        change = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            done.append(name)
            if len(done) == number:
                raise error
            return change(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink", "rmdir", "fsync", "rename"):
            patch.setattr(os, name, watched(name))
        yield done


class Killed(BaseException):
    """The process ends here: nothing after it is carried out, not even a tidying up."""


def test_a_finished_folder_lists_what_was_written(tmp_path: Path) -> None:
    output = unfinished(tmp_path / "model")
    checkpoint(output, 5)
    finished(output / "teacher")
    (output / "notes.txt").write_text("mine")

    finished(output)

    assert {path.name for path in output.iterdir()} == {*MODEL, "manifest.json", "notes.txt"}
    assert read_object(output / "manifest.json") == {
        "written_by": "ganbert",
        "files": {name: len(content) for name, content in sorted(MODEL.items())},
        "sha256": {"model.safetensors": hashlib.sha256(MODEL["model.safetensors"].encode()).hexdigest()},
    }
    assert folders.is_finished(output)


@pytest.mark.parametrize("number", range(1, 40))
def test_stopped_while_it_finishes_the_folder_is_finished_or_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    output = unfinished(tmp_path / "model")
    newest = checkpoint(output, 7)
    finished(output / "teacher")
    fill(output / "teacher", {folders.SOFT_TARGETS: "what it said"})
    fill(output, MODEL)

    with failing_at(number, Killed(), monkeypatch) as done:
        try:
            run_folder.finish(output)
        except Killed:
            whole = {name: (output / name).read_text() for name in MODEL}
            assert whole == MODEL
            if not folders.is_finished(output):
                assert folders.is_unfinished(output)
                assert run_folder.last_whole_checkpoint(output) == newest
    assert len(done) < 40
    if folders.is_finished(output):
        run_folder.check_output(output, resume=False, overwrite=True)  # what was left does not stand in the way
        run_folder.begin(output, FACTS, resume=False)
        assert {path.name for path in output.iterdir()} == {"run.json"}


@pytest.mark.parametrize("number", range(1, 40))
def test_stopped_while_it_begins_anew_the_folder_is_finished_or_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    output = finished(tmp_path / "model")
    (output / "messages.csv").write_text("mine")
    checkpoint(output, 7)

    with failing_at(number, Killed(), monkeypatch) as done:
        try:
            run_folder.begin(output, FACTS, resume=False)
        except Killed:
            assert folders.is_unfinished(output) != folders.is_finished(output)
            if folders.is_finished(output):
                assert {name: (output / name).read_text() for name in MODEL} == MODEL
            else:
                assert run_folder.last_whole_checkpoint(output) is None  # that was of another run
    assert len(done) < 40
    run_folder.begin(output, FACTS, resume=folders.is_unfinished(output))
    assert files_under(output).keys() == {"run.json", "messages.csv"}


@pytest.mark.parametrize("number", range(1, 40))
def test_a_full_disk_leaves_a_run_that_can_be_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    output, full = unfinished(tmp_path / "model"), OSError(errno.ENOSPC, "No space left on device")
    first = checkpoint(output, 5)
    second = fill(output / "checkpoint-10", CHECKPOINT)

    with failing_at(number, full, monkeypatch) as done, suppress(OSError):
        run_folder.keep_checkpoint(second, None)
        first = second

    assert len(done) < 40
    assert folders.is_unfinished(output)
    assert run_folder.last_whole_checkpoint(output) in (first, second)
    assert run_folder.begin(output, FACTS, resume=True) in (first, second)
    assert not list(output.rglob(".*.part"))


@pytest.mark.parametrize(
    "tear",
    [
        lambda c: (c / "model.safetensors").write_bytes(b"we"),
        lambda c: (c / "optimizer.pt").write_bytes(b""),
        lambda c: (c / "rng_state.pth").unlink(),
        lambda c: (c / "manifest.json").write_bytes(b""),
        lambda c: (c / "manifest.json").write_bytes(b'{"written_by": "gan'),
        lambda c: (c / "manifest.json").write_bytes(b"[" * 100_000),
        lambda c: (c / "manifest.json").unlink(),
    ],
    ids=["weights", "optimizer", "random numbers", "empty list", "torn list", "deep list", "no list"],
)
def test_a_torn_checkpoint_is_passed_over_and_removed(tmp_path: Path, tear: Callable[[Path], object]) -> None:
    output = unfinished(tmp_path / "model")
    whole = checkpoint(output, 5)
    newest = fill(output / "checkpoint-10", CHECKPOINT)
    folders.seal(newest, CHECKPOINT)
    tear(newest)

    assert run_folder.begin(output, FACTS, resume=True) == whole
    assert not newest.exists()


def test_a_checkpoint_whose_best_one_is_torn_is_passed_over(tmp_path: Path) -> None:
    output = unfinished(tmp_path / "model")
    best = checkpoint(output, 5)
    checkpoint(output, 10, best="checkpoint-5")
    assert run_folder.last_whole_checkpoint(output) == output / "checkpoint-10"

    (best / "model.safetensors").write_text("torn")

    assert run_folder.begin(output, FACTS, resume=True) is None


def test_what_is_named_like_a_checkpoint_and_is_none_does_not_matter(tmp_path: Path) -> None:
    output = unfinished(tmp_path / "model")
    fill(output / "checkpoint-final", {"mine.txt": "mine"})
    (output / "checkpoint-99").write_text("mine")
    newest = checkpoint(output, 5)

    assert run_folder.begin(output, FACTS, resume=True) == newest
    run_folder.begin(output, FACTS, resume=False)
    assert files_under(output).keys() == {"run.json", "checkpoint-final/mine.txt", "checkpoint-99"}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["checkpoint-5", "teacher"])
def test_a_link_is_removed_and_what_it_leads_to_stays(tmp_path: Path, name: str, resume: bool) -> None:
    elsewhere = fill(tmp_path / "elsewhere", CHECKPOINT)
    folders.seal(elsewhere, CHECKPOINT)
    before = files_under(elsewhere)
    output = unfinished(tmp_path / "model")
    (output / name).symlink_to(elsewhere)

    assert run_folder.begin(output, FACTS, resume=resume) is None

    assert not (output / name).is_symlink()
    assert files_under(elsewhere) == before


def test_a_link_to_a_folder_is_that_folder(tmp_path: Path) -> None:
    finished(tmp_path / "model")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "model")

    run_folder.check_output(link, resume=False, overwrite=True)
    run_folder.begin(link, FACTS, resume=False)

    assert {path.name for path in (tmp_path / "model").iterdir()} == {"run.json"}


@pytest.mark.parametrize("name", ["../victim.txt", "ABSOLUTE", "link/victim.txt", "sub/victim.txt", "..", "sub", ""])
def test_a_list_that_names_something_elsewhere_is_not_obeyed(tmp_path: Path, name: str) -> None:
    output = finished(tmp_path / "model")
    victims = [fill(tmp_path, {"victim.txt": "a"}), fill(tmp_path / "other", {"victim.txt": "b"})]
    victims.append(fill(output / "sub", {"victim.txt": "c", "config.json": "d"}))
    (output / "link").symlink_to(tmp_path / "other")
    before = [files_under(folder) for folder in victims[1:]]
    files = {name.replace("ABSOLUTE", str(tmp_path / "victim.txt")): 1, "config.json": 1}
    (output / "manifest.json").write_text(json.dumps({"written_by": "ganbert", "files": files}))

    folders.remove(output, folders.written(output))

    assert [files_under(folder) for folder in victims[1:]] == before
    assert (tmp_path / "victim.txt").read_text() == "a"
    assert not (output / "config.json").exists()


def test_a_model_without_a_list_is_replaced_by_the_names_that_older_versions_wrote(tmp_path: Path) -> None:
    mine = {"messages.csv": "text", "notes.txt": "mine", "model.txt": "mine"}
    output = fill(tmp_path / "model", MODEL | mine | {"losses.png": "png", "training_args.bin": "arguments"})
    fill(output / "checkpoint-5", {"optimizer.pt": "", "mine.txt": "mine"})

    run_folder.check_output(output, resume=False, overwrite=True)
    run_folder.begin(output, FACTS, resume=False)

    assert files_under(output).keys() == {"run.json", "checkpoint-5/mine.txt", *mine}


@pytest.mark.parametrize("name", ["vocab.txt", "run.json", "model-00001-of-00002.safetensors"])
def test_what_somebody_else_wrote_and_a_run_would_replace_stands_in_the_way(tmp_path: Path, name: str) -> None:
    output = finished(tmp_path / "model")
    (output / name).write_text('{"name": "my experiment"}')
    before = files_under(output)

    with pytest.raises(InputError, match=f"holds {name}, which ganbert did not write"):
        run_folder.check_output(output, resume=False, overwrite=True)

    assert files_under(output) == before


@pytest.mark.parametrize("name", ["teacher", "checkpoint-5"])
def test_a_folder_of_somebody_else_stands_in_the_way_of_one_of_that_name(tmp_path: Path, name: str) -> None:
    output = finished(tmp_path / "model")
    fill(output / name, {"config.json": "of another model"})

    with pytest.raises(InputError, match=f"holds {name}, which"):
        run_folder.check_output(output, resume=False, overwrite=True)


def test_a_model_without_weights_is_not_finished(tmp_path: Path) -> None:
    output = finished(tmp_path / "model")
    (output / "model.safetensors").unlink()

    with pytest.raises(InputError, match="holds something else"):
        run_folder.check_output(output, resume=False, overwrite=True)


@pytest.mark.parametrize("content", ["", '{"seed": ', "\x00" * 200])
def test_a_mark_that_cannot_be_read_is_of_a_run_that_did_not_begin(tmp_path: Path, content: str) -> None:
    output = fill(tmp_path / "model", {"run.json": content})
    checkpoint(output, 5)

    run_folder.check_output(output, resume=True, overwrite=False)

    assert run_folder.begin(output, FACTS, resume=True) is None
    assert read_object(output / "run.json") == FACTS
    assert {path.name for path in output.iterdir()} == {"run.json"}


def test_a_run_begun_with_other_facts_is_not_resumed(tmp_path: Path) -> None:
    output = unfinished(tmp_path / "model")
    with pytest.raises(InputError, match="was begun with other seed: give the same"):
        run_folder.begin(output, FACTS | {"seed": 1}, resume=True)


def test_what_killed_runs_left_is_removed(tmp_path: Path) -> None:
    left = [".0123456789abcdef.part", ".tmpAb3dE9", ".ganbert.lock"]
    output = fill(tmp_path / "model", dict.fromkeys(left, "left"))
    fill(output / ".export-a1b2c3d4", {"model.onnx.float32": "left"})
    mine = [".hidden.part", "tmp_results1", ".tmp"]
    run_folder.check_output(output, resume=False, overwrite=False)  # nobody's: the folder counts as empty
    run_folder.begin(output, FACTS, resume=False)
    assert {path.name for path in output.iterdir()} - {".ganbert.lock"} == {"run.json"}

    fill(output, dict.fromkeys([*left, *mine], "content"))
    run_folder.begin(output, FACTS, resume=True)
    assert {path.name for path in output.iterdir()} - {".ganbert.lock"} == {"run.json", *mine}


@pytest.mark.parametrize("place", ["model/messages.csv", "model/deep/er/messages.csv", "model/../model/messages.csv"])
def test_an_input_in_the_output_folder_is_refused(tmp_path: Path, place: str) -> None:
    output = finished(tmp_path / "model")
    table = tmp_path / place
    fill(table.parent, {table.name: "text"})
    before = files_under(output)

    with pytest.raises(InputError, match=r"messages.csv: is an input and lies in the output folder"):
        run_folder.check_output(output, resume=False, overwrite=True, inputs=[table])

    assert files_under(output) == before


def test_an_input_that_leads_into_the_output_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = finished(tmp_path / "model")
    outside, inside = fill(tmp_path / "data", {"a.csv": "text"}) / "a.csv", fill(output, {"b.csv": "text"}) / "b.csv"
    (tmp_path / "to-inside.csv").symlink_to(inside)
    (output / "to-outside.csv").symlink_to(outside)
    (tmp_path / "folder").symlink_to(output)
    monkeypatch.chdir(output)

    def check(output: str, *inputs: str | Path) -> None:
        run_folder.check_output(Path(output), resume=False, overwrite=True, inputs=inputs)

    for name in (tmp_path / "to-inside.csv", output / "to-outside.csv", "b.csv", tmp_path / "folder" / "b.csv", output):
        with pytest.raises(InputError, match="lies in the output folder"):
            check(".", name)
        with pytest.raises(InputError, match="lies in the output folder"):
            check(str(tmp_path / "folder"), name)
    check(".", outside, "minilm", "google-bert/bert-base-cased", "-")


@pytest.mark.parametrize("output", ["/proc/nope/model", "/dev/null/model", "/dev/full", "x" * 300])
def test_a_folder_that_cannot_be_made_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        run_folder.check_output(Path(output), resume=False, overwrite=False)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_check_leaves_nothing(tmp_path: Path) -> None:
    run_folder.check_output(tmp_path / "a" / "b" / "model", resume=False, overwrite=False)
    assert list(tmp_path.iterdir()) == []


HOLD = """
import sys, time
from pathlib import Path
from ganbert.storage.folders import claimed
with claimed(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_refused_until_the_first_has_ended_or_died(tmp_path: Path) -> None:
    output = tmp_path / "model"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(output)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "claimed\n"
        (output / "run.json").write_text("{}")
        for resume in (False, True):
            with pytest.raises(InputError, match="another run is writing there"):
                run_folder.check_output(output, resume=resume, overwrite=False)
        first.send_signal(signal.SIGKILL)
    assert (output / folders.LOCK).exists()

    run_folder.check_output(output, resume=True, overwrite=False)
    with folders.claimed(output), pytest.raises(InputError, match="another run"), folders.claimed(output):
        pass
    assert {path.name for path in output.iterdir()} == {"run.json"}


def test_temporary_folders_of_dead_processes_are_removed(tmp_path: Path) -> None:
    code = HOLD.replace("claimed(", "scratch(").replace("import claimed", "import scratch")
    code = code.replace('print("claimed"', 'print(next(Path(sys.argv[1]).glob("ganbert-*"))')
    places = []
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        places.append((process, process.stdout.readline()))
    fill(tmp_path / "ganbert-mine", {"thesis.tex": "mine"})
    try:
        assert len(list(tmp_path.glob("ganbert-*"))) == 3  # both live
    finally:
        for process, _ in places:
            process.kill()
            process.communicate()
    with folders.scratch(tmp_path) as folder:
        assert set(tmp_path.iterdir()) == {folder, tmp_path / "ganbert-mine"}
    assert set(tmp_path.iterdir()) == {tmp_path / "ganbert-mine"}


def test_a_folder_of_scratch_is_told_from_one_that_somebody_named(tmp_path: Path) -> None:
    named = fill(
        tmp_path / "ganbert-v1abcdef", {"run.json": json.dumps(FACTS), "mine.csv": "mine", ".ganbert.lock": ""}
    )
    left = fill(tmp_path / "ganbert-abcd1234", {".ganbert-scratch.lock": "", "rows.arrow": "left"})

    with folders.scratch(tmp_path):
        pass

    assert (named / "mine.csv").exists()
    assert not left.exists()


@pytest.mark.parametrize("name", [".tmpbackup", ".tmpAb3dE9", ".export-settings", ".export-a1b2c3d4"])
def test_a_folder_that_only_looks_like_a_leftover_stays(tmp_path: Path, name: str) -> None:
    output = tmp_path / "model"
    fill(output / name, {"thesis.csv": "years of work"})

    with pytest.raises(InputError, match="holds something else"):
        run_folder.check_output(output, resume=False, overwrite=False)
    folders.remove(output, folders.leftovers(output))

    assert (output / name / "thesis.csv").exists()


@pytest.mark.parametrize("content", ["[1, 2]", "text", '"run"', '{"name": "my-npm-package"}'])
def test_a_mark_of_somebody_else_makes_nothing_ours(tmp_path: Path, content: str) -> None:
    output = fill(tmp_path / "model", {"run.json": content, "README.md": "mine"})

    for resume in (False, True):
        with pytest.raises(InputError, match="holds something else"):
            run_folder.check_output(output, resume=resume, overwrite=True)


def test_a_checkpoint_lists_files_that_nobody_knows_by_name(tmp_path: Path) -> None:
    output = unfinished(tmp_path / "model")
    new = fill(output / "checkpoint-5", {"trainer_state.json": "{}", "entity_vocab.json": "{}"})

    run_folder.keep_checkpoint(new, None)
    folders.remove(output, {"checkpoint-5"})

    assert not new.exists()


def test_a_teacher_that_is_no_whole_run_is_trained_anew(tmp_path: Path) -> None:
    output = unfinished(tmp_path / "model")
    fill(
        output / "teacher",
        {"model.safetensors": "x", "manifest.json": '{"written_by": "ganbert", "files": {"model.safetensors": 1}}'},
    )

    run_folder.begin(output, FACTS, resume=True)

    assert not (output / "teacher").exists()


def test_what_a_teacher_said_stays_for_a_resumed_run_and_goes_with_the_teacher(tmp_path: Path) -> None:
    output = unfinished(tmp_path / "model")
    finished(output / "teacher")
    fill(output / "teacher", {folders.SOFT_TARGETS: "what it said", ".0123456789abcdef.0123456789abcdef.part": "half"})

    run_folder.begin(output, FACTS, resume=True)
    assert (output / "teacher" / folders.SOFT_TARGETS).read_text() == "what it said"
    fill(output, {folders.SOFT_TARGETS: "mine"})
    finished(output)

    assert not (output / "teacher").exists()
    assert (output / folders.SOFT_TARGETS).read_text() == "mine"  # elsewhere it is a name like any other


def test_the_lock_of_a_killed_teacher_goes_with_its_folder(tmp_path: Path) -> None:
    output = unfinished(tmp_path / "model")
    finished(output / "teacher")
    (output / "teacher" / ".ganbert.lock").touch()

    finished(output)

    assert not (output / "teacher").exists()
