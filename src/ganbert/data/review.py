"""A summary of what was read, and warnings of probable mistakes in it; on Arrow data, without copies in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ganbert.data.corpus import SEPARATOR, Corpus, class_ids, whole_texts
from ganbert.labels import NUMBER, UNLABELLED, is_word_for_none, look_alikes
from ganbert.wording import counted, quoted, shown, told_apart

_MANY_CLASSES = 20
_LONG_LABEL = 60  # characters
_ID_SHARE = 0.8  # classes per labelled row, from which on labels are hardly classes
_SAMPLE = 10_000  # texts that are looked at where "mostly" is the question
_NUMBER_OR_CODE = r"^\s*[!-~]*[0-9][!-~]*\s*$"  # one word of ASCII with a digit: 17, 3.5, 2020-01-31, MSG-0017


def describe(corpus: Corpus) -> list[str]:
    """Return what was read: rows with and without a label, rows of each class, held-out rows, and what was left out.

    Of more than twenty classes, only the ten largest and the ten smallest are listed.
    """
    counts = _label_counts(corpus)
    n_labelled, n_unlabelled = len(corpus.labelled), len(corpus.unlabelled)
    lines = [
        f"{counted(len(corpus.train), 'row')} to train on: {n_labelled:,} labelled in "
        f"{counted(len(counts), 'class')}, {n_unlabelled:,} unlabelled"
    ]
    by_size = sorted(counts.items(), key=lambda item: -item[1])
    n_more = len(by_size) - _MANY_CLASSES
    if n_more > 0:
        by_size = by_size[: _MANY_CLASSES // 2] + by_size[-(_MANY_CLASSES // 2) :]
    sizes = [f"{name} {n:,}" for name, (_, n) in zip(told_apart(dict(by_size)), by_size, strict=True)]
    if n_more > 0:
        sizes.insert(_MANY_CLASSES // 2, f"... ({n_more:,} more classes) ...")
    lines.append(f"labelled rows of each class: {', '.join(sizes)}")
    held_out = (("choose the best checkpoint by", corpus.validation), ("test on", corpus.test))
    lines += [f"{counted(len(part), 'row')} to {use}" for use, part in held_out if part is not None]
    left_out = [counted(corpus.n_skipped, "row") + " without text"] if corpus.n_skipped else []
    left_out += [counted(corpus.n_blank, "blank line")] if corpus.n_blank else []
    return lines + ([f"left out: {', '.join(left_out)}"] if left_out else [])


def slips(corpus: Corpus) -> list[str]:
    """Return a warning, one line each, for everything that is probably a mistake in the tables or the options."""
    counts = _label_counts(corpus)
    long = [label for label in counts if len(label) > _LONG_LABEL]
    if 2 * sum(counts[label] for label in long) > sum(counts.values()):  # all other warnings would follow from it
        return [
            f"labels are mostly long texts, such as {quoted(long[0])}: are the columns of texts and labels swapped? "
            "(--text-column and --label-column name them)"
        ]
    return [*_slips_of_classes(counts), *_slips_of_texts(corpus), *_slips_of_names(counts), *_contradictions(corpus)]


def _label_counts(corpus: Corpus) -> dict[str, int]:
    """Return the number of labelled training rows of each class."""
    n = np.bincount(corpus.labels[corpus.labelled], minlength=len(corpus.label_names))
    return dict(zip(corpus.label_names, n.tolist(), strict=True))


def _slips_of_classes(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield warnings of classes with too few rows."""
    n, n_classes = sum(counts.values()), sum(map(bool, counts.values()))  # a class may have a name and no row
    if n_classes > _ID_SHARE * n:
        yield (
            f"nearly every labelled row has a class of its own ({counted(n_classes, 'class')}, "
            f"{counted(n, 'labelled row')}): does the label column hold ids or free text? (--label-column names it)"
        )
    elif single := [label for label, rows in counts.items() if rows == 1]:
        yield (
            f"{counted(len(single), 'class')} with one labelled row only, {shown(single)}: "
            "label more such rows, or correct the label"
        )


