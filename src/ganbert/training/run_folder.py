"""The folder of a run: what may be written there, which run it holds, and where that run continues."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ganbert.errors import InputError, RunError
from ganbert.runtime import is_main_process
from ganbert.storage import folders
from ganbert.storage.disk import read_object, sync_folder, why_not_written, write_whole
from ganbert.storage.folders import RUN_FILE, TEACHER, is_finished, is_unfinished

if TYPE_CHECKING:  # this module is imported before anything that takes long
    from ganbert.data.corpus import Corpus
    from ganbert.training.recipe import Recipe
    from ganbert.training.report import TrainingResult

Train = TypeVar("Train", bound="Callable[..., TrainingResult]")


def check_output(output: Path, *, resume: bool, overwrite: bool, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse an output folder that cannot be written, or that holds something this run may not replace.

    Args:
        output: the folder; nothing is left in it.
        resume: go on with the run that it holds.
        overwrite: replace the model or run that it holds.
        inputs: tables, and the encoders, if they are folders; none may lie in the output folder.

    Raises:
        InputError: it is a file, or a folder with a finished model, an unfinished run, or something else; an input lies
            in it; another run is writing there; or nobody can.
    """
    if not is_main_process():  # which may have begun to write
        return
    try:
        for place in (output, *output.parents):
            if (place.exists() or place.is_symlink()) and not place.is_dir():
                raise InputError("is a file; --output names a folder", path=place)
        for path in map(Path, inputs):
            if path.exists() and _lies_within(path, output):
                raise InputError(f"is an input and lies in the output folder {output}: choose another", path=path)
        if (output / folders.LOCK).exists():  # before all else: what an unfinished run is told would mislead
            with folders.claimed(output):
                pass
        _check_content(output, resume=resume, overwrite=overwrite)
        with folders.claimed(output):  # can it be made and written?
            pass
    except OSError as error:
        raise InputError(f"cannot be used as a folder: {error.strerror or error}", path=output) from error


def in_claimed_folder(run: Train) -> Train:
    """Make a function that trains check its output folder first, and be the only writer there."""

    @functools.wraps(run)
    def checked(recipe: Recipe, corpus: Corpus, output: Path, **settings: Any) -> TrainingResult:
        resume, overwrite = bool(settings.get("resume")), bool(settings.get("overwrite"))
        encoders = [settings[name] for name in ("encoder", "teacher_encoder") if settings.get(name) is not None]
        inputs = [*corpus.files, *encoders]
        check_output(output, resume=resume, overwrite=overwrite, inputs=inputs)
        if not is_main_process():
            return run(recipe, corpus, output, **settings)
        with folders.claimed(output):
            _check_content(output, resume=resume, overwrite=overwrite)  # again, now that nobody else writes
            try:
                result = run(recipe, corpus, output, **settings)
            except Exception as error:
                if isinstance(error, (InputError, RunError)) or (reason := _not_written(error, output)) is None:
                    raise
                way_on = ". Make room, and the same command with --resume goes on" if is_unfinished(output) else ""
                raise RunError(f"{output}: cannot be written: {reason}{way_on}") from error
            if not is_finished(output):
                raise RunError(f"{output}: the model was removed while the run was going on")
            return result

    return cast(Train, checked)


def begin(output: Path, facts: dict[str, Any], *, resume: bool) -> Path | None:
    """Make the folder ready and return the checkpoint to go on from, if there is one; the main process goes first.

    Args:
        output: the folder, already checked.
        facts: what the run depends on; a resumed run must depend on the same.
        resume: go on from the last whole checkpoint.

    Raises:
        InputError: the run to resume was begun with other facts.
    """
    begun = read_object(output / RUN_FILE) if resume else None
    if begun is not None:
        different = sorted(name for name in facts if begun.get(name) != facts[name])
        if different:
            raise InputError(f"was begun with other {', '.join(different)}: give the same, or --overwrite", path=output)
        checkpoint = last_whole_checkpoint(output)
        if is_main_process():
            keep = {RUN_FILE, TEACHER, *_needed(checkpoint)}
            teacher = output / TEACHER
            if teacher.is_symlink() or not (is_finished(teacher) or is_unfinished(teacher)):
                keep.discard(TEACHER)
            folders.remove(output, folders.written(output) - keep)
        return checkpoint
    if is_main_process():
        output.mkdir(exist_ok=True)
        ours = folders.written(output)
        parts = {name for name in ours if name == TEACHER or _step(name) is not None}
        # In this order, so that a kill at any moment leaves a whole model, or a run that can be resumed: what belongs
        # to an older run is gone before this one's mark stands.
        folders.remove(output, parts)
        write_whole(output / RUN_FILE, json.dumps(facts, indent=2) + "\n")
        folders.remove(output, ours - parts - {RUN_FILE})
    return None


