"""Models computed with torch: a trained one for the Predictor, and a pretrained encoder as it comes."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ganbert.data.tokens import Batch, Tokens, length_batches, tokenizer_digest
from ganbert.errors import InputError
from ganbert.model.config import GanBertConfig
from ganbert.model.encoders import load_tokenizer
from ganbert.model.losses import fake_score
from ganbert.model.modeling import GanBertForSequenceClassification, GanBertOutput
from ganbert.model.problem import Problem
from ganbert.model.tokenizers import usable_length
from ganbert.predict.backends import Backend, on_workers
from ganbert.runtime import Compute, choose_compute
from ganbert.storage.fields import one_line, read_config

CPU_TOKENS, ACCELERATOR_TOKENS = 1024, 16384
"""Tokens of a batch: what fits a processor's caches, and what keeps a GPU busy."""

MOST_WORKERS = 8
"""Batches computed at once on a processor; with more, they wait for each other in Python."""


class TorchModel(Backend):
    """A model, computed on the device and in the precision of `compute`. The model that it is given is not changed.

    Args:
        model: a trained model.
        compute: device, precision and threads; None takes the model as it stands. In bfloat16 the encoder is a copy
            whose weights are cast once; the heads stay in float32.
    """

    def __init__(self, model: GanBertForSequenceClassification, compute: Compute | None = None) -> None:
        model.train(False)
        if compute is None:
            compute = Compute(model.device.type, model.encoder.dtype == torch.bfloat16, torch.get_num_threads())
        self.module = _on(model, compute)
        self.label_names, self.text_pairs = model.config.label_names, model.config.text_pairs
        self.adversarial = model.config.adversarial
        self.description = str(compute)
        on_cpu = compute.device == "cpu"
        self.batch_tokens = CPU_TOKENS if on_cpu else ACCELERATOR_TOKENS
        # Two batches on one thread each take less time than one batch after the other on two: nothing waits.
        self.workers = min(compute.threads, MOST_WORKERS) if on_cpu else 1
        self._threads = compute.threads

    def start_worker(self) -> None:
        """Give the calling thread its share of the threads."""
        torch.set_num_threads(self._threads // self.workers)

    def stop_workers(self) -> None:
        """Give all threads back to the calling thread, and to those that are started after it."""
        torch.set_num_threads(self._threads)

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """Return a batch as tensors on the model's device."""
        return {name: torch.from_numpy(column).to(self.module.device) for name, column in batch.items()}

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the probabilities [b, k] and the novelty [b], None without a fake class."""
        probabilities, novelty = figures(self.module(**self.inputs(batch)), self.module.problem)
        return probabilities.cpu().numpy(), None if novelty is None else novelty.cpu().numpy()


def figures(output: GanBertOutput, problem: Problem) -> tuple[Tensor, Tensor | None]:
    """Return the probabilities of the classes [b, k], and p(k+1 | x) [b], None without a fake class, in float32."""
    assert output.logits is not None
    probabilities = problem.probabilities(output.logits)
    if output.fake_logits is None:
        return probabilities, None
    logits = torch.cat([output.logits, output.fake_logits.unsqueeze(-1)], dim=-1)
    return probabilities, fake_score(logits).sigmoid()


def open_torch(
    folder: Path, config: dict[str, Any], device: str, precision: str, threads: int | None
) -> tuple[TorchModel, Tokens]:
    """Open a folder of `ganbert train`; the arguments and errors are those of `backends.open_folder`."""
    compute = choose_compute(device, precision, threads)
    model, tokenizer = load_model(folder)
    return TorchModel(model, compute), Tokens.of(tokenizer)


def load_model(folder: Path) -> tuple[GanBertForSequenceClassification, PreTrainedTokenizerBase]:
    """Open a folder of `ganbert train`: the model, and its tokenizer, which cuts texts where training did.

    Raises:
        InputError: the folder holds no model that ganbert has trained, files are missing, or they do not fit together.
    """
    try:
        kind = read_config(folder).get("model_type")
        if kind != GanBertConfig.model_type:
            raise InputError(f"its model_type is {kind}: an encoder, perhaps, for ganbert train --encoder")
        model: GanBertForSequenceClassification = GanBertForSequenceClassification.from_pretrained(folder)
        model.check_encoder()
    except MemoryError:
        raise
    except Exception as error:  # of a wrong or hostile folder: whatever transformers meets in its files
        raise InputError(f"cannot be opened as a ganbert model ({one_line(error)})", path=folder) from error
    tokenizer = load_tokenizer(str(folder), model.encoder, what="model folder")
    tokenizer.model_max_length = usable_length(tokenizer, model.encoder, pairs=model.config.text_pairs)
    return model, tokenizer


def _on(model: GanBertForSequenceClassification, compute: Compute) -> GanBertForSequenceClassification:
    """Return the model on the device and in the precision of `compute`: itself if it is there, else a copy."""
    casts = compute.bfloat16 and model.encoder.dtype != torch.bfloat16
    if model.device.type == compute.device and not casts:
        return model
    model = copy.deepcopy(model)
    if casts:
        for parameter in model.encoder.parameters():  # not buffers: rotary frequencies must stay exact
            parameter.data = parameter.data.to(torch.bfloat16)
    torch.nn.Module.to(model, compute.device)
    return model


class Encoder:
    """Texts to vectors, with a pretrained encoder and its own pooling (`cls` if it states none).

    Encoder("minilm", 64, choose_compute())(["where is my parcel?"])     # [1, 384]

    Args:
        name: a Hub name, a folder, or `minilm`.
        max_length: tokens at which a text is cut.
        compute: device, precision and threads.

    Raises:
        InputError: there is no such encoder.
    """

    def __init__(self, name: str, max_length: int, compute: Compute) -> None:
        model = GanBertForSequenceClassification.from_encoder(name, num_labels=2, adversarial=False)
        tokenizer = load_tokenizer(name, model.encoder)
        tokenizer.model_max_length = usable_length(tokenizer, model.encoder, max_length)
        self._open(model, tokenizer, compute)

    @classmethod
    def of(cls, model: GanBertForSequenceClassification, tokenizer: PreTrainedTokenizerBase, compute: Compute) -> Self:
        """Return the encoder of a trained model, whose heads `class_probabilities` asks as well."""
        encoder = cls.__new__(cls)
        encoder._open(model, tokenizer, compute)
        return encoder

    def _open(
        self, model: GanBertForSequenceClassification, tokenizer: PreTrainedTokenizerBase, compute: Compute
    ) -> None:
        self._backend, self._tokens = TorchModel(model, compute), Tokens.of(tokenizer)
        self._token_rules = tokenizer_digest(tokenizer)

    @property
    def width(self) -> int:
        """The d of its vectors."""
        width: int = self._backend.module.config.hidden_size
        return width

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that the vectors depend on, except the texts: tokens, weights, pooling, precision."""
        module = self._backend.module
        said = (torch.__version__, self._token_rules, module.config.pooling, module.config.encoder.to_json_string())
        digest = hashlib.sha256("\n".join(said).encode())
        for name, weights in module.encoder.state_dict().items():
            digest.update(f"{name} {weights.dtype}".encode())
            digest.update(weights.cpu().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.float32]:
        """Return the vectors [n, d] of n texts, or of n pairs of texts, in float32."""
        module = self._backend.module
        vectors = np.empty((len(texts), self.width), dtype=np.float32)
        ids = self._tokens(texts, pairs)

        @torch.inference_mode()
        def compute(rows_and_length: tuple[NDArray[np.int64], int]) -> None:
            rows, length = rows_and_length
            batch = self._tokens.pad(ids, rows, length)
            vectors[rows] = module.text_vectors(**self._backend.inputs(batch)).float().cpu().numpy()

        lengths = [len(row) for row in ids["input_ids"]]
        on_workers(self._backend, compute, list(length_batches(lengths, lambda n: self._backend.batch_tokens // n)))
        return vectors

    @torch.inference_mode()
    def class_probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities [n, k] of the classes that the heads on this encoder give its vectors [n, d]."""
        module = self._backend.module
        weight = module.discriminator.output.weight
        h = torch.from_numpy(vectors).to(weight.device, weight.dtype)
        logits: Tensor = module.discriminator(h)[1][:, : module.config.num_labels]
        return module.problem.probabilities(logits).cpu().numpy()
