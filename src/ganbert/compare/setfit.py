"""SetFit as its library has it, on the labelled rows of a split."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from datasets import Dataset

from ganbert.compare.setting import Outcome, Setting
from ganbert.compare.splits import Split
from ganbert.errors import InputError
from ganbert.model.encoders import resolve_encoder
from ganbert.storage.folders import scratch

STEPS = 500
"""At most."""
BATCH = 16
"""The library's default."""


def setfit(split: Split, setting: Setting) -> Outcome:
    """Fine-tune with SetFit (Tunstall et al. 2022) and its defaults, for one epoch of its pairs, at most 500 steps.

    Raises:
        InputError: the rows are pairs of texts, which it does not take.
    """
    from setfit import SetFitModel, Trainer, TrainingArguments
    from setfit import __version__ as setfit_version

    if "text_pair" in split.test.column_names:
        raise InputError("SetFit does not take pairs of texts")
    labelled = split.corpus.train.select(split.corpus.labelled)
    began = time.perf_counter()
    model = SetFitModel.from_pretrained(resolve_encoder(setting.encoder), device=setting.compute.device)
    model.model_body.max_seq_length = setting.max_length
    with scratch() as folder:
        arguments = TrainingArguments(
            output_dir=folder, batch_size=BATCH, max_steps=min(STEPS, _steps_of_epoch(labelled["label"][:])),
            seed=setting.seed, report_to="none", save_strategy="no", show_progress_bar=False,
        )  # fmt: skip
        trainer = Trainer(
            model, arguments, train_dataset=Dataset.from_dict({"text": labelled["text"], "label": labelled["label"]})
        )
        # In the precision of all others. Around many steps autocast's cache would give each the first step's weights.
        with torch.autocast(
            setting.compute.device, torch.bfloat16, enabled=setting.compute.bfloat16, cache_enabled=False
        ):
            trainer.train()
    seconds = time.perf_counter() - began
    steps = int(trainer.st_trainer.state.global_step)
    return Outcome(
        np.asarray(model.predict_proba(split.test["text"][:], as_numpy=True)),
        seconds,
        steps,
        labelled_shown=steps * BATCH * 2 / len(labelled),
        recipe={"library": f"setfit {setfit_version}", "batch_size": BATCH},
    )


def _steps_of_epoch(labels: list[int]) -> int:
    """Return the batches of all pairs, where there are as many of unlike labels as of like ones: the rarer repeat."""
    n = len(labels)
    of_class = np.bincount(labels)
    like = int((of_class * (of_class + 1) // 2).sum())
    return math.ceil(2 * max(like, n * (n + 1) // 2 - like) / BATCH)
