"""Serve a model behind HTTP with nothing but the standard library. A model folder or an export will do.

python examples/serve.py model-onnx
curl --data '{"texts": ["where is my parcel?"]}' http://127.0.0.1:8000/predict
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from ganbert import Predictor

MOST_TEXTS, MOST_BYTES = 1000, 10_000_000


class Handler(BaseHTTPRequestHandler):
    """Answers POST /predict: {"texts": [...]} to {"labels": [...], "confidence": [...], "novelty": [...] or null}."""

    predictor: Predictor
    lock = Lock()  # one request computes at a time, on all threads of the processor

    def do_POST(self) -> None:
        """Classify the texts of a request."""
        length = int(self.headers.get("Content-Length", 0))
        if self.path != "/predict" or length > MOST_BYTES:
            self.answer(404 if self.path != "/predict" else 413, {"error": "POST /predict, at most 10 MB"})
            return
        try:
            texts = json.loads(self.rfile.read(length))["texts"]
        except (ValueError, KeyError, TypeError):
            texts = None
        if not isinstance(texts, list) or len(texts) > MOST_TEXTS or not all(isinstance(text, str) for text in texts):
            self.answer(400, {"error": f'send {{"texts": [...]}} with at most {MOST_TEXTS} strings'})
            return
        with self.lock:
            found = self.predictor.predict(texts)
        novelty = None if found.novelty is None else found.novelty.tolist()
        self.answer(200, {"labels": found.labels, "confidence": found.confidence.tolist(), "novelty": novelty})

    def answer(self, status: int, value: object) -> None:
        """Send one JSON value."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def server(folder: str, port: int = 8000) -> ThreadingHTTPServer:
    """Open the model in `folder` once, and return a server for this machine only; port 0 takes a free one."""
    handler = type("HandlerOfOneModel", (Handler,), {"predictor": Predictor.load(folder)})
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    with server(sys.argv[1]) as running:
        print(f"http://127.0.0.1:{running.server_port}/predict", flush=True)
        running.serve_forever()
