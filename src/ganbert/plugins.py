"""What other packages add to ganbert (methods, tasks, table formats): found by name, imported when it is used."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from ganbert.errors import InputError

T = TypeVar("T")


@functools.cache
def found(group: str) -> Mapping[str, Callable[[], Any]]:
    """Return what installed packages offer under an entry point group, such as `ganbert.methods`.

    Returns:
        Names, each with a function that imports the object, and raises `InputError` where that fails.
    """
    return {point.name: functools.partial(_load, point) for point in entry_points(group=group)}


def imported(reference: str, kind: str = "object") -> Any:
    """Import a `kind` of thing by `package.module:name`, from the current folder as well.

    Raises:
        InputError: it cannot be imported.
    """
    if "" not in sys.path:
        sys.path.append("")  # a command has the folder of its script on the path, not the one it is called in
    return _load(EntryPoint(name=reference, value=reference, group=kind))


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:  # whatever the module does when it is imported
        origin = f" of {point.dist.name}" if point.dist else ""
        value = "" if point.name == point.value else f" = {point.value}"
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{point.group} {point.name}{value}{origin} cannot be imported: {problem}") from error


class Registry(Mapping[str, T], Generic[T]):
    """Entries by name: our own, then those of other packages under an entry point group.

    Args:
        group: of the entry points.
        own: entries of this package, which no other can replace.
        accept: turns what an entry point names into an entry; raises `TypeError` where it is none.
    """

    def __init__(self, group: str, own: Mapping[str, T], accept: Callable[[str, Any], T]) -> None:
        self.group, self.own = group, own
        self._accept = accept
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name in self.own:
            return self.own[name]
        if name not in self._loaded:
            try:
                self._loaded[name] = self._accept(name, found(self.group)[name]())
            except TypeError as error:
                raise InputError(f"{self.group} {name}: {error}") from error
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (name for name in found(self.group) if name not in self.own)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in found(self.group)
