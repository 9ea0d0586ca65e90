"""Opens a model only if its weights are complete, finite, of the right shapes, not pickled, and in its own folder."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from ganbert.errors import InputError
from ganbert.storage.fields import one_line, read_json
from ganbert.storage.folders import MANIFEST, WEIGHTS, changed_weights
from ganbert.storage.hub import find_file

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel

SAFE, INDEX = WEIGHTS
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.bin", "model.pt")


def open_checked(
    load: Callable[..., Any],
    build: Callable[[PreTrainedConfig], PreTrainedModel],
    source: str,
    config: PreTrainedConfig,
    *,
    may_lack: str | None = None,
    hub: dict[str, Any] | None = None,
    **kwargs: Any,
) -> PreTrainedModel:
    """Load a model with all of its weights from safetensors files.

    Args:
        load: `from_pretrained` of a class, or of `AutoModel`.
        build: makes a model of the configuration alone.
        source: a folder, or a name on the Hub.
        config: of the model; it is compared with the files before memory is allocated.
        may_lack: pattern of weights that need not be there.
        hub: options of the Hub's cache.
        kwargs: handed on to `load`.

    Raises:
        InputError: weights are missing, are not finite, are pickled, or are not what `config` describes.
    """
    if Path(source).is_dir():
        require_unchanged(Path(source))
    files = weight_files(source, hub or {})
    stored = _stored(files)
    if files:
        _check_size(config, build, sum(n for n, _ in stored.values()))
    if hasattr(config, "transformers_weights"):  # would name another file
        del config.transformers_weights
    try:
        model: PreTrainedModel
        model, info = load(
            source,
            config=config,
            use_safetensors=True,  # unpickling runs code that the file brings
            ignore_mismatched_sizes=True,  # _check_shapes reports them
            output_loading_info=True,
            **(hub or {}),
            **kwargs,
        )
    except SafetensorError as error:
        raise InputError(f"its weights cannot be read ({one_line(error)})") from error
    except OSError as error:
        if files or SAFE not in str(error):
            raise
        raise _no_weights(source, hub or {}) from error
    _check_shapes(info)
    _check_kinds(model, stored)
    _check_keys(model, info, may_lack)
    _check_finite(model)
    return model


def weight_files(source: str, hub: dict[str, Any]) -> list[Path]:
    """Return the safetensors files of a folder, or those of a Hub name; none if only the Hub's client can find them.

    Raises:
        InputError: a folder holds none, only pickled ones, or an index that names files outside of it.
    """
    if (whole := find_file(source, SAFE, hub)) is not None:
        return [whole]
    if (index := find_file(source, INDEX, hub)) is not None:
        names = read_json(index).get("weight_map")
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            raise InputError(f"{INDEX} holds no weight_map of file names")
        shards = sorted(set(names.values()))
        for name in shards:
            _check_inside(index.parent, name)
        found = [index.parent / name for name in shards]
        if Path(source).is_dir() and (lost := [path.name for path in found if not path.is_file()]):
            raise InputError(f"{len(lost)} of {len(found)} files that {INDEX} names are missing ({lost[0]})")
        return [path for path in found if path.is_file()]
    if Path(source).is_dir():
        raise _no_weights(source, hub)
    return []


def _no_weights(source: str, hub: dict[str, Any]) -> InputError:
    """Return the error that says what is there instead of safetensors files; it looks only on this machine's disk."""
    for name in _PICKLED:
        if find_file(source, name, {**hub, "local_files_only": True}) is not None:
            return InputError(
                f"its weights are pickled ({name}), and to unpickle a file is to run the code in it: "
                "convert it to safetensors where you trust it"
            )
    return InputError(f"it holds no weights ({SAFE})")


def _check_inside(folder: Path, name: str) -> None:
    """Refuse a shard outside its folder; that of a snapshot in the Hub's cache is a link into its `blobs`."""
    homes = [folder.resolve()]
    if folder.parent.name == "snapshots":
        homes.append((folder.parent.parent / "blobs").resolve())
    lexical = Path(name)
    inside = not lexical.is_absolute() and ".." not in lexical.parts and "\\" not in name and "\0" not in name
    if not inside or not any((folder / name).resolve().is_relative_to(home) for home in homes):
        raise InputError(f"{INDEX} names weights outside the folder ({one_line(repr(name))})")


