"""What the package exports, and that its layers keep their order."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
import transformers

import ganbert


def test_all_is_what_the_package_shows_and_each_name_comes_from_it() -> None:
    assert len(set(ganbert.__all__)) == len(ganbert.__all__)
    for name in ganbert.__all__:
        assert getattr(ganbert, name) is not None
    assert dir(ganbert) == sorted(ganbert.__all__)


def test_type_checkers_see_the_same_names_as_python() -> None:
    tree = ast.parse(Path(ganbert.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in imports for alias in node.names} == ganbert._HOMES
    assert {*ganbert._HOMES, "__version__"} == {*ganbert.__all__}


def own_types(hint: Any) -> Iterator[str]:
    """Yield the names of the types of this package in an annotation."""
    if isinstance(hint, type) and hint.__module__.startswith("ganbert."):
        yield hint.__name__
    for part in typing.get_args(hint):
        yield from own_types(part)


def public_functions(name: str) -> Iterator[tuple[str, Any]]:
    """Yield a public function, or the constructor, fields, methods and properties of a public class."""
    value = getattr(ganbert, name)
    if inspect.isfunction(value):
        yield name, value
    if not inspect.isclass(value):
        return
    if not issubclass(value, torch.nn.Module | transformers.PreTrainedConfig):  # their annotations are torch's
        yield name, value
    for member, found in vars(value).items():
        function = getattr(found, "__func__", getattr(found, "fget", found))
        if inspect.isfunction(function) and (not member.startswith("_") or member == "__init__"):
            yield f"{name}.{member}", function


INTERNAL = {"TableOptions.chunks"}
"""Methods that other modules of the package call."""


@pytest.mark.parametrize("name", ganbert.__all__)
def test_every_type_that_a_public_signature_names_is_public(name: str) -> None:
    known: dict[str, Any] = {other: getattr(ganbert, other) for other in ganbert.__all__}
    known |= {"Dataset": datasets.Dataset, "PreTrainedTokenizerBase": transformers.PreTrainedTokenizerBase}
    for owner, function in public_functions(name):
        for hint in typing.get_type_hints(function, localns=known).values():
            assert {*own_types(hint)} <= {*ganbert.__all__} or owner in INTERNAL, owner


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ganbert' has no attribute 'Classifier'"):
        ganbert.Classifier  # noqa: B018


def test_the_package_is_typed_and_carries_its_sample() -> None:
    folder = Path(ganbert.__file__).parent
    for name in ("py.typed", "data/sample/messages.csv", "data/sample/messages_test.csv"):
        assert (folder / name).is_file(), name


def test_nothing_is_pickled_by_the_package() -> None:
    folder = Path(ganbert.__file__).parent
    for path in folder.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for word in ("import pickle", "torch.save(", "torch.load(", "joblib.dump", "joblib.load"):
            assert word not in source, f"{path}: {word}"
