"""Makes ganbert's models known to transformers when transformers' registries are imported, and not before.

`import ganbert` promises that `AutoConfig`, `AutoModelForSequenceClassification` and `pipeline` open a ganbert model.
Importing transformers and torch to keep it would make every use of the package wait for seconds, even `ganbert --help`.
So the package only leaves a note with Python's import system: behind the module that holds a registry, import the
module of ours that enters itself there. It makes no difference whether transformers is imported first or last.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

FOLLOWERS = {
    "transformers.models.auto.configuration_auto": "ganbert.model.config",
    "transformers.models.auto.modeling_auto": "ganbert.model.modeling",
}
"""Module with a registry, and the module of ours whose last line registers its class there.

What a follower imports from this package must not import its registry at the top, or they would wait for each other.
"""


def register_when_needed() -> None:
    """Import each follower at once if its registry is imported already, and else as soon as it will be."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # before the finders that would find the registries without us
    for registry, follower in FOLLOWERS.items():
        if registry in sys.modules:
            importlib.import_module(follower)


class _Finder:
    """Finds the registries as the other finders do, and has their loaders import the follower."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in FOLLOWERS:
            return None
        for finder in [*sys.meta_path]:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = cast(Any, _Loader(spec.loader, FOLLOWERS[name]))
                return spec
        return None


class _Loader:
    """The loader it is given, which in addition imports `follower` when the module has been executed."""

    def __init__(self, loader: Any, follower: str) -> None:
        self._loader, self._follower = loader, follower

    def __getattr__(self, name: str) -> Any:
        # Not self._loader: in an instance that is being unpickled or copied there is none yet.
        return getattr(object.__getattribute__(self, "_loader"), name)

    def exec_module(self, module: ModuleType) -> None:
        # From here on the module looks as if we had never been here: to inspect, importlib.resources, reload.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        # Nothing is asked of the follower here: if its own import led to this one, it goes on, and registers, later.
        importlib.import_module(self._follower)
