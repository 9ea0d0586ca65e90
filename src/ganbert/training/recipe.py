"""A recipe: every choice of a training run in one frozen value, stored with the model and beside its figures."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, get_type_hints

from ganbert.model.config import FeatureMatching, GanBertConfig, Noise, Pooling, RealTerm, require_choice
from ganbert.model.losses import LossWeights

Replication = Literal["ln", "log2", "none"]

MOST_STEPS = 10**9
"""Of one run: far beyond what anyone waits for, and within what all libraries count with."""

_RANGES: dict[str, tuple[float, float]] = {
    "noise_size": (0, 2**16),
    "batch_size": (0, 2**20),
    "max_length": (2, 2**20),  # at least one token between the two that encoders put around a text
    "epochs": (0, 10**6),
    "max_steps": (0, MOST_STEPS),
    "teacher_steps": (0, MOST_STEPS),
    "max_grad_norm": (0, 1e30),
    "adam_epsilon": (0, 1.0),
}
"""Fields with what they must be above and the most that can be meant: beyond it memory or a library's integers end."""

_WEIGHTS = (
    "encoder_lr",
    "discriminator_lr",
    "generator_lr",
    "weight_decay",
    "teacher_weight",
    "name_rows_weight",
    "looks_needed",
    *(weight.name for weight in fields(LossWeights)),
)
"""Fields that are 0 or above."""


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Recipe(LossWeights):
    """Every choice of a training run; the defaults are the paper's (Croce et al. 2020, sections 3 and 4).

    For example:

        PAPER                                        # the paper to the letter
        replace(PAPER, noise="uniform")              # dataclasses.replace: one choice changed
        DEFAULT.plain()                              # the same without the adversary: the fair baseline
    """

    # Weights of losses come first, from LossWeights. The model (meanings: GanBertConfig)
    adversarial: bool = _option(True, "play the adversarial game; without it labelled rows alone are trained on")
    pooling: Pooling | Literal["auto"] = _option("cls", "text vector: auto, cls, pooler, mean or last (paper: cls)")
    noise_size: int = _option(100, "width of the generator's input (paper: 100)")
    noise: Noise = _option("normal", "generator's input: normal (paper) or uniform (authors' code)")
    dropout: float = _option(0.1, "after the hidden layers of D and G (paper: 0.1)")
    input_dropout: float = _option(0.0, "on D's input (paper: 0, authors' code: 0.1)")
    feature_dropout: bool = _option(False, "take f(x) after D's dropout (authors' code)")
    real_term: RealTerm = _option("taken_for_fake", "rows of E_real: taken_for_fake (paper), unlabelled or all (code)")
    feature_matching: FeatureMatching = _option("sum", "over the dimensions: sum (paper) or mean (authors' code)")
    joint: bool = _option(False, "study variant: all parameters descend L_D + L_G, as in the PyTorch port")
    detached_game: bool = _option(False, "the game moves G and D's fake class alone, so it costs no accuracy")

    # Beyond the paper
    teacher_share: float = _option(0.0, "share of the steps that go to a teacher of labelled rows alone; 0: none")
    teacher_steps: int | None = _option(
        None, "steps of the teacher, beside all those of the student, instead of a share"
    )
    teacher_weight: float = _option(1.0, "weight of what the teacher says of unlabelled rows")
    cluster_weight: float = _option(0.0, "how much of that comes from clusters around labelled texts and class names")
    warm_start: bool = _option(False, "go on from the teacher's weights, where it stands on the same encoder")

    name_rows_weight: float = _option(
        0.0, "weight of class names as labelled rows, which fades with the labels of the class; 0: none"
    )

    # What a batch holds
    max_length: int = _option(64, "tokens kept of a text (paper: 64, 128 or 256 by task)")
    batch_size: int = _option(64, "rows a batch (the authors' code: 64)")
    unlabelled_per_labelled: float | None = _option(100.0, "use at most this many unlabelled rows per labelled row")
    replication: Replication = _option(
        "ln", "copies of labelled rows: ln(|U|/|L|) (paper), log2(|all|/|L|) (code), none"
    )
    labelled_share: float | None = _option(None, "share of every batch given to labelled rows, instead of replication")

    looks_needed: float = _option(0.0, "learn from labelled rows alone where the steps show each fewer times than this")

    # How long, and how fast
    epochs: float = _option(3.0, "passes over the rows of a GAN-BERT run; they set the number of steps (paper: 3)")
    max_steps: int | None = _option(None, "number of optimiser steps, instead of epochs")
    encoder_lr: float = _option(2e-5, "peak learning rate of the encoder (paper: 2e-5; 20N 5e-6)")
    discriminator_lr: float = _option(2e-5, "peak learning rate of the discriminator (paper: 2e-5)")
    generator_lr: float = _option(2e-5, "peak learning rate of the generator (paper: 2e-5)")
    warmup: float = _option(0.1, "share of the steps in which learning rates rise; then they fall linearly to 0")
    weight_decay: float = _option(0.01, "AdamW weight decay, off biases and norms")
    adam_epsilon: float = _option(1e-8, "AdamW epsilon (authors' code: 1e-6)")
    max_grad_norm: float = _option(1.0, "each network's gradient is clipped at this norm")

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with; `ValueError` names the field."""
        if self.pooling != "auto":
            require_choice("pooling", self.pooling, Pooling)
        require_choice("noise", self.noise, Noise)
        require_choice("real_term", self.real_term, RealTerm)
        require_choice("feature_matching", self.feature_matching, FeatureMatching)
        require_choice("replication", self.replication, Replication)
        for name, (low, most) in _RANGES.items():
            value = getattr(self, name)
            _require(name, value, value is None or low < value <= most, f"above {low} and at most {most:,}")
        for name in _WEIGHTS:
            _require(name, getattr(self, name), 0 <= getattr(self, name) < math.inf, "0 or above and finite")
        for name in ("dropout", "input_dropout", "teacher_share"):
            _require(name, getattr(self, name), 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        _require("cluster_weight", self.cluster_weight, 0 <= self.cluster_weight <= 1, "between 0 and 1")
        _require("warmup", self.warmup, 0 <= self.warmup <= 1, "between 0 and 1")
        share, cap = self.labelled_share, self.unlabelled_per_labelled
        _require("labelled_share", share, share is None or 0 < share <= 1, "above 0 and at most 1")
        _require("unlabelled_per_labelled", cap, cap is None or 0 <= cap <= 1e12, "0 or above, at most 1e12")
        _require("detached_game", self.detached_game, not (self.detached_game and self.joint), "false with joint")
        _require("batch_size", self.batch_size, share is None or self.batch_size > 1, "above 1 with labelled_share")

    def plain(self) -> Self:
        """Return the same recipe on labelled rows only, without adversary or teacher, for as many steps."""
        return dataclasses.replace(
            self,
            adversarial=False,
            detached_game=False,
            teacher_share=0.0,
            teacher_steps=None,
            cluster_weight=0.0,
            warm_start=False,
        )

    @property
    def has_teacher(self) -> bool:
        """Whether a teacher says what unlabelled rows are."""
        return self.teacher_share > 0 or self.teacher_steps is not None

    @property
    def uses_unlabelled(self) -> bool:
        """Whether the run learns from rows without a label."""
        return self.adversarial or self.has_teacher

    def n_unlabelled_used(self, n_labelled: int, n_unlabelled: int) -> int:
        """Return how many of `n_unlabelled` rows the run draws on (paper: |U| = 100 |L| when there is that much).

        Without a labelled row there is nothing to limit them by: it draws on all.
        """
        if self.unlabelled_per_labelled is None or (n_labelled == 0 and self.unlabelled_per_labelled > 0):
            return n_unlabelled
        return min(n_unlabelled, round(self.unlabelled_per_labelled * n_labelled))

    def copies_of_labelled(self, n_labelled: int, n_unlabelled: int) -> int:
        """Return how often each labelled row stands in one pass (section 4: "a factor log(|U|/|L|)")."""
        if self.replication == "none" or n_unlabelled == 0 or n_labelled == 0:
            return 1
        if self.replication == "ln":
            return max(1, round(math.log(n_unlabelled / n_labelled)))
        return max(1, int(math.log2((n_unlabelled + n_labelled) / n_labelled)))

    def labelled_rows_per_batch(self) -> int:
        """Return how many rows of each batch are labelled, under `labelled_share`."""
        share = 1.0 if self.labelled_share is None else self.labelled_share
        return min(max(1, round(share * self.batch_size)), self.batch_size)

    def n_steps(self, n_labelled: int, n_unlabelled: int) -> int:
        """Return the number of optimiser steps on this data.

        It counts all rows, whether or not the run uses the unlabelled ones, so that a recipe and its `plain()`
        counterpart take equally many steps: the paper's baseline took 5 where GAN-BERT took 276.
        """
        if self.max_steps is not None:
            return self.max_steps
        used = self.n_unlabelled_used(n_labelled, n_unlabelled)
        if self.labelled_share is not None and used and self.labelled_rows_per_batch() < self.batch_size:
            rows, per_batch = used, self.batch_size - self.labelled_rows_per_batch()
        else:
            rows, per_batch = n_labelled * self.copies_of_labelled(n_labelled, used) + used, self.batch_size
        steps = max(1, math.ceil(self.epochs * rows / per_batch))
        _require("epochs", self.epochs, steps <= MOST_STEPS, f"few enough for {MOST_STEPS:,} steps on {rows:,} rows")
        return steps

    def looks(self, n_labelled: int, n_unlabelled: int) -> float:
        """Return how often `plain()` shows each labelled row in its steps; infinity where there is none."""
        if n_labelled == 0:
            return math.inf
        return self.n_steps(n_labelled, n_unlabelled) * min(self.batch_size, n_labelled) / n_labelled

    def shared_out(self, steps: int, n_labelled: int) -> tuple[int, int]:
        """Return how many steps the teacher takes, and how many the student, where `n_steps` is `steps`."""
        if self.has_teacher and n_labelled == 0:
            return 1, max(1, steps - 1)  # nothing to learn: in one step of a rising rate the encoder stays as it came
        if self.teacher_steps is not None:
            return self.teacher_steps, steps
        of_teacher = min(max(1, round(self.teacher_share * steps)), steps - 1) if self.teacher_share else 0
        return of_teacher, steps - of_teacher

    def config_fields(self) -> dict[str, Any]:
        """Return the fields that describe the model, as `GanBertConfig` takes them."""
        names = set(GanBertConfig(num_labels=2).to_dict())
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name in names}

    def changes_from(self, other: Recipe) -> dict[str, Any]:
        """Return the fields in which this recipe differs from `other`."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)}

    def with_settings(self, settings: dict[str, str]) -> Self:
        """Return this recipe with fields set from text, as in `--set noise=uniform`; `ValueError` if they cannot be."""
        known = {f.name for f in fields(self)}
        for name in settings:
            if name not in known:
                raise ValueError(f"{name!r} is no field of a recipe: choose one of {', '.join(sorted(known))}")
        return dataclasses.replace(self, **{name: _parse(name, text) for name, text in settings.items()})


