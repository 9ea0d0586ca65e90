"""Encoders by name, with and without a network."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import close_session

from ganbert import GanBertForSequenceClassification, InputError
from ganbert.model.encoders import load_encoder_config, load_tokenizer
from ganbert.predict.torch_backend import Encoder
from ganbert.runtime import choose_compute
from ganbert.storage.hub import find_file, hub_options


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A client of the Hub that may ask, made anew: it reads proxies once."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    close_session()
    yield
    close_session()


@pytest.fixture
def asked(online: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The hosts that were asked; none answers."""
    hosts: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        hosts.append(address)
        raise OSError("Network is unreachable")

    monkeypatch.setattr("socket.create_connection", refuse)
    return hosts


def test_without_a_network_an_unknown_encoder_is_refused_at_once(asked: list[tuple[str, int]]) -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match="encoder 'nobody/nothing': no such folder, and no such encoder in the local"):
        load_encoder_config("nobody/nothing")
    assert time.monotonic() - began < 10  # the Hub's client alone tries for 23 seconds
    assert set(asked) == {("huggingface.co", 443)}


def test_a_mirror_is_asked_in_place_of_the_hub(asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://hub.example:8080")
    assert hub_options("nobody/nothing") == {"local_files_only": True}
    assert asked == [("hub.example", 8080)]


def test_a_proxy_is_asked_where_there_is_one(asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert hub_options("nobody/nothing") == {"local_files_only": True}
    assert asked == [("proxy.example", 3128)]


def test_a_folder_asks_nobody(asked: list[tuple[str, int]], tiny_encoder: str) -> None:
    load_encoder_config(tiny_encoder)
    assert asked == []


def test_offline_nobody_is_asked(asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert hub_options("nobody/nothing") == {"local_files_only": True}
    assert asked == []


class Hub(BaseHTTPRequestHandler):
    """Answers, and has nothing: `nobody` has no repository, and the repositories of others have no files."""

    def do_HEAD(self) -> None:
        self.send_response(404 if self.path != "/" else 200)
        self.send_header("X-Error-Code", "RepoNotFound" if "nobody" in self.path else "EntryNotFound")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def hub(online: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A Hub on this machine that holds nothing."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        files = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        yield
        server.shutdown()
        thread.join()


def test_where_the_hub_answers_its_client_goes_on(hub: None) -> None:
    assert hub_options("nobody/nothing") == {}


def test_a_repository_that_does_not_exist_is_an_error_and_a_file_that_does_not_is_none(hub: None) -> None:
    with pytest.raises(OSError, match="Repository Not Found"):
        find_file("nobody/nothing", "config.json", {})
    assert find_file("somebody/something", "config.json", {}) is None
    with pytest.raises(OSError, match="Repo id must"):
        find_file("no name/of/a repository", "config.json", {})


CUSTOM = {"model_type": "made-up", "auto_map": {"AutoConfig": "evil.Config"}}


@pytest.mark.parametrize(("config", "why"), [(CUSTOM, "custom code"), ({"model_type": "made-up"}, "made-up")])
def test_an_encoder_that_cannot_be_loaded_is_refused_with_the_reason_and_its_code_is_not_run(
    config: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--somebody--encoder" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(config))
    (snapshot / "evil.py").write_text("raise SystemExit('code of a repository was run')")
    refs = tmp_path / "models--somebody--encoder" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("builtins.input", lambda prompt="": "y")

    for name in ("somebody/encoder", str(snapshot)):
        with pytest.raises(InputError, match=f"transformers can.*load.*{why}"):
            load_encoder_config(name)


def in_the_cache(encoder: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the files of an encoder where the Hub's client would, as `somebody/encoder`; return the snapshot."""
    repository = cache / "models--somebody--encoder"
    snapshot, blobs = repository / "snapshots" / "abc", repository / "blobs"
    for folder in (snapshot, blobs, repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    for file in Path(encoder).iterdir():
        (blobs / f"blob-{file.name}").write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(f"../../blobs/blob-{file.name}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return snapshot


def test_an_encoder_in_the_cache_is_loaded_by_its_name(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_cache(tiny_encoder, tmp_path, monkeypatch)

    model = GanBertForSequenceClassification.from_encoder("somebody/encoder", num_labels=2)

    expected = GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=2).encoder.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in model.encoder.state_dict().items())
    assert load_tokenizer("somebody/encoder", model.encoder).get_vocab() == load_tokenizer(tiny_encoder).get_vocab()


@pytest.mark.parametrize(
    ("lost", "pickled", "reason"),
    [
        (["tokenizer.json", "tokenizer_config.json"], False, "no tokenizer files: tokenizer.json or vocab.txt is mis"),
        (["model.safetensors"], False, r"encoder 'somebody/encoder': it holds no weights \(model.safetensors\)"),
        (["model.safetensors"], True, "its weights are pickled .*convert it to safetensors where you trust it"),
    ],
)
def test_what_an_encoder_in_the_cache_lacks_is_told(
    tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: list[str], pickled: bool, reason: str
) -> None:
    snapshot = in_the_cache(tiny_encoder, tmp_path, monkeypatch)
    for name in lost:
        (snapshot / name).unlink()
    if pickled:
        (snapshot / "pytorch_model.bin").write_bytes(b"")

    with pytest.raises(InputError, match=reason):
        Encoder("somebody/encoder", 64, choose_compute())
