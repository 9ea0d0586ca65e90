"""Groups of options that several commands share: each a dataclass, whose fields are typer options.

A command takes a group as one parameter, and typer sees its fields in that place:

    @expand_groups
    def command(file: Path, *, machine: MachineGroup, tables: TableGroup, as_json: options.Json = False) -> None: ...
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from ganbert.cli import options

if TYPE_CHECKING:
    from ganbert.data.rows import TableOptions


def expand_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Put the options of each group in the place of the parameter whose annotation names it.

    Where one command needs another default, it takes a subclass of the group that gives the field that default.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            parameters += _parameters_of(groups[parameter.name])
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name]))

    def expanded(**given: Any) -> None:
        values = {
            name: group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        command(**given, **values)

    expanded.__doc__, expanded.__module__ = command.__doc__, command.__module__
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return expanded


def _parameters_of(group: Any) -> list[inspect.Parameter]:
    """Return an option for each field; one without a default is required."""
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(group)
    ]


@dataclass(frozen=True)
class MachineGroup:
    """Where arithmetic runs: the arguments of `choose_compute`."""

    device: options.Device = "auto"
    precision: options.Precision = "auto"
    threads: options.Threads = None


@dataclass(frozen=True)
class TableGroup:
    """How tables with labels are read."""

    text_column: options.TextColumn = "text"
    text_pair_column: options.TextPairColumn = None
    label_column: options.LabelColumn = "label"
    encoding: options.Encoding = "utf-8"
    delimiter: options.Delimiter = None
    none_label: options.NoneLabel = None
    normalize_labels: options.NormalizeLabels = False
    skip_empty: options.SkipEmpty = False
    allow_unseen: options.AllowUnseen = False

    def table_options(self, **others: Any) -> TableOptions:
        """Return them as reading takes them, with further fields of `TableOptions`."""
        from ganbert.data.rows import TableOptions

        fields = dataclasses.asdict(self)
        none_labels = tuple(fields.pop("none_label") or ())
        return TableOptions(**fields, none_labels=none_labels, **others)
