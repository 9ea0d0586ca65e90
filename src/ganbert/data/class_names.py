"""What classes are called in words: read from a file, given by a program, or taken from the labels themselves.

A class that has no labelled text yet is known by its name alone, so a text that says what it is about helps most there.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow.compute as pc

from ganbert.data.cells import label_texts, plain_cells, refuse_rows, require_column, texts_of_column
from ganbert.data.formats.base import reason
from ganbert.data.tables import read_chunks
from ganbert.errors import InputError
from ganbert.labels import Classes, label_text
from ganbert.storage.fields import one_line
from ganbert.wording import quoted, shown

ClassNames: TypeAlias = Mapping[str, tuple[str, ...]]
"""A label to the texts that say what its class is called, at least one."""

AUTO = "auto"
"""In the place of class names: take them from labels that are words."""

GivenClassNames: TypeAlias = Mapping[Any, str | Sequence[str]] | str | os.PathLike[str]
"""Class names as a caller gives them: a mapping from a label to its text or texts, a file, or "auto"."""

TEXT_COLUMNS = ("text", "name", "description")
"""Of a table of class names, the first that it has; the column of labels is `label`."""

_SHOWN = 3
"""Classes in a note, and texts of each."""
_EXAMPLE = 'such as {"label": "what it is called"}'
_ABBREVIATION = 4
"""Up to so many capitals are taken for an abbreviation."""
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def class_names_given(given: GivenClassNames | None) -> ClassNames | None:
    """Return the class names of a file or a mapping, none for None; None for "auto", which needs the labels.

    Raises:
        InputError: they cannot be read, or something in them is no label or no text.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return _checked(given.items(), "class_names")
    return None if given == AUTO else read_class_names(given)


