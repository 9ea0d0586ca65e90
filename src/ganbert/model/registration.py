"""Makes ganbert's models known to transformers when transformers' registries are imported, and not before.

`import ganbert` promises that `AutoConfig`, `AutoModelForSequenceClassification` and `pipeline` open a ganbert model.
Registering needs transformers and torch, which take seconds to import: every use of the package would wait for them,
even `ganbert --help`. transformers has no lazy way to register (no entry points), and Python has no public hook for
"when this module has been imported" (PEP 369 was never accepted). So a finder in `sys.meta_path` waits for the modules
that hold the registries. It makes no difference whether transformers is imported first or last.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

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
    """Finds the registries as the other finders do, and has their loaders import the follower afterwards."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in FOLLOWERS:
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next((found for finder in others if (found := finder.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            vars(spec.loader)["exec_module"] = partial(_execute, spec.loader, FOLLOWERS[name])
        return spec


def _execute(loader: Any, follower: str, module: ModuleType) -> None:
    """Execute a module as its loader does, which is then as if we had never been here, and import the follower."""
    del loader.exec_module  # the one of this very instance; that of its class stays
    loader.exec_module(module)
    # Nothing is asked of the follower here: if its own import led to this one, it goes on, and registers, later.
    importlib.import_module(follower)