def require_unchanged(folder: Path) -> None:
    """Raise `InputError` if weights have changed since ganbert wrote them into the folder."""
    if changed := changed_weights(folder):
        raise InputError(
            f"{changed[0]} is not as it was written: its checksum differs from that in {MANIFEST} "
            f"(remove {MANIFEST} if you changed the weights yourself)"
        )


def _stored(files: Iterable[Path]) -> dict[str, tuple[int, str]]:
    """Return the numbers that each weight holds and their type, such as "F32", read from the files' headers."""
    stored: dict[str, tuple[int, str]] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - no dict
                    weight = file.get_slice(name)
                    stored[name] = (math.prod(weight.get_shape()), weight.get_dtype())
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path.name} is damaged: it is no whole safetensors file ({one_line(error)})") from error
    return stored


def _check_size(config: PreTrainedConfig, build: Callable[[PreTrainedConfig], PreTrainedModel], n_stored: int) -> None:
    """Refuse a configuration of far more weights than there are: what is missing would be allocated and made up."""
    import torch

    with torch.device("meta"):  # which has no memory
        n_described = sum(parameter.numel() for parameter in build(config).parameters())
    if n_described > 2 * n_stored:  # a pooler may be missing, which is less than all else together
        raise InputError(f"config.json describes {n_described:,} weights, and the files hold {n_stored:,}")


def _check_shapes(info: dict[str, Any]) -> None:
    if wrong := sorted(info["mismatched_keys"]):
        name, stored, described = wrong[0]
        raise InputError(
            f"{_some('weight', len(wrong))} of another shape than config.json describes: {name} is "
            f"{list(stored)} in the file and {list(described)} by config.json"
        )


def _check_kinds(model: nn.Module, stored: Mapping[str, tuple[int, str]]) -> None:
    """Refuse whole numbers where the model has fractions: they would be taken for weights that were never trained."""
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    fractions = {name for name, weight in model.named_parameters() if weight.is_floating_point()}
    fractions |= {prefix + name for name in fractions} | {name.removeprefix(prefix) for name in fractions}
    wrong = sorted(name for name, (_, kind) in stored.items() if kind[0] in "IUB" and kind != "BF16")
    if wrong := [name for name in wrong if name in fractions]:
        raise InputError(f"{_some('weight', len(wrong))} stored as whole numbers: {_few(wrong)}")


def _check_keys(model: nn.Module, info: dict[str, Any], may_lack: str | None) -> None:
    parameters = dict(model.named_parameters())
    harmless = re.compile(may_lack) if may_lack else None
    missing = sorted(
        name for name in info["missing_keys"] if name in parameters and not (harmless and harmless.search(name))
    )
    if missing:
        raise InputError(f"{_some('weight', len(missing))} missing: {_few(missing)}")
    # A checkpoint may hold a head more. But layers beyond those that config.json counts are of the model itself.
    known = {_without_numbers(name) for name in parameters}
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    beyond = sorted(
        name
        for name in info["unexpected_keys"]
        if {_without_numbers(name), _without_numbers(name.removeprefix(prefix))} & known
    )
    if beyond:
        raise InputError(f"the files hold more layers than config.json describes: {_few(beyond)}")


def _check_finite(model: nn.Module) -> None:
    bad = [name for name, weight in model.state_dict().items() if not _is_finite(weight)]
    if bad:
        raise InputError(f"{_some('weight', len(bad))} not finite (nan or infinite): {_few(bad)}")


def _is_finite(weight: Any) -> bool:
    import torch

    if not weight.is_floating_point() or weight.is_meta or weight.numel() == 0:
        return True
    if weight.element_size() == 1:  # 8-bit floats, for which little is implemented
        weight = weight.float()
    low, high = torch.aminmax(weight)  # nan, if there is any; no array of bools, as isfinite makes it
    return bool(torch.isfinite(low) & torch.isfinite(high))


def _without_numbers(name: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.)", "#", f".{name}")


def _some(noun: str, n: int) -> str:
    return f"{n} {noun} is" if n == 1 else f"{n} {noun}s are"


def _few(names: list[str]) -> str:
    shown = ", ".join(one_line(name) for name in names[:3])
    return shown + (", ..." if len(names) > 3 else "")
