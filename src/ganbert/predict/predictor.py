"""Predictor: texts to predictions with a trained model of any backend; and `Predictions`, what comes out.

Sorting by length, batching and threads are here. What computes a batch is a backend (`backends`), and tables are read
and written in `files`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ganbert.data.tokens import Tokens, length_batches
from ganbert.errors import InputError, RunError
from ganbert.extras import extras_named
from ganbert.model.problem import ONE_OF_K
from ganbert.model.tokenizers import TextCounts
from ganbert.predict.backends import Backend, on_workers, open_folder

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from ganbert.metrics import Metrics
    from ganbert.model.modeling import GanBertForSequenceClassification
    from ganbert.runtime import Compute

WINDOW = 4096
"""Rows that are sorted by length together: many enough to need little padding, few enough to stream."""


@dataclass(frozen=True)
class Predictions:
    """What a model predicts for n texts.

    Attributes:
        probabilities: [n, k] float32, p(y | x, y <= k), the probability of each class; rows sum to 1.
        novelty: [n] float32, the fake-class probability p(k+1 | x), from 0 to 1: high where a text looks like none of
            the training texts. None if the model has no fake class.
        label_names: the k class names, in the order of the columns of `probabilities`.
        n_cut: texts longer than the maximum length, which were cut.
        n_unknown: texts that consist mostly of tokens the encoder does not know.
    """

    probabilities: NDArray[np.float32]
    novelty: NDArray[np.float32] | None
    label_names: tuple[str, ...]
    n_cut: int = 0
    n_unknown: int = 0

    @property
    def counts(self) -> TextCounts:
        """How many texts were cut or unknown; `TextCounts.notes` puts it into words."""
        return TextCounts(len(self.probabilities), self.n_cut, self.n_unknown)

    @property
    def labels(self) -> list[str]:
        """The n names of the most probable classes."""
        return [self.label_names[i] for i in ONE_OF_K.decide(self.probabilities)]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """[n] float32, the probabilities of the most probable classes."""
        highest: NDArray[np.float32] = self.probabilities.max(axis=1)
        return highest

    def metrics(self, labels: Sequence[int] | NDArray[np.int64]) -> Metrics:
        """Compare with the true classes.

        Args:
            labels: [n] class ids; k or above is a class that the model never saw, and counts as an error.
        """
        from ganbert.metrics import classification_metrics

        return classification_metrics(np.asarray(labels, dtype=np.int64), self.probabilities, self.label_names)


class Predictor:
    """A model and its tokenizer, ready to classify.

        Predictor.load("model").predict(["where is my parcel?"]).labels  # ["track_order"]

    Args:
        model: a trained model; it is not changed.
        tokenizer: its tokenizer; texts are cut at its `model_max_length`.
        batch_size: texts computed at once; None chooses a number that suits the length of the texts and the device.
        compute: device, precision and threads, from `choose_compute`; None takes the model as it stands.

    Attributes:
        label_names: the k class names.
        description: device, precision and threads, for a person.
    """

    def __init__(
        self,
        model: GanBertForSequenceClassification,
        tokenizer: PreTrainedTokenizerBase,
        batch_size: int | None = None,
        *,
        compute: Compute | None = None,
    ) -> None:
        from ganbert.predict.torch_backend import TorchModel

        self._set(TorchModel(model, compute), Tokens.of(tokenizer), batch_size)

    def _set(self, backend: Backend, tokens: Tokens, batch_size: int | None) -> None:
        tokens.check(backend.text_pairs)
        self.backend, self.tokens, self.batch_size = backend, tokens, batch_size
        self.label_names, self.description = backend.label_names, backend.description

    @classmethod
    @extras_named()
    def load(
        cls,
        folder: str | os.PathLike[str],
        batch_size: int | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> Self:
        """Open a model folder that `ganbert train`, `ganbert export` or `GanBertClassifier.save` wrote.

        Args:
            folder: the model folder.
            batch_size: as for the class.
            device: "auto" (an accelerator if there is one), "cpu", "cuda" or "mps"; an exported model runs on "cpu".
            precision: "auto" (bfloat16 where the processor has it), "float32" or "bfloat16"; an exported model has the
                precision in which it was exported.
            threads: of the processor; None takes as many as are useful.

        Raises:
            InputError: the folder holds no model of ganbert, a library is missing (the message names the extra), or the
                device or precision is not available.
        """
        predictor, folder = cls.__new__(cls), Path(folder)
        backend, tokens = open_folder(folder, device, precision, threads)
        try:
            predictor._set(backend, tokens, batch_size)
        except InputError as error:
            raise InputError(str(error), path=folder) from error
        return predictor

    @property
    def max_length(self) -> int | None:
        """Tokens at which a text, or a pair of texts, is cut; None if texts are never cut."""
        return self.tokens.format.max_length

    def predict(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Predictions:
        """Classify any number of texts, or pairs of texts; the results are in the order of the input.

        Args:
            texts: n texts.
            text_pairs: the n second texts, for a model that was trained on pairs.

        Raises:
            InputError: the model was trained on pairs and gets single texts, or the other way round; the lengths
                differ; or a string is given instead of a list.
            RunError: the model gives nan.
        """
        if isinstance(texts, str) or isinstance(text_pairs, str):
            raise InputError("give a list of texts: one string would be taken for a list of its letters")
        if text_pairs is not None and len(text_pairs) != len(texts):
            raise InputError(f"{len(texts)} texts and {len(text_pairs)} second texts are no pairs")
        if self.backend.text_pairs and text_pairs is None and len(texts):
            raise InputError("this model was trained on pairs of texts, and here are single ones (--text-pair-column)")
        if text_pairs is not None and not self.backend.text_pairs:
            raise InputError("this model was trained on single texts, and here are pairs (rename the column text_pair)")
        parts = [self._rows(0)]
        for start in range(0, len(texts), WINDOW):
            window = slice(start, start + WINDOW)
            parts.append(self._predict_window(texts[window], None if text_pairs is None else text_pairs[window]))
        return _joined(parts)

    def predict_rows(self, dataset: Dataset, *, progress: bool = False, doing: str = "Testing") -> Predictions:
        """Classify the rows of a data set.

        Args:
            dataset: columns `text` and, for a model of pairs, `text_pair`, as in `Corpus.test`.
            progress: show a progress bar, if standard error is a terminal.
            doing: what stands before the bar.

        Raises:
            InputError, RunError: as `predict`.
        """
        from rich.console import Console
        from rich.progress import track

        windows = range(0, len(dataset), WINDOW)
        console = Console(stderr=True)
        hidden = not (progress and console.is_terminal)
        parts = [self._rows(0)]
        for start in track(windows, description=doing, console=console, disable=hidden, transient=True):
            rows = dataset[start : start + WINDOW]
            parts.append(self.predict(rows["text"], rows.get("text_pair")))
        return _joined(parts)

    def measure(self, dataset: Dataset, *, progress: bool = False) -> Metrics:
        """Predict labelled rows with `predict_rows`, and compare with their labels.

        Args:
            dataset: columns `text`, `text_pair` for a model of pairs, and `label` (class ids), as in `Corpus.test`.
            progress: show a progress bar, if standard error is a terminal.

        Raises:
            InputError, RunError: as `predict`.
        """
        return self.predict_rows(dataset, progress=progress).metrics(dataset.with_format("numpy")["label"][:])

    def _predict_window(self, texts: Sequence[str], pairs: Sequence[str] | None) -> Predictions:
        """Classify one window, in batches of similar length."""
        ids, counts = self.tokens.counted(texts, pairs)
        predictions = self._rows(len(texts), counts.n_cut, counts.n_unknown)

        def compute(batch: tuple[NDArray[np.int64], int]) -> None:
            rows, length = batch
            predictions.probabilities[rows], novelty = self.backend(self.tokens.pad(ids, rows, length))
            if predictions.novelty is not None:
                predictions.novelty[rows] = novelty

        lengths = [len(row) for row in ids["input_ids"]]
        batches = list(length_batches(lengths, self._batch_rows, self.tokens.format.max_length))
        on_workers(self.backend, compute, batches)
        if not np.isfinite(predictions.probabilities).all():
            raise RunError("the model gives probabilities that are no numbers (nan): it cannot be used")
        return predictions

    def _rows(self, n: int, n_cut: int = 0, n_unknown: int = 0) -> Predictions:
        """Return predictions of n rows that are yet to be computed."""
        probabilities = np.empty((n, len(self.label_names)), dtype=np.float32)
        novelty = np.empty(n, dtype=np.float32) if self.backend.adversarial else None
        return Predictions(probabilities, novelty, self.label_names, n_cut, n_unknown)

    def _batch_rows(self, length: int) -> int:
        return self.batch_size or self.backend.batch_tokens // length


def _joined(parts: list[Predictions]) -> Predictions:
    """Return the predictions of several windows, one after the other."""
    novelty = [part.novelty for part in parts if part.novelty is not None]
    return Predictions(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate(novelty) if novelty else None,
        parts[0].label_names,
        sum(part.n_cut for part in parts),
        sum(part.n_unknown for part in parts),
    )