def _slips_of_texts(corpus: Corpus) -> Iterator[str]:
    """Yield warnings of columns that probably do not hold the texts."""
    n_rows = len(corpus.train)
    rows = np.sort(np.random.default_rng(0).choice(n_rows, min(_SAMPLE, n_rows), replace=False))
    sample = corpus.train.with_format("arrow")[rows]
    names = [name for name in ("text", "text_pair") if name in sample.column_names]
    for name in names:
        codes = sample[name].filter(pc.match_substring_regex(sample[name], _NUMBER_OR_CODE))
        if 2 * len(codes) > len(sample):
            option = "--text-column" if name == "text" else "--text-pair-column"
            yield (
                f"texts are mostly numbers or codes, such as {quoted(codes[0].as_py())}: does column "
                f"{corpus.columns.get(name, name)!r} hold the texts? ({option} names it)"
            )
    whole = pc.binary_join_element_wise(*(sample[name] for name in names), " | ")
    top = max(pc.value_counts(whole).to_pylist(), key=lambda pair: int(pair["counts"]))
    if 2 * top["counts"] > len(sample) > 2:
        share = top["counts"] / len(sample)
        yield (
            f"{share:.0%} of the texts are one and the same, {quoted(top['values'])}: does column "
            f"{corpus.columns.get('text', 'text')!r} hold the texts? (--text-column names it)"
        )


def _slips_of_names(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield warnings of labels that mean no label, or are spellings of one class."""
    if groups := look_alikes(counts):
        named = "; ".join(shown(group, limit=5) for group in groups[:3])
        more = f"; and {len(groups) - 3:,} more groups" if len(groups) > 3 else ""
        yield f"labels that look alike are separate classes: {named}{more} (--normalize-labels merges them)"
    if same := _equal_numbers(counts):
        named = "; ".join(shown(group) for group in same[:3])
        yield f"labels that are the same number are separate classes: {named}: write them alike if they are one class"
    for label in filter(is_word_for_none, counts):
        yield (
            f"{shown({label: counts[label]})} is a class like any other: if it means that there is no label, "
            f"say so with --none-label {label!r}"
        )


def _equal_numbers(counts: Mapping[str, int]) -> list[dict[str, int]]:
    groups: dict[Decimal, dict[str, int]] = {}
    for label in filter(NUMBER.fullmatch, counts):
        groups.setdefault(Decimal(label), {})[label] = counts[label]
    return [group for group in groups.values() if len(group) > 1]


def _contradictions(corpus: Corpus) -> Iterator[str]:
    """Yield a warning of texts that have different labels, in one table or in several."""
    parts = [_labelled(part) for part in (corpus.train, corpus.validation, corpus.test) if part is not None]
    texts = pa.chunked_array([chunk for part in parts for chunk in whole_texts(part).chunks], pa.large_string())
    labels = np.concatenate(list(map(class_ids, parts)))
    encoded = texts.dictionary_encode().combine_chunks()
    codes = encoded.indices.to_numpy()
    one_label = np.zeros(len(encoded.dictionary), dtype=np.int64)
    one_label[codes] = labels  # of several labels the last one stays
    other = codes[labels != one_label[codes]]
    found = np.unique(other, return_index=True)[1]
    if len(found) == 0:
        return
    names = dict(enumerate(corpus.label_names))
    examples = []
    for code in other[np.sort(found)][:3]:
        stated = [names.get(i, "(in no training row)") for i in np.unique(labels[codes == code])]
        text = encoded.dictionary[int(code)].as_py().replace(SEPARATOR, " | ")
        examples.append(f"{quoted(text)} ({shown(stated)})")
    what = "text stands" if len(found) == 1 else "texts stand"
    yield f"{len(found):,} {what} with different labels: {', '.join(examples)}: correct the labels that are wrong"


def _labelled(part: Dataset) -> Dataset:
    rows = np.flatnonzero(class_ids(part) != UNLABELLED)
    return part if len(rows) == len(part) else part.select(rows)
