"""Texts to predictions, with a trained model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ganbert.data.tokens import Tokens, length_batches
from ganbert.errors import InputError, RunError
from ganbert.model.tokenizers import TextCounts
from ganbert.predict.backends import Backend, open_folder

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from ganbert.metrics import Metrics
    from ganbert.model.modeling import GanBertForSequenceClassification
    from ganbert.runtime import Compute

WINDOW = 4096
"""Rows looked at together: sorted by length in order to pad little, small enough to stream."""


@dataclass(frozen=True)
class Predictions:
    """What a model makes of n rows.

    Attributes:
        probabilities: [n, k] float32, p(y | x, y <= k); rows sum to 1.
        novelty: [n] float32, the fake-class probability p(k+1 | x); None where the model has no such class.
        label_names: the k class names.
        n_cut: rows whose text was longer than the maximum length.
        n_unknown: rows whose text is mostly tokens that the encoder does not know.
    """

    probabilities: NDArray[np.float32]
    novelty: NDArray[np.float32] | None
    label_names: tuple[str, ...]
    n_cut: int = 0
    n_unknown: int = 0

    @property
    def counts(self) -> TextCounts:
        """What became of the texts; `TextCounts.notes` says it in words."""
        return TextCounts(len(self.probabilities), self.n_cut, self.n_unknown)

    @property
    def labels(self) -> list[str]:
        """The most probable class of each row."""
        return [self.label_names[i] for i in self.probabilities.argmax(axis=1)]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """[n] probability of that class."""
        highest: NDArray[np.float32] = self.probabilities.max(axis=1)
        return highest

    def metrics(self, labels: Sequence[int] | NDArray[np.int64]) -> Metrics:
        """Compare with the true classes of the rows, [n] ids; one of k or above is a class the model never saw."""
        from ganbert.metrics import classification_metrics

        return classification_metrics(np.asarray(labels, dtype=np.int64), self.probabilities, self.label_names)


class Predictor:
    """A model and its tokenizer, ready to classify.

    Predictor.load("model").predict(["where is my parcel?"]).labels     # ["track_order"]

    Args:
        model: a trained model; it is not changed.
        tokenizer: its tokenizer; its `model_max_length` is where texts are cut.
        batch_size: rows computed at once; None is as many as are computed well, by their length.
        compute: from `choose_compute`; None computes the model where and in the precision in which it is.
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
    def load(
        cls,
        folder: str | os.PathLike[str],
        batch_size: int | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> Self:
        """Open a model folder, of `ganbert train` or of `ganbert export`.

        Args:
            folder: the model folder.
            batch_size: rows computed at once; None is as many as are computed well, by their length.
            device, precision, threads: as for `ganbert.runtime.choose_compute`.

        Raises:
            InputError: the folder holds no model that ganbert has trained, or it cannot be computed like that.
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
        """Tokens at which a text, or a pair of them, is cut; None is never."""
        return self.tokens.format.max_length

    def predict(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Predictions:
        """Classify texts, or pairs of texts, in any number; the order of the results is that of the input.

        Raises:
            InputError: the model was trained on pairs of texts and gets single ones, or the other way round, or one
                string comes in place of a list.
        """
        if isinstance(texts, str) or isinstance(text_pairs, str):
            raise InputError("give a list of texts: one string would be taken for a list of its letters")
        if text_pairs is not None and len(text_pairs) != len(texts):
            raise InputError(f"{len(texts)} texts and {len(text_pairs)} second texts are no pairs")
        if self.backend.text_pairs and text_pairs is None and len(texts):
            raise InputError("this model was trained on pairs of texts, and here are single ones (--text-pair-column)")
        if text_pairs is not None and not self.backend.text_pairs:
            raise InputError("this model was trained on single texts, and here are pairs (rename the column text_pair)")
        k = len(self.label_names)
        probabilities = np.empty((len(texts), k), dtype=np.float32)
        novelty = np.empty(len(texts), dtype=np.float32) if self.backend.adversarial else None
        counts = TextCounts()
        for start in range(0, len(texts), WINDOW):
            window = slice(start, start + WINDOW)
            pairs = None if text_pairs is None else text_pairs[window]
            counts += self._predict_window(
                texts[window], pairs, probabilities[window], None if novelty is None else novelty[window]
            )
        if not np.isfinite(probabilities).all():
            raise RunError("the model gives probabilities that are no numbers (nan): it cannot be used")
        return Predictions(probabilities, novelty, self.label_names, counts.n_cut, counts.n_unknown)

    def predict_rows(self, dataset: Dataset, *, progress: bool = False) -> Predictions:
        """Classify the rows of a data set.

        Args:
            dataset: columns `text` and, perhaps, `text_pair`, as in `Corpus.test`.
            progress: show a progress bar, on standard error if that is a terminal.
        """
        from rich.console import Console
        from rich.progress import track

        windows = range(0, len(dataset), WINDOW)
        console = Console(stderr=True)
        hidden = not (progress and console.is_terminal)
        parts = [self.predict([], [] if self.backend.text_pairs else None)]
        for start in track(windows, description="Testing", console=console, disable=hidden, transient=True):
            rows = dataset[start : start + WINDOW]
            parts.append(self.predict(rows["text"], rows.get("text_pair")))
        novelty = [part.novelty for part in parts if part.novelty is not None]
        return Predictions(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate(novelty) if novelty else None,
            self.label_names,
            sum(part.n_cut for part in parts),
            sum(part.n_unknown for part in parts),
        )

    def measure(self, dataset: Dataset, *, progress: bool = False) -> Metrics:
        """Predict labelled rows and compare: `predict_rows`, and the `metrics` of its result.

        Args:
            dataset: columns `text`, perhaps `text_pair`, and `label`, as in `Corpus.test`.
            progress: show a progress bar, on standard error if that is a terminal.
        """
        return self.predict_rows(dataset, progress=progress).metrics(dataset.with_format("numpy")["label"][:])

    def _predict_window(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        probabilities: NDArray[np.float32],
        novelty: NDArray[np.float32] | None,
    ) -> TextCounts:
        """Fill `probabilities` and `novelty` for one window, in batches of similar length."""
        ids, counts = self.tokens.counted(texts, pairs)

        def compute(batch: tuple[NDArray[np.int64], int]) -> None:
            rows, length = batch
            found, found_novelty = self.backend(self.tokens.pad(ids, rows, length))
            probabilities[rows] = found
            if novelty is not None and found_novelty is not None:
                novelty[rows] = found_novelty

        lengths = [len(row) for row in ids["input_ids"]]
        batches = list(length_batches(lengths, self._rows_of, self.tokens.format.max_length))
        workers = min(self.backend.workers, len(batches))
        if workers == 1:  # a single batch is computed by all threads together
            for batch in batches:
                compute(batch)
            return counts
        try:
            with ThreadPoolExecutor(workers, initializer=self.backend.start_worker) as pool:
                for _ in pool.map(compute, batches):
                    pass
        finally:
            self.backend.stop_workers()
        return counts

    def _rows_of(self, length: int) -> int:
        return self.batch_size or self.backend.batch_tokens // length
