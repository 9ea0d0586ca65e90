"""A model folder goes to the Hub by its manifest, and what goes wrong there is one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganbert import InputError, RunError
from ganbert.storage import folders
from ganbert.storage.hub import push_folder
from tests.helpers.hub import TOKEN, FakeHub, fake_hub

MODEL = {"config.json": '{"model_type": "ganbert"}', "README.md": "# A model\n", "model.safetensors": "weights"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(monkeypatch) as hub:
        yield hub


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name, content in MODEL.items():
        (folder / name).write_text(content, encoding="utf-8")
    folders.seal(folder, MODEL)
    return folder


def test_the_files_of_the_manifest_arrive_as_they_are_and_no_others(model: Path, hub: FakeHub) -> None:
    (model / "checkpoint-10").mkdir()
    for name in (folders.LOCK, "notes.txt", "trainer_state.json", "checkpoint-10/optimizer.pt", ".env"):
        (model / name).write_text("not for others", encoding="utf-8")

    address = push_folder(model, "user/model")

    assert address == f"{hub.url}/user/model"
    expected = {name: content.encode() for name, content in MODEL.items()}
    assert hub.files == {"user/model": expected | {"manifest.json": (model / "manifest.json").read_bytes()}}


def test_a_new_repository_is_private_as_its_card_quotes_texts_unless_it_is_wished_otherwise(
    model: Path, hub: FakeHub
) -> None:
    assert push_folder(model, "model") == f"{hub.url}/user/model"
    push_folder(model, "public", private=False)
    assert hub.private == {"user/model": True, "user/public": False}


def test_a_repository_that_exists_is_written_to_and_its_other_files_stay(model: Path, hub: FakeHub) -> None:
    hub.files["user/model"] = {".gitattributes": b"*.safetensors filter=lfs", "README.md": b"old"}

    push_folder(model, "user/model")

    assert hub.files["user/model"]["README.md"] == MODEL["README.md"].encode()
    assert hub.files["user/model"][".gitattributes"] == b"*.safetensors filter=lfs"


def test_a_token_that_is_given_takes_the_place_of_the_one_of_the_login(
    model: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    with pytest.raises(InputError, match="Invalid username or password"):
        push_folder(model, "user/model")

    push_folder(model, "user/model", token=TOKEN)

    assert set(hub.files["user/model"]) == {*MODEL, "manifest.json"}


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", ["/api/repos/create", "/api/models/user/model/commit/main"])
def test_who_may_not_write_is_told_to_log_in(model: Path, hub: FakeHub, path: str, status: int) -> None:
    hub.refuse[path] = status

    with pytest.raises(InputError, match=r"^user/model: the Hub refuses to write there.*`hf auth login`") as caught:
        push_folder(model, "user/model")

    assert "\n" not in str(caught.value)
    assert not hub.files.get("user/model")


def test_a_failure_of_the_hub_is_one_line(model: Path, hub: FakeHub) -> None:
    hub.refuse["/api/repos/create"] = 500

    with pytest.raises(RunError, match=r"^user/model: upload to the Hub failed \(500: refused with 500\)$"):
        push_folder(model, "user/model")


def test_a_hub_that_is_away_is_one_line(model: Path, hub: FakeHub) -> None:
    hub.shutdown()
    hub.server_close()

    with pytest.raises(RunError, match=r"^user/model: upload to the Hub failed \(.+\)$"):
        push_folder(model, "user/model")


@pytest.mark.parametrize("name", ["", "a/b/c", "user/my model", "user/..", "user/model.git"])
def test_a_name_that_the_hub_would_not_take_is_refused_before_it_is_asked(model: Path, hub: FakeHub, name: str) -> None:
    with pytest.raises(InputError, match="is no name for a model on the Hub"):
        push_folder(model, name)

    assert hub.requests == []


def test_a_folder_without_a_finished_model_is_refused_before_the_hub_is_asked(model: Path, hub: FakeHub) -> None:
    (model / folders.RUN_FILE).write_text(json.dumps({"seed": 0}), encoding="utf-8")
    with pytest.raises(InputError, match="holds no finished model"):
        push_folder(model, "user/model")
    (model / folders.RUN_FILE).unlink()
    (model / "README.md").unlink()
    with pytest.raises(InputError, match=r"README.md: manifest.json lists it, and it is not there"):
        push_folder(model, "user/model")
    folders.forget(model)
    with pytest.raises(InputError, match="holds no finished model"):
        push_folder(model, "user/model")

    assert hub.requests == []
