"""Methods side by side on the same rows: the same encoder, equally many steps, several seeds, honest intervals.

    from ganbert.compare import TableRows, compare

    compare([TableRows((Path("messages.csv"),))], ["tfidf", "bert-tuned", "my_package.methods:mine"], Path("out"))

From a row to the report: `tasks` and `row_sources` say where rows come from, `splits` which have a label, `simulate`
which a strategy would have had labelled, `conditions` what a method gets and hands back, `methods` and `baselines`
which there are. `runs` is one method on one split, `executors` carry runs out, `store` keeps their records, and
`comparison` holds all that together. `statistics`, `intervals`, `curves` and `report` say what the records show.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same as in _HOMES, for type checkers and editors
    from ganbert.compare.comparison import compare
    from ganbert.compare.conditions import Conditions, Method, Outcome
    from ganbert.compare.methods import METHODS
    from ganbert.compare.row_sources import RowSource, TableRows, TaskRows
    from ganbert.compare.splits import Split
    from ganbert.compare.tasks import TASKS, Local, Task

__all__ = [
    "METHODS",
    "TASKS",
    "Conditions",
    "Local",
    "Method",
    "Outcome",
    "RowSource",
    "Split",
    "TableRows",
    "Task",
    "TaskRows",
    "compare",
]

_HOMES = {
    "METHODS": "methods",
    "TASKS": "tasks",
    "Conditions": "conditions",
    "Local": "tasks",
    "Method": "conditions",
    "Outcome": "conditions",
    "RowSource": "row_sources",
    "Split": "splits",
    "TableRows": "row_sources",
    "Task": "tasks",
    "TaskRows": "row_sources",
    "compare": "comparison",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used (PEP 562): listing tasks imports nothing slow."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
