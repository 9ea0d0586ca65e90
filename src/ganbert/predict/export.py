"""A trained model to a folder of another backend, whole or not at all. How its files are written: `backends`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from ganbert.errors import InputError
from ganbert.extras import require
from ganbert.predict.backends import BACKENDS, TRAINED, export_facts, export_formats, read_folder
from ganbert.storage import folders


def export_model(folder: Path, output: Path, format: str = "onnx", *, int8: bool = False) -> Path:
    """Write a model folder for another backend, with everything that `Predictor.load` needs, and return its path.

    The folder holds what the backend writes (`model.onnx`), the tokenizer, and a `config.json` that names the backend.

    Args:
        folder: what `ganbert train` left.
        output: a folder that does not exist or is empty.
        format: name of the backend.
        int8: store the encoder's matrices as 8-bit integers, with a scale for each column, and multiply in integers.

    Raises:
        InputError: there is no such format, its libraries are missing, `folder` holds no model that ganbert has
            trained, or `output` cannot be written.
        RunError: the encoder cannot be translated.
    """
    if format not in export_formats():
        raise InputError(f"--format {format!r}: choose one of {', '.join(export_formats())}")
    entry = BACKENDS[format]
    assert entry.write is not None
    if int8 and not entry.int8:
        raise InputError(f"--int8: {format} has no 8-bit integers")
    require("train", "torch", "transformers", *entry.libraries_to_write)
    _check_output(output)
    if read_folder(folder)[0] != TRAINED:
        raise InputError("is exported already; give the folder that ganbert train left", path=folder)
    from ganbert.predict.torch_backend import load_model

    model, tokenizer = load_model(folder)
    config = {**model.train(False).config.to_dict(), format: export_facts(tokenizer, int8=int8)}
    with folders.claimed(output):
        _check_output(output)  # again, now that nobody else writes
        folders.remove(output, _of_killed_export(output))
        with tempfile.TemporaryDirectory(prefix=".export-", dir=output, ignore_cleanup_errors=True) as scratch:
            part = Path(scratch)
            entry.write(model, config, part)
            tokenizer.save_pretrained(part)
            content = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
            (part / "config.json").write_text(content, encoding="utf-8")
            names = {path.name for path in part.iterdir()}
            folders.seal(part, names)
            # First the list of all files, and last the config, without which the folder is no model.
            for name in (folders.MANIFEST, *sorted(names - {"config.json"}), "config.json"):
                (part / name).replace(output / name)
    return output


def _check_output(output: Path) -> None:
    """Refuse a folder with something in it, except what a killed export left there."""
    try:
        if output.exists() and {path.name for path in output.iterdir()} - _of_killed_export(output):
            raise InputError("is not empty; give a new folder", path=output)
    except OSError as error:
        raise InputError(f"cannot be used as a folder: {error.strerror}", path=output) from error


def _of_killed_export(output: Path) -> set[str]:
    """Return the names in a folder that an unfinished export left."""
    names = {path.name for path in output.iterdir()} - folders.leftovers(output)
    begun = names == {folders.MANIFEST} or folders.manifest(output) is not None
    is_model = {"config.json", *folders.WEIGHTS} & names
    return folders.written(output) if begun and not is_model else folders.leftovers(output)
