"""What cases start from: a tiny encoder, a trained model, its export; each is made when a case first asks for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from tests.conftest import VOCABULARY, tiny_tokenizer, toy_rows
from tests.torture.cases import Failure
from tests.torture.forks import ganbert, in_fork

TEXTS = ["the big red", "a cat", "here is a small hammer", "ruby was old", "horse horse horse", "there", "new drill is"]
"""What every opened model predicts, to be compared."""
BRIEF = ("--batch-size", "8", "--threads", "1", "--precision", "float32", "--set", "looks_needed=0")
"""Options of every training run here; with `looks_needed=0` the default recipe plays its game even in eight steps."""
STEPS = 8


class Bases:
    """Folders that cases copy; several processes may share them.

    Args:
        root: where they are kept.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def encoder(self) -> Path:
        """A randomly initialised two-layer BERT of width 32 and its tokenizer."""
        return self.once("encoder", lambda folder: _expect(in_fork(lambda: _write_encoder(folder), seconds=60).status))

    @property
    def model(self) -> Path:
        """A model of the default recipe, trained on toy rows for a few steps."""

        def train(folder: Path) -> None:
            table = write_toy(folder.parent / "model.csv")
            arguments = ("train", table, "--encoder", self.encoder, "--output", folder, "--max-steps", STEPS, *BRIEF)
            _expect(ganbert(*arguments, "--set", "pooling=mean", "--learning-rate", "0.01").status)

        return self.once("model", train)

    @property
    def export(self) -> Path:
        """The same model as an ONNX graph."""
        return self.once("export", lambda folder: _expect(ganbert("export", self.model, "--output", folder).status))

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the folder `name`, made by `make` if this is the first time anyone asks."""
        folder, lock = self.root / name, FileLock(self.root / f"{name}.lock")
        if folder.exists():
            return folder
        with lock:
            if not folder.exists():
                part = self.root / f"{name}.part"
                shutil.rmtree(part, ignore_errors=True)  # of an attempt that failed
                make(part)
                os.replace(part, folder)
        return folder


def write_toy(path: Path, n: int = 30, labelled: int = 12) -> Path:
    """Write a CSV of n toy rows, the first `labelled` of them with a label."""
    rows = (f"{text},{name if i < labelled else ''}" for i, (text, name) in enumerate(toy_rows(n)))
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return path


def _write_encoder(folder: Path) -> None:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def _expect(status: int) -> None:
    if status != 0:
        raise Failure("a base cannot be made", f"exit status {status}")
