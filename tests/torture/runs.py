"""Small training runs that kills and faults disturb, and what must be true of them at their end."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.torture.bases import BRIEF, STEPS, Bases, write_toy
from tests.torture.cases import Failure
from tests.torture.forks import Ended, ganbert
from tests.torture.injector import Injector, counting

STEPS_PER_CHECKPOINT = 2
USERS = "of the user\n"
OUTPUT = "modèle"
"""Not in ASCII, so that a console that shows nothing else is put to the test."""


@dataclass(frozen=True)
class Variant:
    """A kind of run.

    Attributes:
        recipe: "default", which trains a teacher first, or "bert", which is one run.
        validate: whether it measures on validation rows, which keeps the best checkpoint as well as the last.
        overwrite: whether the output folder holds a finished model before, with a file of the user's beside it.
    """

    recipe: str
    validate: bool
    overwrite: bool

    @classmethod
    def drawn(cls, rng: random.Random) -> Variant:
        """Return one of them."""
        return cls(rng.choice(["default", "bert"]), rng.random() < 0.3, rng.random() < 0.25)

    @property
    def name(self) -> str:
        """As a folder is called."""
        return "-".join([self.recipe, *["validate"] * self.validate, *["overwrite"] * self.overwrite])


@dataclass(frozen=True)
class Undisturbed:
    """What a run leaves that nothing disturbs: its weights, the names of its files, and how many file events it had."""

    weights: bytes
    files: frozenset[str]
    n_events: int


class Run:
    """One run in a folder of its own, which also holds its table, caches, temporary files and a file of the user's.

    Args:
        variant: what is run.
        folder: an empty one.
        bases: for the encoder.
    """

    def __init__(self, variant: Variant, folder: Path, bases: Bases) -> None:
        self.variant, self.folder, self.bases = variant, folder, bases
        self.output = folder / "out" / OUTPUT
        for name in ("out", "cache", "tmp"):
            (folder / name).mkdir()
        self.table = write_toy(folder / "toy.csv")
        (folder / "out" / "notes.txt").write_text(USERS)
        if variant.overwrite:
            ended = self.start("--seed", "5")
            if ended.status != 0:
                raise Failure("a base cannot be made", ended.said)
            (self.output / "notes.txt").write_text(USERS)

    def start(self, *more: str, disturb: Callable[[], object] = lambda: None, resume: bool = False) -> Ended:
        """Run the command; `disturb` is called in its process before."""

        def prepare() -> None:
            import tempfile

            import datasets

            from ganbert.training import fit

            tempfile.tempdir = str(self.folder / "tmp")
            datasets.config.HF_DATASETS_CACHE = self.folder / "cache"
            fit.STEPS_PER_CHECKPOINT = STEPS_PER_CHECKPOINT
            disturb()

        v = self.variant
        options = ["--recipe", v.recipe, "--max-steps", str(STEPS), *BRIEF]
        options += ["--validation-fraction", "0.25"] if v.validate else []
        options += ["--resume"] if resume else []
        return ganbert(
            "train", self.table, "--encoder", self.bases.encoder, "--output", self.output, *options, *more,
            prepare=prepare,
        )  # fmt: skip

    def begin(self, disturb: Callable[[], object]) -> Ended:
        """Start it for the first time."""
        return self.start(*["--overwrite"] * self.variant.overwrite, disturb=disturb)

    def finish(self, expected: Undisturbed) -> str:
        """Bring a run to its end that was stopped at some moment, as a person would, and check what it leaves.

        Raises:
            Failure: it cannot be brought to an end, ends in other weights, or lost a file that is not its own.
        """
        ended = self.start(resume=True)
        how = "resumed"
        if ended.status == 2 and "nothing to resume" in ended.err and self.weights() == expected.weights:
            self.check(expected, leftovers=True)
            if self.files() == expected.files:
                return "was at its end"
            how, ended = "was at its end", self.start("--overwrite")  # the next run takes away what was left
        elif ended.status == 2:  # nothing of this run was written yet, but a model from before may be there
            how, ended = "begun anew", self.start("--overwrite")
        if ended.status != 0:
            raise Failure("cannot be resumed", ended.said)
        self.check(expected)
        return how

    def check(self, expected: Undisturbed, *, leftovers: bool = False) -> None:
        """Raise `Failure` unless the folder is as after an undisturbed run, and the user's files are there.

        Args:
            expected: that run.
            leftovers: whether there may be more files than its own.
        """
        self.check_users_files()
        if self.weights() != expected.weights:
            raise Failure("silent difference: other weights after a resume")
        if missing := expected.files - self.files():
            raise Failure("files of the model are missing", sorted(missing))
        if not leftovers and (more := self.files() - expected.files):
            raise Failure("leftovers", sorted(more))

    def check_users_files(self) -> None:
        """Raise `Failure` if the table or a file of the user's is gone or changed."""
        kept = [self.folder / "out" / "notes.txt"] + [self.output / "notes.txt"] * self.variant.overwrite
        for path in kept:
            if not path.exists() or path.read_text() != USERS:
                raise Failure("file lost", path.relative_to(self.folder))
        if self.table.read_text() != write_toy(self.folder / "again.csv").read_text():
            raise Failure("file lost", self.table.name)

    def weights(self) -> bytes | None:
        """Return the bytes of the finished model's weights, None if there are none."""
        path = self.output / "model.safetensors"
        return path.read_bytes() if path.is_file() else None

    def files(self) -> frozenset[str]:
        """Return what there is beside and below the output, by name."""
        out = self.folder / "out"
        return frozenset(str(path.relative_to(out)) for path in out.rglob("*"))


def undisturbed(variant: Variant, bases: Bases) -> Undisturbed:
    """Return what this variant leaves, run once for all cases.

    Raises:
        Failure: an undisturbed run fails already, or loses a file of the user's.
    """

    def make(folder: Path) -> None:
        folder.mkdir()
        run = Run(variant, folder, bases)
        ended = run.begin(
            lambda: Injector(folder, counting(bases.root / f"{variant.name}.events"), 1, once=False).install()
        )
        if ended.status != 0:
            raise Failure("an undisturbed run fails", ended.said)

    folder = bases.once(f"run-{variant.name}", make)
    events = (bases.root / f"{variant.name}.events").read_text().count("\n")
    out = folder / "out"
    files = frozenset(str(path.relative_to(out)) for path in out.rglob("*"))
    return Undisturbed((out / OUTPUT / "model.safetensors").read_bytes(), files, events)
