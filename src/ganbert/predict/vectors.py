"""Texts to the vectors of an encoder as it comes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ganbert.data.tokens import Tokens, length_batches
from ganbert.model.encoders import load_tokenizer
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.model.tokenizers import usable_length
from ganbert.predict.torch_backend import TorchModel
from ganbert.runtime import Compute


class Encoder:
    """A pretrained encoder with its own pooling, `cls` where it states none.

    Encoder("minilm", 64, choose_compute())(["where is my parcel?"])     # [1, 384]

    Args:
        name: a Hub name, a folder, or `minilm`.
        max_length: tokens kept of a text.
        compute: device, precision and threads.

    Raises:
        InputError: there is no such encoder.
    """

    def __init__(self, name: str, max_length: int, compute: Compute) -> None:
        model = GanBertForSequenceClassification.from_encoder(name, num_labels=2, adversarial=False)
        tokenizer = load_tokenizer(name, model.encoder)
        tokenizer.model_max_length = usable_length(tokenizer, model.encoder, max_length)
        self._backend, self._tokens = TorchModel(model, compute), Tokens.of(tokenizer)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.float32]:
        """Return the vectors [n, d] of texts, or of pairs of texts."""
        module = self._backend.module
        vectors = np.empty((len(texts), module.config.hidden_size), dtype=np.float32)
        ids = self._tokens(texts, pairs)
        lengths = [len(row) for row in ids["input_ids"]]
        for rows, length in length_batches(lengths, lambda n: self._backend.batch_tokens // n):
            batch = self._tokens.pad(ids, rows, length)
            inputs = {name: torch.from_numpy(column).to(module.device) for name, column in batch.items()}
            vectors[rows] = module.text_vectors(**inputs).float().cpu().numpy()
        return vectors
