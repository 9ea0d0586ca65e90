"""Pile: the texts to choose from, and the texts whose labels are known, from tables, lists or mappings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ganbert.data.corpus import SEPARATOR, Table, read_tables, whole_texts
from ganbert.data.rows import LabelUse, Rows, TableOptions
from ganbert.errors import InputError
from ganbert.labels import UNLABELLED, Classes, look_alikes, most_frequent, ordered_labels
from ganbert.storage.fields import one_line

Texts: TypeAlias = Table | Sequence[Table] | Sequence[str] | Mapping[str, Any]
"""Tables, as `read_corpus` takes them; or a list of texts; or a mapping from texts to labels."""


@dataclass(frozen=True)
class Pile:
    """Texts to choose from, and what is known of their labels.

    Attributes:
        rows: those of the pool, labelled ones among them.
        known: a text (of a pair both, with `SEPARATOR`) that is not to be proposed, to its label; None for no label.
        n_skipped, n_blank, notes: of all tables, as in `Rows`.
    """

    rows: Rows
    known: Mapping[str, str | None]
    n_skipped: int
    n_blank: int
    notes: tuple[str, ...]

    @property
    def positions(self) -> NDArray[np.int64]:
        """[n] of the rows in their tables, which may have rows without text between them."""
        everything = np.arange(len(self.rows.texts) + self.rows.n_skipped)
        return np.delete(everything, self.rows.skipped)

    def classes(self, options: TableOptions, first: Sequence[str] = (), further: Iterable[str] = ()) -> Classes:
        """Return the classes that occur.

        Args:
            options: whether labels that look alike are one class.
            first: names of classes that are known already, and come first.
            further: labels that need no row.
        """
        counts = Counter(label for label in self.known.values() if label is not None)
        is_label = options.label_reader()
        counts.update(dict.fromkeys((label for label in further if is_label(label) is not None), 0))
        known = Classes(first, options.normalize_labels)
        labels = {label: n for label, n in counts.items() if known.id_of(label) is None}
        for group in look_alikes(labels) if options.normalize_labels else []:
            for label in group.keys() - {most_frequent(group)}:
                del labels[label]
        return Classes([*first, *ordered_labels(labels)], options.normalize_labels)

    def match(self, classes: Classes) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_], list[int]]:
        """Return what is known of each of the n rows of the pool.

        Returns:
            [n] class ids, -100 for none; [n] whether its text is among the known ones; [n] whether it is the first row
            with its text; and which of the known texts are in no row, by their position.
        """
        texts = whole_texts(self.rows.texts).combine_chunks()
        found = pc.index_in(texts, value_set=pa.array(self.known, texts.type)).fill_null(-1).to_numpy()
        ids = np.append(self.ids(classes), UNLABELLED)  # the last is that of -1
        codes = texts.dictionary_encode().indices.to_numpy()
        is_first = np.zeros(len(texts), bool)
        is_first[np.unique(codes, return_index=True)[1]] = True
        return ids[found], found >= 0, is_first, np.setdiff1d(np.arange(len(self.known)), found).tolist()

    def ids(self, classes: Classes) -> NDArray[np.int64]:
        """Return the class id of each known text, -100 for none."""
        ids = (None if label is None else classes.id_of(label) for label in self.known.values())
        return np.array([UNLABELLED if i is None else i for i in ids], dtype=np.int64)

    def known_texts(self, which: Sequence[int]) -> tuple[list[str], list[str] | None]:
        """Return some of the known texts, and their second texts if they are pairs."""
        texts = [*self.known]
        parts = [texts[i].split(SEPARATOR) for i in which]
        return [part[0] for part in parts], [part[1] for part in parts] if self.rows.has_pairs else None


def read_pile(pool: Texts, labelled: Texts | None, options: TableOptions, folder: Path) -> Pile:
    """Read and check the texts.

    Args:
        pool: texts to choose from; in tables rows with a label are known.
        labelled: texts that are known; in tables those that have a label, as somebody may have stopped half-way.
        options: how tables are read.
        folder: where Arrow files are made; it must outlive the pile.

    Raises:
        InputError: something in them cannot be used, or the pool has no rows.
    """
    rows = _read(pool, "where there are any", "pool", options, folder / "pool.arrow")
    if len(rows.texts) == 0:
        raise InputError("has no rows to choose from", path=rows.tables[0].path)
    read, known = [rows], _labels_of(rows)
    if labelled is not None:
        further = _read(labelled, "optional", "labelled", options, folder / "labelled.arrow", like=rows)
        read.append(further)
        found = _labels_of(further, all_rows=_are_texts(labelled))
        known |= {text: label or known.get(text) for text, label in found.items()}
    notes = tuple(note for part in read for note in part.notes)
    return Pile(rows, known, sum(part.n_skipped for part in read), sum(part.n_blank for part in read), notes)


def _read(
    texts: Texts, labels: LabelUse, name: str, options: TableOptions, target: Path, like: Rows | None = None
) -> Rows:
    if _are_texts(texts):
        table = _in_memory({options.text_column: [*texts]}, name)
        return read_tables(table, "ignored", name, options, target, like)
    if isinstance(texts, Mapping):
        table = _in_memory({options.text_column: [*texts], options.label_column: [*texts.values()]}, name)
        return read_tables(table, labels, name, options, target, like)
    return read_tables(texts, labels, f"{name} table {{}}", options, target, like)


def _are_texts(texts: Texts) -> TypeGuard[Sequence[str]]:
    """Whether these are texts: a single string is the path of a table, and a list of strings holds no paths."""
    return isinstance(texts, list | tuple) and all(isinstance(text, str) for text in texts)


def _in_memory(columns: dict[str, list[Any]], name: str) -> pa.Table:
    try:
        return pa.table({name: pa.array(cells, pa.string() if not cells else None) for name, cells in columns.items()})
    except (pa.ArrowException, UnicodeError) as error:
        raise InputError(f"cannot be read: {one_line(error)}", path=name) from error


def _labels_of(rows: Rows, *, all_rows: bool = False) -> dict[str, str | None]:
    """Return the text of each row that has a label, or of all rows, with its label."""
    numbers, labels = np.concatenate(rows.labels.numbers), [*rows.labels.counts, None]  # the last is that of -1
    which = np.arange(len(numbers)) if all_rows else np.flatnonzero(numbers >= 0)
    texts = whole_texts(rows.texts).take(pa.array(which)).to_pylist()
    return {text: labels[number] for text, number in zip(texts, numbers[which], strict=True)}
