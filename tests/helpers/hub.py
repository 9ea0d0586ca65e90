"""A Hugging Face Hub on this machine, as far as an upload needs one: it keeps what arrives, and refuses as told to."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import huggingface_hub.constants
import pytest

TOKEN = "hf_of_the_tests"
"""The only token that the Hub knows; it is that of `user`."""


class FakeHub(ThreadingHTTPServer):
    """The Hub.

    Attributes:
        files: by repository, as `user/model`, the files that were committed, with their content.
        private: by repository, whether it was created as a private one; None if the upload did not say.
        refuse: by path, such as `/api/repos/create`, the status with which every request for it is refused.
        requests: the paths of all requests, in order.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool | None] = {}
        self.refuse: dict[str, int] = {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """The value for `HF_ENDPOINT`."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(self.path)
        if status := self.server.refuse.get(self.path):
            self._answer(status, {"error": f"refused with {status}"})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid username or password."})
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        else:
            match self.path.removeprefix("/api/models/").rsplit("/", 2):
                case [repo, "preupload", "main"] if repo in self.server.files:
                    paths = [file["path"] for file in json.loads(body)["files"]]
                    files = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
                    self._answer(200, {"files": files})
                case [repo, "commit", "main"] if repo in self.server.files:
                    self._commit(repo, [json.loads(line) for line in body.splitlines()])
                case _:
                    self._answer(404, {"error": "not found"})

    def do_GET(self) -> None:
        """Say whether a repository exists: the client asks that when it may not create one."""
        self.server.requests.append(self.path)
        repo = self.path.removeprefix("/api/models/")
        if repo in self.server.files:
            self._answer(200, {"id": repo, "sha": "0" * 40})
        else:
            self._answer(404, {"error": "not found"})

    def _create(self, wanted: dict[str, Any]) -> None:
        repo = f"{wanted['organization'] or 'user'}/{wanted['name']}"
        status = 409 if repo in self.server.files else 200
        if status == 200:
            self.server.files[repo] = {}
            self.server.private[repo] = {"private": True, "public": False}.get(wanted.get("visibility", ""))
        self._answer(status, {"url": f"{self.server.url}/{repo}"})

    def _commit(self, repo: str, operations: list[dict[str, Any]]) -> None:
        for operation in operations:
            if operation["key"] == "file":
                value = operation["value"]
                self.server.files[repo][value["path"]] = base64.b64decode(value["content"])
        self._answer(200, {"commitUrl": f"{self.server.url}/{repo}/commit/{'0' * 40}", "commitOid": "0" * 40})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@contextmanager
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Run a Hub, and send this process and those that it starts there, logged in."""
    with FakeHub() as hub:
        thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        for name, value in {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}.items():
            monkeypatch.setenv(name, value)
        # What the library has read of its environment when it was imported.
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("transformers.utils.hub._hf_api", None)  # a client, kept with the address it was made for
        huggingface_hub.close_session()  # it keeps connections, and whether it is offline
        try:
            yield hub
        finally:
            huggingface_hub.close_session()
            hub.shutdown()
            thread.join()