def _require(name: str, value: object, holds: bool, condition: str) -> None:
    if not holds:
        raise ValueError(f"{name}={value!r}: must be {condition}")


def _parse(name: str, text: str) -> Any:
    try:
        value = json.loads(text.lower()) if text.lower() in {"true", "false", "none", "null"} else json.loads(text)
    except (ValueError, RecursionError):  # no JSON; RecursionError is thousands of brackets
        value = None if text.lower() == "none" else text
    kind = get_type_hints(Recipe)[name]
    kinds = getattr(kind, "__args__", (kind,))
    if isinstance(value, int) and not isinstance(value, bool) and float in kinds:
        return float(value) if abs(value) < 2**1000 else math.inf  # which no field takes
    is_text = any(kind not in (bool, int, float, type(None)) for kind in kinds)
    if value is None and is_text:  # replication=none
        value = text.lower()
    if type(value) in kinds or (is_text and isinstance(value, str)):
        return value
    raise ValueError(
        f"{name}={text!r}: not a value of this field ({Recipe.__dataclass_fields__[name].metadata['help']})"
    )


PAPER = Recipe()
"""The paper to the letter."""

CODE = Recipe(
    pooling="pooler",
    noise="uniform",
    input_dropout=0.1,
    feature_dropout=True,
    real_term="all",
    feature_matching="mean",
    unlabelled_per_labelled=None,
    replication="log2",
    adam_epsilon=1e-6,
)
"""The authors' TensorFlow code, without what is plainly a slip in it (an extra class for "no label", a schedule that
ends before training does)."""

