"""The model card: what a model was made of and what it reached."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Mapping
from typing import Any

import torch
import transformers

from ganbert import __version__
from ganbert.metrics import Metrics
from ganbert.storage.disk import write_whole
from ganbert.training.result import TrainingResult
from ganbert.wording import markdown, printable

TEMPLATE = """\
---
library_name: transformers
pipeline_tag: text-classification
tags: [ganbert, semi-supervised]
---

# Text classifier trained with ganbert

{encoder} fine-tuned {method}.{fallback}

```python
import ganbert
from transformers import pipeline

pipeline("text-classification", {folder}, truncation=True)("a text")
```

Classes: {classes}.

## Data

| rows | number |
|---|---:|
{counts}

{slips}

## Figures

{figures}

## How it was made

{steps} optimiser steps in {seconds:.0f} s, seed {seed}, {precision}, on {machine}; ganbert {version}, torch {torch},
transformers {transformers}.

| recipe | value |
|---|---|
{recipe}

## Health of the run

{warnings}

`training_log.jsonl` holds the figures of the run, `losses.png` and `health.png` show them.
"""


def write_model_card(result: TrainingResult) -> None:
    """Write `README.md` into the model folder of a finished run."""
    method = "on labelled and unlabelled texts" if result.recipe.uses_unlabelled else "on labelled texts"
    if result.recipe.adversarial:
        method += " (GAN-BERT, Croce et al., ACL 2020)"
    text = TEMPLATE.format(
        encoder=markdown(result.encoder),
        method=method,
        fallback=f" {result.fallback}" if result.fallback else "",
        folder=json.dumps(printable(result.output.resolve().name), ensure_ascii=False),
        classes=", ".join(map(markdown, result.model.config.label_names)),
        counts=_table(result.counts | {"cut at the maximum length": result.n_cut}),
        slips="\n".join(f"- {markdown(slip)}" for slip in result.slips) or "Nothing in them looks like a slip.",
        figures=_figures(result.test),
        steps=result.steps,
        seconds=result.seconds,
        seed=result.seed,
        precision=result.precision,
        machine=f"{torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()}",
        version=__version__,
        torch=torch.__version__,
        transformers=transformers.__version__,
        recipe=_table(dataclasses.asdict(result.recipe)),
        warnings="\n".join(f"- {warning}" for warning in result.warnings) or "Nothing conspicuous.",
    )
    write_whole(result.output / "README.md", text)


def _figures(test: Metrics | None) -> str:
    if test is None:
        return "Not measured: no test file was given."
    return (
        f"On {test.n} test rows: accuracy {test.accuracy:.3f}, macro F1 {test.macro_f1:.3f}, calibration error (ECE) "
        f"{test.ece:.3f}. One run of one seed."
    )


def _table(values: Mapping[str, Any]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in values.items())
