"""Labels: one label is one class, whatever the format, the type or the chunk that it stands in."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.torture.cases import Failure, or_refused

Label = str | int | float | bool | None
CHUNK = 4096

LOGICAL: dict[str, list[Label]] = {
    "words": ["a", "B", "ü", "two words", "7th"],
    "small numbers": [0, 1, 2, 10, 100],
    "negative numbers": [-1, 0, 3],
    "large numbers": [2**40, 2**53 + 1, 2**63 - 1],
    "fractions": [0.5, 1.5, 0.1],
    "truths": [True, False],
}


def check(rng: random.Random, folder: Path) -> str:
    """Write the same labels in two formats or more and compare the classes that a training run would have."""
    kind = rng.choice(list(LOGICAL))
    values = LOGICAL[kind]
    long = rng.random() < 0.1  # the last labels stand in another chunk
    labels: list[Label] = [*values, *(rng.choice([*values, None]) for _ in range(CHUNK if long else 6))]
    rng.shuffle(labels)
    writers = rng.sample([writer for name, writer in WRITERS if kind in name], rng.randint(2, 3))
    found: dict[str, Any] = {}
    for i, writer in enumerate(writers):
        path = writer(folder / f"{i}", labels)
        classes = or_refused(lambda path=path: _classes(path, folder))  # type: ignore[misc]
        if classes is not None:
            found[f"{writer.__name__} {path.name}"] = classes
    if any(classes != next(iter(found.values())) for classes in found.values()):
        names = {name: classes[0] for name, classes in found.items()}
        raise Failure(f"silent difference: classes of {kind}", names)
    return "equal" if len(found) > 1 else "refused"


def _classes(path: Path, folder: Path) -> tuple[tuple[str, ...], list[int]]:
    from ganbert.data.corpus import read_corpus

    corpus = read_corpus([path])
    return corpus.label_names, corpus.train["label"][:]


def csv_of_words(path: Path, labels: list[Label]) -> Path:
    """Labels as a person types them: 1, true, 0.5."""
    return _csv(path, ["" if x is None else json.dumps(x) if isinstance(x, bool) else str(x) for x in labels])


def csv_of_python(path: Path, labels: list[Label]) -> Path:
    """Labels as Python prints them: True, 0.5."""
    return _csv(path, ["" if x is None else str(x) for x in labels])


def csv_of_floats(path: Path, labels: list[Label]) -> Path:
    """Whole numbers as pandas writes them where some are missing: 1.0."""
    return _csv(path, ["" if x is None else repr(float(x)) for x in labels])


def json_of_values(path: Path, labels: list[Label]) -> Path:
    """Labels as JSON numbers, truths and strings."""
    return _json(path, labels)


def json_of_strings(path: Path, labels: list[Label]) -> Path:
    """All labels as strings."""
    return _json(path, [x if x is None else json.dumps(x) if isinstance(x, bool) else str(x) for x in labels])


def json_of_both(path: Path, labels: list[Label]) -> Path:
    """Every third label as a string, the others as values."""
    texts = [json.dumps(x) if isinstance(x, bool) else str(x) for x in labels]
    return _json(
        path, [x if x is None or i % 3 else text for i, (x, text) in enumerate(zip(labels, texts, strict=True))]
    )


def json_of_lists(path: Path, labels: list[Label]) -> Path:
    """Each label as a list of one string, as annotation tools export them."""
    return _json(path, [x if x is None else [str(x)] for x in labels])


def json_of_floats(path: Path, labels: list[Label]) -> Path:
    """Whole numbers as 1.0."""
    return _json(path, [x if x is None else float(x) for x in labels])


def parquet_of_values(path: Path, labels: list[Label]) -> Path:
    """Labels in the type that fits."""
    return _parquet(path, pa.array(labels))


def parquet_of_categories(path: Path, labels: list[Label]) -> Path:
    """Labels as a pandas categorical."""
    return _parquet(path, pa.array(labels).dictionary_encode())


def parquet_of_halves(path: Path, labels: list[Label]) -> Path:
    """Small whole numbers as half floats."""
    return _parquet(path, pa.array([x if x is None else float(x) for x in labels], pa.float32()).cast(pa.float16()))


def parquet_of_doubles(path: Path, labels: list[Label]) -> Path:
    """Whole numbers as doubles."""
    return _parquet(path, pa.array([x if x is None else float(x) for x in labels], pa.float64()))


def parquet_of_singles(path: Path, labels: list[Label]) -> Path:
    """Numbers in single precision, where 0.1 is no longer exactly a tenth."""
    return _parquet(path, pa.array([x if x is None else float(x) for x in labels], pa.float32()))


ALL = tuple(LOGICAL)
NUMBERS = ("small numbers", "negative numbers")
WRITERS: list[tuple[tuple[str, ...], Callable[[Path, list[Label]], Path]]] = [
    (ALL, csv_of_words),
    (ALL, csv_of_python),
    (ALL, json_of_values),
    (ALL, json_of_strings),
    (ALL, json_of_both),
    (ALL, parquet_of_values),
    (("words",), json_of_lists),
    (("words",), parquet_of_categories),
    (NUMBERS, csv_of_floats),
    (NUMBERS, json_of_floats),
    (NUMBERS, parquet_of_halves),
    (NUMBERS, parquet_of_doubles),
    ((*NUMBERS, "fractions"), parquet_of_singles),
]


def _csv(path: Path, labels: list[str]) -> Path:
    lines = [f"text {i},{label}" for i, label in enumerate(labels)]
    path = path.with_suffix(".csv")
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return path


def _json(path: Path, labels: list[Any]) -> Path:
    path = path.with_suffix(".jsonl")
    lines = [json.dumps({"text": f"text {i}", "label": label}) for i, label in enumerate(labels)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _parquet(path: Path, labels: pa.Array) -> Path:
    path = path.with_suffix(".parquet")
    pq.write_table(pa.table({"text": [f"text {i}" for i in range(len(labels))], "label": labels}), path)
    return path
