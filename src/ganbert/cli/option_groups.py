"""Groups of options that several commands share: each a dataclass, whose fields are typer options.

A command takes a group as one parameter, and typer sees its fields in that place:

    @expand_groups
    def command(file: Path, *, machine: MachineGroup, tables: TableGroup, as_json: options.Json = False) -> None: ...
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ganbert.cli import options
from ganbert.errors import InputError

if TYPE_CHECKING:
    from ganbert.compare.executors import Engine
    from ganbert.compare.row_sources import RowSource
    from ganbert.compare.runs import Run
    from ganbert.data.rows import TableOptions
    from ganbert.training.recipe import Recipe


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


@dataclass(frozen=True)
class ClassNamesGroup:
    """What the classes are called in words."""

    class_names: options.ClassNames = "auto"

    @property
    def file(self) -> Path | None:
        """The file that names them, if there is one."""
        return None if self.class_names in ("auto", "none") else Path(self.class_names)

    def checked(self) -> Path | str | None:
        """Return them as `read_corpus` takes them; `InputError` where the file cannot be used."""
        if self.file is None:
            return None if self.class_names == "none" else self.class_names
        from ganbert.data.class_names import read_class_names

        if not self.file.exists():  # nor is it standard input, which may hold the texts
            raise InputError(f"--class-names {self.class_names}: no such file (else auto or none)")
        read_class_names(self.file)  # at once: `read_corpus` reads it after libraries that take seconds to import
        return self.file


@dataclass(frozen=True)
class ComparisonGroup:
    """What is compared, and under which conditions."""

    methods: options.Methods = "tfidf,embed,bert-tuned,default"
    against: options.Against = None
    seeds: options.Seeds = 5
    budgets: options.Budgets = None
    balanced: options.Balanced = False
    selection: options.Selections = "random"
    names: options.KnownNames = "none"
    data_root: options.DataRoot = None
    encoder: options.Encoders = "minilm"
    teacher_encoder: options.TeacherEncoder = None
    max_length: options.MaxLength = None
    epochs: options.Epochs = None
    max_steps: options.MaxSteps = None

    def chosen_budgets(self, tasks: Iterable[str] = ()) -> list[str] | None:
        """Return the label budgets; `InputError` if one is none.

        Args:
            tasks: whose published subsets are budgets as well.
        """
        from ganbert.compare.splits import Budget
        from ganbert.compare.tasks import few_label_subsets

        return None if self.budgets is None else Budget.parse_all(self.budgets, few_label_subsets(tasks))

    def check(self) -> None:
        """Raise `InputError` where there is no such selection, or no file of class names."""
        for name in _listed(self.selection):
            if name not in ("random", "suggest"):  # the others take a second to import
                from ganbert.select.strategies import STRATEGIES

                if name not in STRATEGIES:
                    raise InputError(f"--selection {name!r}: choose among suggest, {', '.join(STRATEGIES)}")
        for name in _listed(self.names):
            if name not in ("none", "labels") and not os.path.isfile(name):
                raise InputError(f"--names {name!r}: write none, labels, or a file that there is")

    def runs(self, sources: Sequence[RowSource], machine: MachineGroup) -> list[Run]:
        """Return all runs on these rows; `InputError` if there is no such method."""
        from ganbert.compare.comparison import runs_of
        from ganbert.compare.methods import method_named

        names = list(dict.fromkeys(name.strip() for name in self.methods.split(",")))
        if self.against is not None and self.against not in names:
            raise InputError(f"--against {self.against}: is not among --methods {self.methods}")
        for name in names:
            method_named(name)
        return runs_of(
            sources,
            names,
            self.chosen_budgets(source.name for source in sources),
            self.seeds,
            encoder=_listed(self.encoder),
            selection=_listed(self.selection),
            names=_listed(self.names),
            teacher_encoder=self.teacher_encoder,
            balanced=self.balanced,
            max_length=self.max_length,
            epochs=self.epochs,
            max_steps=self.max_steps,
            **dataclasses.asdict(machine),
        )


def _listed(text: str) -> list[str]:
    """Return each part of a list with commas once; the name of a file or folder may hold commas itself."""
    # os.path says no where Path raises: a list may be longer than a file's name can be.
    return [text] if os.path.exists(text) else list(dict.fromkeys(part.strip() for part in text.split(",")))


@dataclass(frozen=True)
class EngineGroup:
    """What carries out the runs of a comparison."""

    engine: options.Engine = "local"
    jobs: options.Jobs = 1
    address: options.Address = None

    def check(self) -> None:
        """Raise `InputError` where there is no engine of that name, or it has no such option."""
        if self.engine not in ("local", "ray"):
            raise InputError(f"--engine {self.engine!r}: choose local or ray")
        if self.engine == "local" and self.address is not None:
            raise InputError("--address is that of a Ray cluster: add --engine ray")
        if self.engine == "ray" and self.jobs > 1:
            raise InputError(
                "--jobs is for --engine local: on a cluster there are as many runs at once as it has room for"
            )

    def start(self, machine: MachineGroup) -> Engine:
        """Return what carries out runs; the group has passed `check`."""
        from ganbert.compare import executors

        if self.engine == "ray":
            return executors.on_ray(self.address, machine.threads or 1, gpu=machine.device != "cpu")
        return executors.one_by_one if self.jobs == 1 else executors.in_processes(self.jobs)


@dataclass(frozen=True)
class PredictedTableGroup:
    """How a table is read for a trained model: columns that are not named are those it was trained on."""

    text_column: options.RememberedTextColumn = None
    text_pair_column: options.TextPairColumn = None
    encoding: options.Encoding = "utf-8"
    delimiter: options.Delimiter = None
    table_format: options.TableFormat = "csv"
    skip_empty: options.SkipEmpty = False

    def table_options(self, model: Path | None) -> TableOptions:
        """Return them as reading takes them, with the columns that the model in this folder, if any, remembers."""
        from ganbert.data.rows import TableOptions
        from ganbert.predict.backends import columns_of

        fields = dataclasses.asdict(self)
        fields["none_labels"] = tuple(fields.pop("none_label", None) or ())
        trained = {} if model is None else columns_of(model)
        for name in ("text", "text_pair", "label"):
            remembered = trained.get(name, None if name == "text_pair" else name)
            fields[f"{name}_column"] = fields.get(f"{name}_column") or remembered
        return TableOptions(format=fields.pop("table_format"), **fields)


@dataclass(frozen=True)
class TestedTableGroup(PredictedTableGroup):
    """How a labelled table is read for a trained model."""

    label_column: options.RememberedLabelColumn = None
    normalize_labels: options.NormalizeLabels = False
    allow_unseen: options.AllowUnseen = False


@dataclass(frozen=True)
class PoolGroup(PredictedTableGroup):
    """How a table is read to choose rows of it, with a trained model or without."""

    label_column: options.RememberedLabelColumn = None
    none_label: options.NoneLabel = None
    normalize_labels: options.NormalizeLabels = False


@dataclass(frozen=True)
class RecipeGroup:
    """A named recipe with other choices."""

    recipe: Annotated[
        str, typer.Option(help="default, paper, code (the authors' code), bert (no adversary) or bert-tuned.")
    ] = "default"
    max_steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps, instead of the recipe's epochs.")] = (
        None
    )
    epochs: Annotated[float | None, typer.Option(help="Passes over the rows.")] = None
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows a batch.")] = None
    max_length: options.MaxLength = None
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate of the encoder.")] = None
    pooling: Annotated[str | None, typer.Option(help="Text vector: auto, cls, pooler, mean or last.")] = None
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other field of the recipe; repeatable.")
    ] = None

    def chosen(self) -> Recipe:
        """Return the recipe; `InputError` says what is wrong with an option."""
        from ganbert.training.recipe import RECIPES

        if self.recipe not in RECIPES:
            raise InputError(f"--recipe {self.recipe!r}: choose one of {', '.join(RECIPES)}")
        fields = {name: getattr(self, name) for name in ("max_steps", "epochs", "batch_size", "max_length", "pooling")}
        fields["encoder_lr"] = self.learning_rate
        chosen = {name: str(value) for name, value in fields.items() if value is not None}
        for setting in self.settings or []:
            name, equals, value = setting.partition("=")
            if not equals:
                raise InputError(f"--set {setting!r}: write NAME=VALUE, as in --set noise=uniform")
            chosen[name.strip()] = value.strip()
        try:
            return RECIPES[self.recipe].with_settings(chosen)
        except ValueError as error:
            raise InputError(f"recipe: {error}") from error