def read_class_names(path: str | os.PathLike[str]) -> ClassNames:
    """Read what classes are called.

    `.json` and `.yaml` hold one object, `{"label": "text"}` or `{"label": ["text", "text"]}`. Anything else is a table
    (CSV, Excel and so on) with the columns `label` and `text` (or `name`, or `description`), and a row for each text.

    Returns:
        Labels, as `label_text` makes them, in the order of the file.

    Raises:
        InputError: the file cannot be read, a label or a text is empty or no text, an object names a label twice, or
            there is no label at all; names the file and the row, column or label.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        return _checked(_json_entries(path), path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _checked(_yaml_entries(path), path)
    texts: dict[str, list[str]] = {}
    for label, text in _table_rows(path):
        texts.setdefault(label, []).append(text)
    return _checked(texts.items(), path)


def words_of(labels: Iterable[str]) -> ClassNames:
    """Return a text for each label that is words: `card_arrival` is "card arrival", `sci.space` is "sci space".

    The rule: a label is split at everything but letters, and at the capitals of camelCase. A part of two letters is a
    word, and so is one letter of a script without capitals. Up to four capitals (FAQ, NUM) are an abbreviation, which
    is left out: a reader does not know what it stands for, and an encoder hardly more.

    A label without a word, or with a digit, is a code and gets no text. Nor do labels that would share one.
    """
    texts = {label: text for label in labels if (text := _in_words(label))}
    times = Counter(text.casefold() for text in texts.values())
    return {label: (text,) for label, text in texts.items() if times[text.casefold()] == 1}


def names_of(classes: Classes, stated: ClassNames | None, *, pairs: bool) -> tuple[ClassNames, list[str]]:
    """Return what the classes of a run are called, and for a person notes on which texts were taken.

    Args:
        classes: all classes of the run.
        stated: what `class_names_given` returned. None takes labels that are words, though not for pairs of texts.
        pairs: whether a row is a pair of texts.
    """
    if stated is None:
        names = {} if pairs else words_of(classes.names)
        return names, [] if pairs else [*_taken(names), *_missing(names, classes, " (--class-names gives them)")]
    texts: dict[str, list[str]] = {label: [] for label in classes.names}
    for label, more in stated.items():
        if (i := classes.id_of(label)) is not None:
            texts[classes.names[i]] += more
    names = {label: tuple(dict.fromkeys(found)) for label, found in texts.items() if found}
    return names, [*_taken(names), *_missing(names, classes)] if names else []


def _taken(names: ClassNames) -> list[str]:
    if not names:
        return []
    examples = sorted(names, key=lambda label: names[label] == (label,))[:_SHOWN]  # what is new comes first
    called = [f"{quoted(label)} is called {' or '.join(map(quoted, names[label][:_SHOWN]))}" for label in examples]
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return [f"Class names: {', '.join(called)}{more}"]


def _missing(names: ClassNames, classes: Classes, way_out: str = "") -> list[str]:
    missing = [label for label in classes.names if label not in names]
    return [f"No class name for {shown(missing)}{way_out or Classes([*names]).hint(missing)}"] if missing else []


def _checked(entries: Iterable[tuple[object, object]], source: Path | str) -> ClassNames:
    names: dict[str, tuple[str, ...]] = {}
    for key, value in entries:
        try:
            label = label_text(key)
        except (TypeError, ValueError) as error:
            raise InputError(str(error), path=source) from None
        if label is None or not _is_text(label):
            raise InputError(f"{quoted(str(key))} is no label", path=source)
        if label in names:
            raise InputError(f"names label {quoted(label)} twice", path=source)
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, Iterable) or isinstance(texts, bytes | Mapping):
            raise InputError(f"label {quoted(label)}: {_short(value)} is no text", path=source)
        names[label] = tuple(dict.fromkeys(_checked_text(text, label, source) for text in texts))
        if not names[label]:
            raise InputError(f"label {quoted(label)}: no text", path=source)
    if not names:
        raise InputError("names no class", path=source)
    return names


def _checked_text(text: object, label: str, source: Path | str) -> str:
    if not isinstance(text, str) or not _is_text(text):
        raise InputError(f"label {quoted(label)}: {_short(text)} is no text", path=source)
    if not (stripped := str(text).strip()):
        raise InputError(f"label {quoted(label)}: empty text", path=source)
    return stripped


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _short(value: object) -> str:
    return quoted(one_line(str(value)))


def _json_entries(path: Path) -> Iterable[tuple[object, object]]:
    """Return the entries of a JSON object, repeated ones among them."""
    text = _content(path)
    try:
        content = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON ({one_line(error)})", path=path) from None
    if not isinstance(content, tuple):
        raise InputError(f"is no JSON object {_EXAMPLE}", path=path)
    return content


def _yaml_entries(path: Path) -> Iterable[tuple[object, object]]:
    """Return the entries of a YAML mapping, repeated ones among them; labels as written, so that `no` stays a word."""
    import yaml  # the rest of the room does without it

    text = _content(path)
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if isinstance(node, yaml.MappingNode):
            return [(key.value, loader.construct_object(value, deep=True)) for key, value in node.value]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"is not YAML ({one_line(error)})", path=path) from None
    raise InputError("is no YAML mapping such as label: what it is called", path=path)


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {reason(error)}", path=path) from error
    except UnicodeDecodeError:
        raise InputError("is not UTF-8", path=path) from None


def _table_rows(path: Path) -> Iterator[tuple[str, str]]:
    """Yield label and text of each row; `InputError` names row and column."""
    first_row = 1
    for chunk in read_chunks(path):
        column = next((name for name in TEXT_COLUMNS if name in chunk.column_names), TEXT_COLUMNS[0])
        texts = texts_of_column(chunk, column, path, first_row, skip_empty=True)
        refuse_rows(pc.equal(texts, ""), "empty text", path, first_row, column)
        require_column(chunk, "label", path)
        cells = plain_cells(chunk, "label", "a label is one word or number, not {}", path, first_row)
        labels = label_texts(cells, path, first_row, "label")
        refuse_rows(labels.is_null(), "no label", path, first_row, "label")
        yield from zip(labels.to_pylist(), texts.to_pylist(), strict=True)
        first_row += len(chunk)


def _in_words(label: str) -> str | None:
    kinds = [unicodedata.category(character)[0] for character in label]
    if "N" in kinds:
        return None
    spaced = "".join(c if kind in "LM" or c in "'’" else " " for c, kind in zip(label, kinds, strict=True))
    split = _CAMEL_CASE.sub(" ", spaced)
    words = [part for part in split.split() if not (part.isupper() and len(part) <= _ABBREVIATION)]
    if not any(map(_is_word, words)):
        return None
    text = " ".join(words)
    return text.lower() if split != spaced or text.isupper() else text


def _is_word(part: str) -> bool:
    letters = [character for character in part if character.isalpha()]
    return len(letters) > 1 or any(letter.lower() == letter.upper() for letter in letters)
