"""The parts of a run: a model on its encoder, its batches, and a trainer over the tokenised corpus."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from transformers import (
    EvalPrediction,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    TrainingArguments,
)

from ganbert.data.corpus import Corpus
from ganbert.data.encode import encode
from ganbert.data.tokens import Collator, Tokens
from ganbert.fast import speed_up
from ganbert.labels import UNLABELLED
from ganbert.metrics import classification_metrics
from ganbert.model.encoders import load_tokenizer
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.model.tokenizers import TextCounts, usable_length
from ganbert.runtime import n_processes
from ganbert.training.batches import BatchPlan, batch_streams
from ganbert.training.recipe import Recipe
from ganbert.training.trainer import GanBertTrainer


def build_model(
    encoder: str, corpus: Corpus, recipe: Recipe
) -> tuple[GanBertForSequenceClassification, PreTrainedTokenizerBase]:
    """Return new heads on the encoder, and its tokenizer set to cut where training does."""
    names = dict(enumerate(corpus.label_names))
    model = GanBertForSequenceClassification.from_encoder(
        encoder, id2label=names, label2id={name: i for i, name in names.items()}, **recipe.config_fields()
    )
    model.config.text_pairs = "text_pair" in corpus.train.column_names
    model.config.columns = dict(corpus.columns) or None
    if corpus.class_values is not None:
        model.config.class_values = dict(corpus.class_values)
    tokenizer = load_tokenizer(encoder, model.encoder)
    model.config.pad_token_id = tokenizer.pad_token_id
    # Saved with the model, so that whoever reads it cuts texts where training did.
    tokenizer.model_max_length = usable_length(
        tokenizer, model.encoder, recipe.max_length, pairs=model.config.text_pairs
    )
    return model, tokenizer


def plan_batches(recipe: Recipe, corpus: Corpus, lengths: NDArray[np.int64], steps: int, seed: int) -> BatchPlan:
    """Return all batches of a run over a corpus whose rows have these lengths."""
    return BatchPlan(
        batch_streams(recipe, corpus.labelled, corpus.unlabelled, seed, n_processes()), lengths, steps, seed
    )


def build_trainer(
    model: GanBertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    arguments: TrainingArguments,
    recipe: Recipe,
    corpus: Corpus,
    say: Callable[[str], None],
    teacher: GanBertForSequenceClassification | None,
    micro_batch_size: int | None = None,
) -> tuple[GanBertTrainer, BatchPlan, TextCounts]:
    """Return a trainer over the tokenised corpus, its batches, and what became of the training texts."""
    progress = not arguments.disable_tqdm
    rows, counts = encode(corpus.train, tokenizer, progress=progress)
    validation = None
    if corpus.validation is not None:
        validation, seen = encode(corpus.validation, tokenizer)
        for note in seen.notes(tokenizer.model_max_length, "validation texts"):
            say(note)
        validation = validation.remove_columns("length")
        validation = validation.map(partial(_hide_unseen, k=len(corpus.label_names)), batched=True)
    lengths = np.asarray(rows.with_format("numpy")["length"][:])
    plan = plan_batches(recipe, corpus, lengths, arguments.max_steps, arguments.seed)
    drawn = rows.select(np.unique(np.concatenate([stream.rows for stream in plan.streams])))
    speed_up(
        model,
        token_ids=_occurring_ids(tokenizer, drawn, validation),
        micro_batch_size=micro_batch_size,
        compiled=arguments.torch_compile,
    )
    trainer = GanBertTrainer(
        recipe=recipe,
        batch_sampler=plan,
        teacher=teacher,
        say=say,
        model=model,
        args=arguments,
        train_dataset=rows.remove_columns("length"),
        eval_dataset=validation,
        data_collator=Collator(Tokens.of(tokenizer)),
        processing_class=tokenizer,
        compute_metrics=_selection_metrics(corpus.label_names),
    )
    for unwanted in (PrinterCallback, ProgressCallback):  # standard output belongs to results
        trainer.remove_callback(unwanted)
    return trainer, plan, counts


def _occurring_ids(tokenizer: PreTrainedTokenizerBase, *parts: Dataset | None) -> torch.Tensor:
    """Return the ids of all tokens of these rows, each once, and that of padding."""
    padding = tokenizer.pad_token_id
    ids = {padding} if padding is not None else set()
    for part in parts:
        for table in [] if part is None else part.select_columns("input_ids").with_format("arrow").iter(10_000):
            ids.update(table["input_ids"].combine_chunks().flatten().unique().to_pylist())
    return torch.tensor(sorted(ids))


def _hide_unseen(rows: dict[str, list[int]], k: int) -> dict[str, list[int]]:
    """Mark validation rows of a class the model does not know as unlabelled: no loss can be computed for them."""
    return {"labels": [label if label < k else UNLABELLED for label in rows["labels"]]}


def _selection_metrics(label_names: tuple[str, ...]) -> Callable[[EvalPrediction], dict[str, float]]:
    def measure(prediction: EvalPrediction) -> dict[str, float]:
        logits, labels = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
        labels = np.where(labels == UNLABELLED, len(label_names), labels)  # hidden above
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        metrics = classification_metrics(labels, probabilities / probabilities.sum(axis=1, keepdims=True), label_names)
        return {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1, "ece": metrics.ece}

    return measure
