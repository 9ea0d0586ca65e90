"""Encoders by name, with and without a network."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from ganbert import InputError
from ganbert.encoders import _hub_options, load_encoder_config


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The hosts that were asked; none answers."""
    hosts: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], timeout: float) -> socket.socket:
        hosts.append(address)
        raise OSError("Network is unreachable")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("socket.create_connection", refuse)
    return hosts


def test_without_a_network_an_unknown_encoder_is_refused_at_once(asked: list[tuple[str, int]]) -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match="encoder 'nobody/nothing': no such folder, and no such encoder in the local"):
        load_encoder_config("nobody/nothing")
    assert time.monotonic() - began < 10  # the Hub's client alone tries for 23 seconds
    assert asked == [("huggingface.co", 443)]


def test_a_mirror_is_asked_in_place_of_the_hub(asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://hub.example:8080")
    assert _hub_options("nobody/nothing") == {"local_files_only": True}
    assert asked == [("hub.example", 8080)]


def test_a_folder_asks_nobody(asked: list[tuple[str, int]], tiny_encoder: str) -> None:
    load_encoder_config(tiny_encoder)
    assert asked == []


def test_behind_a_proxy_the_hub_is_left_to_its_client(
    asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://proxy:3128"})
    assert _hub_options("nobody/nothing") == {}
    assert asked == []


def test_where_there_is_a_network_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("urllib.request.getproxies", dict)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert _hub_options("nobody/nothing") == {}


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
