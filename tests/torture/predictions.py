"""What a folder is good for: the predictions of a model or an export, the weights that an encoder is trained to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.bases import BRIEF, TEXTS, Bases, write_toy
from tests.torture.cases import Failure, or_refused
from tests.torture.forks import ganbert, refused_in_one_line

TARGETS = ("model", "export", "encoder")
_TOLERANCE = 1e-6


def folder_of(target: str, bases: Bases) -> Path:
    """Return the sound folder of a target."""
    return {"model": lambda: bases.model, "export": lambda: bases.export, "encoder": lambda: bases.encoder}[target]()


def compare(target: str, changed: Path, bases: Bases, workspace: Path) -> str:
    """Use a changed folder as the sound one is used: the same results, or a refusal in one line.

    Raises:
        Failure: other results, an exception, or a refusal of several lines.
    """
    if target == "encoder":
        return _compare_training(changed, bases, workspace)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = or_refused(lambda: predictions(changed))
        if found is None:
            return "refused"
        expected = predictions(folder_of(target, bases))
    if found["labels"] != expected["labels"]:
        raise Failure("silent difference: classes", f"{expected['labels']} became {found['labels']}")
    for name in ("probabilities", "novelty"):
        a, b = expected[name], found[name]
        if (a is None) != (b is None) or (a is not None and not np.allclose(a, b, rtol=0, atol=_TOLERANCE)):
            raise Failure(f"silent difference: {name}", f"{a}\nbecame\n{b}")
    return "equal"


def predictions(folder: Path) -> dict[str, Any]:
    """Open a model folder and predict `TEXTS`."""
    from ganbert.predict.predictor import Predictor

    made = Predictor.load(folder, device="cpu", precision="auto", threads=1).predict(TEXTS)
    return {"labels": list(made.label_names), "probabilities": made.probabilities, "novelty": made.novelty}


def _compare_training(encoder: Path, bases: Bases, workspace: Path) -> str:
    expected = bases.once("encoder-trained", _trained_by(bases.encoder)) / "model.safetensors"
    output = workspace / "trained"
    table = write_toy(workspace / "toy.csv")
    ended = ganbert("train", table, "--encoder", encoder, "--output", output, *_ONE_STEP)
    if ended.status == 0:
        if (output / "model.safetensors").read_bytes() != expected.read_bytes():
            raise Failure("silent difference: trained weights", ended.said)
        return "equal"
    if not refused_in_one_line(ended):
        raise Failure(failed_how(ended.err), ended.said)
    if output.exists() and ended.status == 2:
        raise Failure("written although refused", sorted(path.name for path in output.iterdir()))
    return "refused"


def failed_how(err: str) -> str:
    """Return the kind of failure of a command that neither worked nor refused in one line."""
    last = err.rstrip().rpartition("\n")[2]
    return f"traceback of {last.partition(':')[0][:60]}" if "Traceback" in err else "message of several lines"


_ONE_STEP = ("--recipe", "bert", "--max-steps", "1", *BRIEF)


def _trained_by(encoder: Path) -> Callable[[Path], None]:
    def train(folder: Path) -> None:
        table = write_toy(folder.parent / "encoder.csv")
        ended = ganbert("train", table, "--encoder", encoder, "--output", folder, *_ONE_STEP)
        if ended.status != 0:
            raise Failure("a base cannot be made", ended.said)

    return train
