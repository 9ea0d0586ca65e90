"""The folder of a run: what may be written where, what was begun there, and where to take it up again."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from ganbert.data.corpus import Corpus
from ganbert.distributed import is_main_process
from ganbert.errors import InputError

RUN_FILE = "run.json"
"""Stands in the folder of an unfinished run and says what it was begun with."""
TEACHER = "teacher"
"""The folder of the teacher's run within that of the student's."""


def check_output(output: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse an output folder that holds something this run may not replace; writes nothing.

    Raises:
        InputError: it is a file, or a folder with a finished model, an unfinished run, or something else.
    """
    if not is_main_process():  # which may have begun to write
        return
    for place in (output, *output.parents):
        if place.exists() and not place.is_dir():
            raise InputError("is a file; --output names a folder", path=place)
    if not output.exists() or not any(output.iterdir()):
        return
    if is_unfinished(output):
        if not (resume or overwrite):
            raise InputError("holds an unfinished run: --resume takes it up, --overwrite begins anew", path=output)
    elif is_finished(output):
        if resume:
            raise InputError("this run is finished, there is nothing to resume", path=output)
        if not overwrite:
            raise InputError("holds a finished model: choose another folder, or --overwrite", path=output)
    else:
        raise InputError("holds something else: choose a new or empty folder", path=output)


def begin(output: Path, facts: dict[str, Any], *, resume: bool) -> Path | None:
    """Make the folder ready and return the checkpoint to go on from, if there is one; the main process goes first.

    Args:
        output: the folder, already checked.
        facts: what the run depends on; a resumed run must depend on the same.
        resume: go on from the last whole checkpoint.

    Raises:
        InputError: the run to resume was begun with other facts.
    """
    run_file = output / RUN_FILE
    if resume and run_file.exists():
        begun = json.loads(run_file.read_text(encoding="utf-8"))
        different = sorted(name for name in facts if begun.get(name) != facts[name])
        if different:
            raise InputError(f"was begun with other {', '.join(different)}: give the same, or --overwrite", path=output)
        return _last_whole_checkpoint(output)
    if not is_main_process():
        return None
    if output.exists():
        shutil.rmtree(output)
    output.mkdir(parents=True)
    run_file.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return None


def finish(output: Path) -> None:
    """Leave a model folder: no checkpoints, no teacher, no mark of an unfinished run."""
    for checkpoint in output.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    shutil.rmtree(output / TEACHER, ignore_errors=True)
    (output / RUN_FILE).unlink(missing_ok=True)


def fingerprint(corpus: Corpus) -> str:
    """Return a hash of the training and validation rows, in their order."""
    digest = hashlib.sha256(repr(corpus.label_names).encode())
    for part in (corpus.train, corpus.validation):
        for table in () if part is None else part.with_format("arrow").iter(10_000):
            for batch in table.combine_chunks().to_batches():
                digest.update(batch.serialize())
    return digest.hexdigest()


def is_unfinished(output: Path) -> bool:
    """Whether the folder holds a run that has not come to its end."""
    return (output / RUN_FILE).exists()


def is_finished(output: Path) -> bool:
    """Whether the folder holds the model of a finished run."""
    try:
        config = json.loads((output / "config.json").read_text(encoding="utf-8"))
        return not is_unfinished(output) and bool(config["model_type"] == "ganbert")
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _last_whole_checkpoint(output: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end, and remove what was cut off in the middle."""
    for checkpoint in sorted(output.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1])):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))  # the Trainer writes it last
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
        else:
            return checkpoint
    return None
