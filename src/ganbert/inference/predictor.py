"""Texts to predictions, with a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError
from transformers import PreTrainedTokenizerBase

from ganbert.config import GanBertConfig
from ganbert.data.encode import tokenize
from ganbert.encoders import load_tokenizer
from ganbert.errors import InputError
from ganbert.losses import fake_score
from ganbert.metrics import Metrics, classification_metrics
from ganbert.model import GanBertForSequenceClassification

WINDOW = 4096
"""Rows looked at together: sorted by length in order to pad little, small enough to stream."""


@dataclass(frozen=True)
class Predictions:
    """What a model makes of n rows.

    Attributes:
        probabilities: [n, k] float32, p(y | x, y <= k); rows sum to 1.
        novelty: [n] float32, the fake-class probability p(k+1 | x); None where the model has no such class.
        label_names: the k class names.
    """

    probabilities: NDArray[np.float32]
    novelty: NDArray[np.float32] | None
    label_names: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The most probable class of each row."""
        return [self.label_names[i] for i in self.probabilities.argmax(axis=1)]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """[n] probability of that class."""
        highest: NDArray[np.float32] = self.probabilities.max(axis=1)
        return highest


class Predictor:
    """A model and its tokenizer, ready to classify.

    Predictor.load(Path("model")).predict(["where is my parcel?"]).labels     # ["track_order"]

    Args:
        model: a trained model.
        tokenizer: its tokenizer; its `model_max_length` is where texts are cut.
        batch_size: rows computed at once.
    """

    def __init__(
        self, model: GanBertForSequenceClassification, tokenizer: PreTrainedTokenizerBase, batch_size: int = 64
    ) -> None:
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        model.train(False)
        self.label_names = model.config.label_names

    @classmethod
    def load(cls, folder: Path, batch_size: int = 64) -> Self:
        """Open a model folder.

        Raises:
            InputError: the folder holds no model that ganbert has trained.
        """
        if not (folder / "config.json").is_file():
            raise InputError("is no model folder: it has no config.json", path=folder)
        try:
            kind = GanBertConfig.get_config_dict(folder)[0].get("model_type")
            if kind != GanBertConfig.model_type:
                raise ValueError(f"its model_type is {kind}: an encoder, perhaps, for ganbert train --encoder")
            model = GanBertForSequenceClassification.from_pretrained(folder)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"cannot be opened as a ganbert model ({reason})", path=folder) from error
        device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.nn.Module.to(model, device)
        return cls(model, load_tokenizer(str(folder)), batch_size)

    def predict(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Predictions:
        """Classify texts, or pairs of texts, in any number; the order of the results is that of the input.

        Raises:
            InputError: the model was trained on pairs of texts and gets single ones.
        """
        if self.model.config.text_pairs and text_pairs is None:
            raise InputError("this model was trained on pairs of texts, and here are single ones (--text-pair-column)")
        k = len(self.label_names)
        probabilities = np.empty((len(texts), k), dtype=np.float32)
        novelty = np.empty(len(texts), dtype=np.float32) if self.model.config.adversarial else None
        for start in range(0, len(texts), WINDOW):
            window = slice(start, start + WINDOW)
            pairs = None if text_pairs is None else list(text_pairs[window])
            self._predict_window(
                list(texts[window]), pairs, probabilities[window], None if novelty is None else novelty[window]
            )
        return Predictions(probabilities, novelty, self.label_names)

    def measure(self, dataset: Dataset, *, progress: bool = False) -> Metrics:
        """Predict labelled rows and compare.

        Args:
            dataset: columns `text`, perhaps `text_pair`, and `label`, as in `Corpus.test`.
            progress: show a progress bar, on standard error if that is a terminal.
        """
        windows = range(0, len(dataset), WINDOW)
        console = Console(stderr=True)
        hidden = not (progress and console.is_terminal)
        parts = []
        for start in track(windows, description="Testing", console=console, disable=hidden, transient=True):
            rows = dataset[start : start + WINDOW]
            parts.append(self.predict(rows["text"], rows.get("text_pair")).probabilities)
        labels = np.asarray(dataset.with_format("numpy")["label"][:], dtype=np.int64)
        return classification_metrics(labels, np.concatenate(parts), self.label_names)

    @torch.inference_mode()
    def _predict_window(
        self,
        texts: list[str],
        pairs: list[str] | None,
        probabilities: NDArray[np.float32],
        novelty: NDArray[np.float32] | None,
    ) -> None:
        """Fill `probabilities` and `novelty` for one window, in batches of similar length."""
        columns = tokenize(self.tokenizer, texts, pairs, self.tokenizer.model_max_length)
        order = np.argsort([len(ids) for ids in columns["input_ids"]], kind="stable")
        self.tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
        for rows in np.array_split(order, range(self.batch_size, len(order), self.batch_size)):
            batch = self.tokenizer.pad(
                {name: [column[i] for i in rows] for name, column in columns.items()}, return_tensors="pt"
            ).to(self.model.device)
            output = self.model(**batch)
            probabilities[rows] = output.logits.float().softmax(dim=-1).cpu().numpy()
            if novelty is not None:
                logits = torch.cat([output.logits, output.fake_logits.unsqueeze(-1)], dim=-1)
                novelty[rows] = fake_score(logits).sigmoid().cpu().numpy()
