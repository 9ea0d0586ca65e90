"""What a teacher says of unlabelled rows: computed once, before the student begins, and kept in the teacher's folder.

The Arrow file has a row for each training row, so it stands beside the token ids as one more column. It is mapped into
memory, so a large pile takes none.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from ganbert.data.corpus import Corpus
from ganbert.data.encode import read_rows
from ganbert.predict.predictor import Predictor
from ganbert.predict.torch_backend import load_model
from ganbert.runtime import Compute
from ganbert.storage.disk import part_file
from ganbert.storage.folders import SOFT_TARGETS, checksums
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
        corpus: of teacher and student.
        asked: [m], the unlabelled rows that will stand in a batch, sorted.
    """

    def __init__(self, teacher: Path, corpus: Corpus, asked: NDArray[np.int64]) -> None:
        self.teacher, self.corpus, self.asked = teacher, corpus, asked
        self.path, self.k = teacher / SOFT_TARGETS, len(corpus.label_names)
        self._widths = np.zeros(len(corpus.train), dtype=np.int32)
        self._widths[asked] = self._widths[corpus.labelled] = self.k
        of = json.dumps(checksums(teacher), sort_keys=True)
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
        predictor = Predictor(*load_model(self.teacher), compute=compute)
        windows = list(pairwise([0, *self.asked[AT_ONCE::AT_ONCE].tolist(), len(self._widths)]))
        console = Console(stderr=True)
        hidden = not (progress and console.is_terminal)
        shown = track(windows, description="Labelling", console=console, disable=hidden, transient=True)
        with part_file(self.path) as file, pa.ipc.new_stream(file, self._schema) as writer:
            for i, (start, end) in enumerate(shown):
                if stop.received is not None:
                    raise stop.interruption("while the teacher labelled rows; the teacher is saved")
                asked = self.asked[i * AT_ONCE : (i + 1) * AT_ONCE]
                said = predictor.predict_rows(self.corpus.train.select(asked)).probabilities
                writer.write(self._batch(start, end, asked, said))

    def _batch(self, start: int, end: int, asked: NDArray[np.int64], said: NDArray[np.float32]) -> pa.RecordBatch:
        """Return the column of the rows from `start` to `end`, those asked about among them."""
        widths = self._widths[start:end]
        values = np.zeros((np.count_nonzero(widths), self.k), dtype=np.float32)
        values[np.isin(np.flatnonzero(widths) + start, asked)] = said
        offsets = pa.array(np.concatenate([[0], widths.cumsum()]).astype(np.int32))
        return pa.record_batch([pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))], schema=self._schema)