def keep_checkpoint(checkpoint: Path, best: str | None) -> None:
    """Mark a checkpoint as whole once it is on the disk; then remove the others, except the best one."""
    files = {path.name for path in checkpoint.iterdir() if path.is_file() and not path.is_symlink()}  # all are ours
    folders.seal(checkpoint, files - folders.leftovers(checkpoint) - {folders.MANIFEST}, checksums=False)
    sync_folder(checkpoint.parent)
    kept = {checkpoint.name, Path(best or "").name}
    folders.remove(checkpoint.parent, {other.name for other in checkpoints(checkpoint.parent)} - kept)


def finish(output: Path, tokenizer_files: Iterable[str] = ()) -> None:
    """Leave a model folder: first the list of its files, then no mark of an unfinished run, checkpoints or teacher.

    Args:
        output: the folder, with the finished model in it.
        tokenizer_files: names that this tokenizer gives its files.

    Raises:
        OSError: the model cannot be brought to the disk; the run is still an unfinished one.
    """
    parts = {TEACHER, *(path.name for path in checkpoints(output))}
    names = folders.written(output) | {name for name in tokenizer_files if (output / name).is_file()}
    folders.seal(
        output, {name for name in names - parts - {RUN_FILE, folders.MANIFEST, folders.LOCK} if name[0] != "."}
    )
    (output / RUN_FILE).unlink(missing_ok=True)  # from here on the model is finished
    folders.remove(output, parts & {path.name for path in output.iterdir()})


def facts(
    recipe: Recipe, corpus: Corpus, encoder: str, teacher_encoder: str | None, seed: int, precision: str
) -> dict[str, Any]:
    """Return what a run depends on; a resumed one must depend on the same."""
    return {
        "recipe": dataclasses.asdict(recipe),
        "encoder": encoder,
        "teacher_encoder": teacher_encoder,
        "seed": seed,
        "precision": precision,
        "data": fingerprint(corpus),
    }


def fingerprint(corpus: Corpus) -> str:
    """Return a hash of the training and validation rows, in their order, and of what the classes are called."""
    digest = hashlib.sha256(repr(corpus.label_names).encode())
    if corpus.class_names:
        digest.update(json.dumps(corpus.class_names, sort_keys=True).encode())
    for part in (corpus.train, corpus.validation):
        for table in () if part is None else part.with_format("arrow").iter(10_000):
            for batch in table.combine_chunks().to_batches():
                digest.update(batch.serialize())
    return digest.hexdigest()


def checkpoint_of(output: Path, step: int) -> Path:
    """Return the folder to which transformers writes the checkpoint of a step."""
    return output / f"checkpoint-{step}"


def checkpoints(output: Path) -> list[Path]:
    """Return the folders of checkpoints, the newest first."""
    found = [path for path in output.glob("checkpoint-*") if path.is_dir() and not path.is_symlink()]
    return sorted((path for path in found if _step(path.name) is not None), key=lambda path: -(_step(path.name) or 0))


def last_whole_checkpoint(output: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end, and whose best one, too, is still there."""
    for checkpoint in checkpoints(output):
        if folders.is_complete(checkpoint) and all(folders.is_complete(output / name) for name in _needed(checkpoint)):
            return checkpoint
    return None


def _check_content(output: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder whose content this run may not replace."""
    if not output.exists() or not {path.name for path in output.iterdir()} - folders.leftovers(output):
        return
    if is_unfinished(output):
        if not (resume or overwrite):
            raise InputError("holds an unfinished run: --resume continues it, --overwrite starts again", path=output)
    elif is_finished(output):
        if resume:
            raise InputError("this run is finished, there is nothing to resume", path=output)
        if not overwrite:
            raise InputError("holds a finished model: choose another folder, or --overwrite", path=output)
    else:
        raise InputError("holds something else: choose a new or empty folder", path=output)
    if others := folders.in_the_way(output):
        raise InputError(
            f"holds {', '.join(sorted(others))}, which ganbert did not write and would replace: move it away first",
            path=output,
        )


def _lies_within(path: Path, folder: Path) -> bool:
    """Whether a file or folder lies in another one, itself or what it is a link to."""
    return any(place.resolve().is_relative_to(folder.resolve()) for place in (path, path.parent))


def _not_written(error: Exception, output: Path) -> str | None:
    """Return in words why the folder could not be written, if that is where an error comes from."""
    if not output.exists():
        return "it was removed while the run was going on"
    if reason := why_not_written(error):
        return reason
    if isinstance(error, OSError) and isinstance(error.filename, str) and _lies_within(Path(error.filename), output):
        return str(error.strerror)
    return None


def _needed(checkpoint: Path | None) -> set[str]:
    """Return the name of a checkpoint, and of the one that was best then, which the end of the run goes back to."""
    if checkpoint is None:
        return set()
    best = (read_object(checkpoint / "trainer_state.json") or {}).get("best_model_checkpoint")
    return {checkpoint.name, Path(best).name} if isinstance(best, str) else {checkpoint.name}


def _step(name: str) -> int | None:
    found = re.fullmatch(r"checkpoint-([0-9]+)", name)
    return int(found[1]) if found else None