BERT = PAPER.plain()
"""The paper's encoder and settings without the adversary, for as many steps as GAN-BERT takes."""

DEFAULT = Recipe(
    pooling="auto",
    real_term="all",
    detached_game=True,
    contrastive_weight=1.0,
    teacher_share=0.5,
    cluster_weight=0.5,
    warm_start=True,
    name_rows_weight=1.0,
    max_length=128,
    labelled_share=0.5,
    looks_needed=10.0,
    encoder_lr=5e-5,
    discriminator_lr=1e-3,
    generator_lr=1e-3,
)
"""What measured best so far, on development rows of several tasks, with a small encoder
(docs/results/experiments.md)."""

BERT_TUNED = dataclasses.replace(DEFAULT.plain(), contrastive_weight=0.0)
"""A plain fine-tune with the learning rates and the pooling that measured best for it: what the default must beat."""

OF_UNLABELLED_ROWS = frozenset(
    {
        "noise", "noise_size", "feature_dropout", "real_term", "feature_matching", "joint", "detached_game",
        "generator_lr", "unlabelled_per_labelled", "replication", "labelled_share", "looks_needed",
        "teacher_share", "teacher_steps", "teacher_weight", "cluster_weight", "warm_start",
        *(weight.name for weight in fields(LossWeights) if weight.metadata["of_unlabelled"]),
    }
)  # fmt: skip
"""Fields that a run on labelled rows alone, with its number of steps given, does not read."""

RECIPES = {"default": DEFAULT, "paper": PAPER, "code": CODE, "bert": BERT, "bert-tuned": BERT_TUNED}
"""The named recipes of `--recipe`."""
