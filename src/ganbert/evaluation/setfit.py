"""SetFit as its library has it, on the labelled rows of a split."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping

import numpy as np
from datasets import Dataset

from ganbert.encoders import resolve_encoder
from ganbert.errors import InputError
from ganbert.evaluation.setting import Outcome, Setting, refuse_settings
from ganbert.evaluation.splits import Split

STEPS = 500
BATCH = 16
"""The library's default."""


def setfit(split: Split, setting: Setting, settings: Mapping[str, str]) -> Outcome:
    """Fine-tune with SetFit (Tunstall et al. 2022) and its defaults, for one epoch of its pairs or 500 steps.

    Raises:
        InputError: the library is not installed, or the rows are pairs of texts, which it does not take.
    """
    refuse_settings(settings)
    try:
        from setfit import SetFitModel, Trainer, TrainingArguments
    except ImportError as error:
        raise InputError("setfit is not installed: pip install 'ganbert[compare]'") from error
    if "text_pair" in split.test.column_names:
        raise InputError("SetFit does not take pairs of texts")
    labelled = split.corpus.train.select(split.corpus.labelled)
    began = time.perf_counter()
    model = SetFitModel.from_pretrained(resolve_encoder(setting.encoder), device=setting.compute.device)
    model.model_body.max_seq_length = setting.max_length
    with tempfile.TemporaryDirectory(prefix="ganbert-", ignore_cleanup_errors=True) as folder:
        arguments = TrainingArguments(
            output_dir=folder, batch_size=BATCH, max_steps=STEPS, seed=setting.seed, report_to="none",
            save_strategy="no", show_progress_bar=False,
        )  # fmt: skip
        trainer = Trainer(
            model, arguments, train_dataset=Dataset.from_dict({"text": labelled["text"], "label": labelled["label"]})
        )
        trainer.train()
    seconds = time.perf_counter() - began
    steps = int(trainer.st_trainer.state.global_step)
    return Outcome(
        np.asarray(model.predict_proba(split.test["text"][:], as_numpy=True)),
        seconds,
        steps,
        labelled_shown=steps * BATCH * 2 / len(labelled),
        recipe={"library": "setfit", "max_steps": STEPS, "batch_size": BATCH},
    )
