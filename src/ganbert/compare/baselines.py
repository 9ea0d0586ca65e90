"""Methods of other libraries: scikit-learn on words and on vectors of the frozen encoder, and SetFit.

`BASELINES` lists them: to add one, add a function and an entry there. `METHODS` has them all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from ganbert.compare.conditions import FINE_TUNES, Conditions, Method, Outcome
from ganbert.compare.splits import Split
from ganbert.data.corpus import texts_of
from ganbert.errors import InputError
from ganbert.model.encoders import resolve_encoder
from ganbert.predict.torch_backend import Encoder
from ganbert.storage.folders import scratch

ITERATIONS = 1000
"""Of logistic regression at most: the library's 100 are too few for some splits."""
SETFIT_STEPS = 500
"""At most."""
SETFIT_BATCH = 16
"""The library's default."""


def tfidf(split: Split, conditions: Conditions) -> Outcome:
    """Logistic regression on TF-IDF of words; inverse document frequencies are those of all training rows."""
    began = time.perf_counter()
    names, of_names = split.named_rows
    vectorizer = TfidfVectorizer(sublinear_tf=True).fit([*_joined(split.corpus.train), *names])
    labelled = split.corpus.labelled
    vectors = vectorizer.transform([*_joined(split.corpus.train.select(labelled)), *names])
    classifier = LogisticRegression(max_iter=ITERATIONS).fit(vectors, [*split.corpus.labels[labelled], *of_names])
    return _predicted(lambda: classifier.predict_proba(vectorizer.transform(_joined(split.test))), began)


def embed(split: Split, conditions: Conditions) -> Outcome:
    """Logistic regression on the text vectors of the encoder as it comes."""
    return _on_embeddings(split, conditions, split.corpus.labelled, LogisticRegression(max_iter=ITERATIONS))


def self_training(split: Split, conditions: Conditions) -> Outcome:
    """The same with scikit-learn's self-training: confident predictions of unlabelled rows become labels."""
    everything = np.arange(len(split.corpus.train))
    return _on_embeddings(
        split, conditions, everything, SelfTrainingClassifier(LogisticRegression(max_iter=ITERATIONS))
    )


def _on_embeddings(split: Split, conditions: Conditions, rows: NDArray[np.int64], classifier: Any) -> Outcome:
    began = time.perf_counter()
    encoder = Encoder(conditions.encoder, conditions.max_length, conditions.compute)
    names, of_names = split.named_rows
    of_rows = np.maximum(split.corpus.labels[rows], -1)  # scikit-learn's mark of an unlabelled row
    labels = np.array([*of_rows, *of_names])
    parts = [texts_of(split.corpus.train.select(rows)), (names, None)]
    vectors = np.concatenate([encoder(texts, pairs) for texts, pairs in parts if texts])
    scaler = StandardScaler().fit(vectors[labels >= 0])
    classifier.fit(scaler.transform(vectors), labels)
    return _predicted(lambda: classifier.predict_proba(scaler.transform(encoder(*texts_of(split.test)))), began)


def _predicted(predict: Callable[[], NDArray[np.float64]], began: float, **fields: Any) -> Outcome:
    """Return the outcome of a method whose training has just ended.

    Args:
        predict: the test rows.
        began: when the training did.
        fields: of the outcome.
    """
    trained = time.perf_counter()
    probabilities = predict()
    return Outcome(probabilities, trained - began, prediction_seconds=time.perf_counter() - trained, **fields)


def _joined(rows: Any) -> list[str]:
    texts, pairs = texts_of(rows)
    return texts if pairs is None else [f"{text} {pair}" for text, pair in zip(texts, pairs, strict=True)]


def setfit(split: Split, conditions: Conditions) -> Outcome:
    """Fine-tune with SetFit (Tunstall et al. 2022) and its defaults, for one epoch of its pairs, at most 500 steps.

    Raises:
        InputError: the rows are pairs of texts, which it does not take.
    """
    from setfit import SetFitModel, Trainer, TrainingArguments
    from setfit import __version__ as setfit_version

    if "text_pair" in split.test.column_names:
        raise InputError("SetFit does not take pairs of texts")
    began = time.perf_counter()
    labelled, names = split.corpus.train.select(split.corpus.labelled), split.named_rows
    texts, labels = [*labelled["text"], *names[0]], [*labelled["label"], *names[1]]
    model = SetFitModel.from_pretrained(resolve_encoder(conditions.encoder), device=conditions.compute.device)
    model.model_body.max_seq_length = conditions.max_length
    with scratch() as folder:
        arguments = TrainingArguments(
            output_dir=folder, batch_size=SETFIT_BATCH,
            max_steps=min(SETFIT_STEPS, _setfit_steps_of_epoch(labels)),
            seed=conditions.seed, report_to="none", save_strategy="no", show_progress_bar=False,
        )  # fmt: skip
        trainer = Trainer(model, arguments, train_dataset=Dataset.from_dict({"text": texts, "label": labels}))
        # In the precision of all others. Around many steps autocast's cache would give each the first step's weights.
        with torch.autocast(
            conditions.compute.device, torch.bfloat16, enabled=conditions.compute.bfloat16, cache_enabled=False
        ):
            trainer.train()
    steps = int(trainer.st_trainer.state.global_step)
    return _predicted(
        lambda: np.asarray(model.predict_proba(split.test["text"][:], as_numpy=True)),
        began,
        steps=steps,
        labelled_shown=steps * SETFIT_BATCH * 2 / len(texts),
        recipe={"library": f"setfit {setfit_version}", "batch_size": SETFIT_BATCH},
    )


def _setfit_steps_of_epoch(labels: list[int]) -> int:
    """Return the batches of all pairs, where there are as many of unlike labels as of like ones: the rarer repeat."""
    n = len(labels)
    of_class = np.bincount(labels)
    like = int((of_class * (of_class + 1) // 2).sum())
    return math.ceil(2 * max(like, n * (n + 1) // 2 - like) / SETFIT_BATCH)


BASELINES = {
    "tfidf": Method(tfidf, "logistic regression on TF-IDF", FINE_TUNES, deterministic=True),
    "embed": Method(embed, "logistic regression on text vectors of the frozen encoder", FINE_TUNES, deterministic=True),
    "self-training": Method(
        self_training, "scikit-learn's self-training on the same vectors", FINE_TUNES, deterministic=True
    ),
    "setfit": Method(setfit, "SetFit for an epoch of its pairs, at most 500 steps", FINE_TUNES, library="setfit"),
}
"""By name."""
