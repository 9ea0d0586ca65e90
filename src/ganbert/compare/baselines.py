"""Methods of scikit-learn: on words, and on the vectors of the encoder as it comes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from ganbert.compare.setting import Outcome, Setting, texts_of
from ganbert.compare.splits import Split
from ganbert.predict.torch_backend import Encoder

ITERATIONS = 1000
"""Of logistic regression at most: the library's 100 are too few for some splits."""


def tfidf(split: Split, setting: Setting) -> Outcome:
    """Logistic regression on TF-IDF of words; inverse document frequencies are those of all training rows."""
    began = time.perf_counter()
    vectorizer = TfidfVectorizer(sublinear_tf=True).fit(_joined(split.corpus.train))
    vectors = vectorizer.transform(_joined(split.corpus.train.select(split.corpus.labelled)))
    classifier = LogisticRegression(max_iter=ITERATIONS).fit(vectors, split.corpus.labels[split.corpus.labelled])
    seconds = time.perf_counter() - began
    return Outcome(classifier.predict_proba(vectorizer.transform(_joined(split.test))), seconds)


def embed(split: Split, setting: Setting) -> Outcome:
    """Logistic regression on the text vectors of the encoder as it comes."""
    return _on_embeddings(split, setting, split.corpus.labelled, LogisticRegression(max_iter=ITERATIONS))


def self_training(split: Split, setting: Setting) -> Outcome:
    """The same with scikit-learn's self-training: confident predictions of unlabelled rows become labels."""
    everything = np.arange(len(split.corpus.train))
    return _on_embeddings(split, setting, everything, SelfTrainingClassifier(LogisticRegression(max_iter=ITERATIONS)))


def _on_embeddings(split: Split, setting: Setting, rows: NDArray[np.int64], classifier: Any) -> Outcome:
    began = time.perf_counter()
    encoder = Encoder(setting.encoder, setting.max_length, setting.compute)
    labels = np.maximum(split.corpus.labels[rows], -1)  # scikit-learn's mark of an unlabelled row
    vectors = encoder(*texts_of(split.corpus.train.select(rows)))
    scaler = StandardScaler().fit(vectors[labels >= 0])
    classifier.fit(scaler.transform(vectors), labels)
    seconds = time.perf_counter() - began
    return Outcome(classifier.predict_proba(scaler.transform(encoder(*texts_of(split.test)))), seconds)


def _joined(rows: Any) -> list[str]:
    texts, pairs = texts_of(rows)
    return texts if pairs is None else [f"{text} {pair}" for text, pair in zip(texts, pairs, strict=True)]
