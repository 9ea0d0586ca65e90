"""What a teacher says of unlabelled rows: computed once, before the student begins, and kept in the teacher's folder.

A teacher of few labels says more when it looks at the whole pile: its own probabilities are drawn towards those of
`Clusters` in the space of its text vectors, around labelled rows and class names.

The Arrow file has a row for each training row, so it stands beside the token ids as one more column. It is mapped into
memory, so a large pile takes none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.special import softmax

from ganbert.data.corpus import Corpus, texts_of
from ganbert.data.encode import read_rows
from ganbert.labels import UNLABELLED
from ganbert.predict.torch_backend import Encoder, load_model
from ganbert.runtime import Compute
from ganbert.select.clusters import Clusters, spread, unit
from ganbert.storage.disk import part_file
from ganbert.storage.folders import SOFT_TARGETS, checksums, scratch
from ganbert.training.callbacks import StopOnSignal

COLUMN = "soft_targets"
AT_ONCE = 512
"""Rows that are labelled between two looks for a signal: seconds, with an encoder of the size of BERT-base."""


class SoftTargets:
    """The column `soft_targets` of a student's training rows.

    A row that the teacher is asked about has its probabilities, [k] float32; a labelled row has k zeros. A row that
    never stands in a batch has an empty list.

    Args:
        teacher: folder of the finished teacher.
        corpus: of teacher and student, with the class names that they learn from.
        shown: [n + m], how often each row of the corpus, and then of its class names, will stand in a batch.
        cluster_weight: how much of the answer is that of the clusters, from 0 to 1: the teacher's own probabilities to
            the power of 1 minus this, times theirs to the power of this. Without any labelled row all of it is.
    """

    def __init__(self, teacher: Path, corpus: Corpus, shown: NDArray[np.int64], cluster_weight: float) -> None:
        self.teacher, self.corpus = teacher, corpus
        self.cluster_weight = cluster_weight if len(corpus.labelled) else 1.0
        self.asked = np.setdiff1d(np.flatnonzero(shown[: len(corpus.train)]), corpus.labelled)
        self.path, self.k = teacher / SOFT_TARGETS, len(corpus.label_names)
        self._widths = np.zeros(len(shown), dtype=np.int32)
        self._widths[self.asked] = self._widths[corpus.labelled] = self._widths[len(corpus.train) :] = self.k
        of = json.dumps([checksums(teacher), self.cluster_weight], sort_keys=True)
        self._schema = pa.schema({COLUMN: pa.list_(pa.float32())}, metadata={"teacher": of})

    def read(self) -> Dataset | None:
        """Return the column; None unless the file is whole, of these rows, and of this teacher."""
        if (found := read_rows(self.path, len(self._widths))) is None:
            return None
        with pa.memory_map(str(self.path)) as file:
            schema = pa.ipc.open_stream(file).schema
        if not schema.equals(self._schema, check_metadata=True):
            return None
        widths = pc.list_value_length(found.data.column(COLUMN)).to_numpy()
        return found if np.array_equal(widths, self._widths) else None

    def write(self, compute: Compute, stop: StopOnSignal, *, progress: bool) -> None:
        """Ask the teacher, and write the file.

        Args:
            compute: device, precision and threads.
            stop: a signal leaves the file unwritten.
            progress: show a progress bar, if standard error is a terminal.

        Raises:
            InterruptedRunError: a signal came.
        """
        with scratch() as folder:
            encoder = Encoder.of(*load_model(self.teacher), compute)
            shape = (len(self.asked), encoder.width)
            vectors = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
            for start in _shown(range(0, len(vectors), AT_ONCE), progress):
                if stop.received is not None:
                    raise stop.interruption("while the teacher labelled rows; the teacher is saved")
                part = slice(start, start + AT_ONCE)
                vectors[part] = encoder(*texts_of(self.corpus.train.select(self.asked[part])))
            clusters = self._clusters(encoder, vectors) if self.cluster_weight else None
            windows = pairwise([0, *self.asked[AT_ONCE::AT_ONCE].tolist(), len(self._widths)])
            with part_file(self.path) as file, pa.ipc.new_stream(file, self._schema) as writer:
                for i, (start, end) in enumerate(windows):
                    part = slice(i * AT_ONCE, (i + 1) * AT_ONCE)
                    writer.write(
                        self._batch(start, end, self.asked[part], self._said(encoder, clusters, vectors[part]))
                    )

    def _clusters(self, encoder: Encoder, vectors: NDArray[np.float32]) -> Clusters:
        """Return clusters around labelled rows and class names, fitted to the `vectors` of the rows asked about."""
        names = {
            label: unit(encoder(self.corpus.class_names[name]))
            for label, name in enumerate(self.corpus.label_names)
            if name in self.corpus.class_names
        }
        rows, some = self.corpus.labelled, spread(np.arange(len(vectors)))
        labelled = unit(encoder(*texts_of(self.corpus.train.select(rows))))
        labels = np.concatenate([self.corpus.labels[rows], np.full(len(some), UNLABELLED)])
        return Clusters(self.k, names).fit(np.concatenate([labelled, unit(vectors[some])]), labels)

    def _said(self, encoder: Encoder, clusters: Clusters | None, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        said = encoder.class_probabilities(vectors)
        if clusters is None:
            return said
        own = np.log(np.maximum(said, np.finfo(np.float32).tiny))
        seen, weight = clusters.predict_log_proba(unit(vectors)), self.cluster_weight
        return np.asarray(softmax((1 - weight) * own + weight * seen, axis=1), dtype=np.float32)

    def _batch(self, start: int, end: int, asked: NDArray[np.int64], said: NDArray[np.float32]) -> pa.RecordBatch:
        """Return the column of the rows from `start` to `end`, those asked about among them."""
        widths = self._widths[start:end]
        values = np.zeros((np.count_nonzero(widths), self.k), dtype=np.float32)
        values[np.isin(np.flatnonzero(widths) + start, asked)] = said
        offsets = pa.array(np.concatenate([[0], widths.cumsum()]).astype(np.int32))
        return pa.record_batch([pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))], schema=self._schema)


def _shown(steps: range, progress: bool) -> Iterable[int]:
    """Return the steps with a progress bar, if it is wanted and standard error is a terminal."""
    console = Console(stderr=True)
    hidden = not (progress and console.is_terminal)
    return track(steps, description="Labelling", console=console, disable=hidden, transient=True)
