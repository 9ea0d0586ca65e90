"""What a finished run leaves for its reader: `TrainingResult`, the model card (README.md), and the plots."""

from __future__ import annotations

import dataclasses
import io
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from matplotlib.figure import Figure
from transformers import PreTrainedTokenizerBase

from ganbert import __version__
from ganbert.data.class_names import ClassNames
from ganbert.metrics import SHOWN, Metrics
from ganbert.model.encoders import MINILM
from ganbert.model.losses import TERMS
from ganbert.model.modeling import GanBertForSequenceClassification
from ganbert.storage.disk import write_whole
from ganbert.training.recipe import Recipe
from ganbert.training.trainer import RATES
from ganbert.wording import markdown, printable

LONGEST_EXAMPLE = 200
"""Characters of a training text that the model card shows."""


@dataclass(frozen=True)
class TrainingResult:
    """A finished run.

    Attributes:
        output: the model folder.
        model, tokenizer: what it holds.
        recipe: what was trained, as it was trained.
        encoder, seed, precision: the other choices of the run.
        teacher_encoder: of the teacher, if it is another one.
        counts: numbers of labelled and unlabelled rows, classes, and so on.
        steps: optimiser steps.
        seconds: of the steps and the teacher's labelling in this call, without reading, loading and testing.
        n_cut: training rows longer than the maximum length.
        n_unknown: training rows that are mostly tokens the encoder does not know.
        tokens: that the steps of the whole run read, without padding.
        labelled_shown: how often a labelled row stood in a batch, on average.
        health: the last figures of the health watch.
        n_test_in_train: test rows whose text also stands in the training rows.
        test: figures on the test rows, measured once, after training.
        slips: what in the data is almost surely a slip.
        warnings: what the health watch had to say.
        fallback: why the recipe learned from labelled rows alone although it asks for more; None if it ran as asked.
        examples: a few training texts, which the model card shows.
        class_names: what the classes are called in words; empty if nothing said so.
    """

    output: Path
    model: GanBertForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    recipe: Recipe
    encoder: str
    seed: int
    precision: str
    counts: dict[str, int]
    steps: int
    seconds: float
    n_cut: int
    n_unknown: int
    tokens: int
    labelled_shown: float
    health: dict[str, float]
    n_test_in_train: int
    test: Metrics | None
    slips: tuple[str, ...]
    warnings: tuple[str, ...]
    fallback: str | None
    examples: tuple[str, ...] = ()
    class_names: ClassNames = field(default_factory=dict)
    teacher_encoder: str | None = None


TEMPLATE = """\
---
{{ card_data }}
---

# Text classifier trained with ganbert

{{ encoder }} fine-tuned on {{ "labelled and unlabelled" if recipe.uses_unlabelled else "labelled" }} texts
{%- if teacher_encoder %} with a teacher on {{ teacher_encoder }}{% endif %}
{%- if recipe.adversarial %} (GAN-BERT, Croce et al., ACL 2020){% endif %}.{% if fallback %} {{ fallback }}{% endif %}

```python
import ganbert
from transformers import pipeline

pipeline("text-classification", {{ folder }}, truncation=True)("a text")
```

Classes: {{ classes }}.

## Data

| rows | number |
|---|---:|
{% for name, number in counts.items() -%}
| {{ name }} | {{ number }} |
{% endfor %}
{% for slip in slips -%}
- {{ slip }}
{% else -%}
Nothing in them looks like a slip.
{% endfor %}
## Figures

{% if test -%}
On {{ test.n }} test rows: {{ test }}. One run of one seed.
{%- else -%}
Not measured: no test file was given.
{%- endif %}

## How it was made

{{ steps }} optimiser steps in {{ "%.0f" % seconds }} s, seed {{ seed }}, {{ precision }}, on {{ machine }};
{{ versions }}.

| recipe | value |
|---|---|
{% for name, value in fields.items() -%}
| {{ name }} | {{ value }} |
{% endfor %}
## Health of the run

{% for warning in warnings -%}
- {{ warning }}
{% else -%}
Nothing conspicuous.
{% endfor %}
`training_log.jsonl` holds the figures of the run, `losses.png` and `health.png` show them.
"""


def write_model_card(result: TrainingResult) -> None:
    """Write `README.md` into the model folder of a finished run; nothing that came from a table is markup in it."""
    card = ModelCard.from_template(
        _card_data(result),
        template_str=TEMPLATE,
        encoder=markdown(result.encoder),
        teacher_encoder=None if result.teacher_encoder is None else markdown(result.teacher_encoder),
        recipe=result.recipe,
        fallback=result.fallback,
        folder=json.dumps(printable(result.output.resolve().name), ensure_ascii=False),
        classes=", ".join(_classes(result)),
        counts=result.counts | {"cut at the maximum length": result.n_cut},
        slips=list(map(markdown, result.slips)),
        test=result.test,
        steps=result.steps,
        seconds=result.seconds,
        seed=result.seed,
        precision=result.precision,
        machine=torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        versions=f"ganbert {__version__}, torch {torch.__version__}, transformers {transformers.__version__}",
        fields=dataclasses.asdict(result.recipe),
        warnings=result.warnings,
    )
    write_whole(result.output / "README.md", f"{card}\n")


def _classes(result: TrainingResult) -> Iterator[str]:
    """Yield each class as Markdown, with the texts that say what it is called, if they say more."""
    for label in result.model.config.label_names:
        called = [markdown(text) for text in result.class_names.get(label, ()) if text != label]
        yield markdown(label) + (f" ({' / '.join(called)})" if called else "")


def _card_data(result: TrainingResult) -> ModelCardData:
    """Return what the Hub reads of a model: what it was made from, figures, texts to try it on."""
    figures = {} if result.test is None else {metric.name: metric.hub_name or metric.name for metric in SHOWN}
    return ModelCardData(
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["ganbert", "semi-supervised"],
        base_model=_hub_name(result.encoder),
        metrics=list(figures.values()) or None,
        model_name=printable(result.output.resolve().name) if figures else None,
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type="test",
                dataset_name="test rows",
                metric_type=kind,
                metric_name=name,
                metric_value=round(getattr(result.test, name), 4),
            )
            for name, kind in figures.items()
        ]
        or None,
        widget=[{"text": printable(text[:LONGEST_EXAMPLE])} for text in result.examples] or None,
    )


def _hub_name(encoder: str) -> str | None:
    """Return an encoder's name on the Hub; None for a folder."""
    if encoder == "minilm":
        return MINILM
    return None if Path(encoder).exists() else encoder


# Okabe and Ito's colours, told apart by all readers; line styles tell them apart in print.
STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", ":"), ("#CC79A7", "-."), ("#56B4E9", "-"), ("#E69F00", "--"))

PANELS: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "losses.png": {
        "Discriminator and encoder": ("loss", {term.name: term.label for term in TERMS if term.moves == "D"}),
        "Generator": ("loss", {term.name: term.label for term in TERMS if term.moves == "G"}),
        "Validation": ("share", {f"eval_{metric.name}": metric.label for metric in SHOWN if metric.higher_is_better}),
    },
    "health.png": {
        "Taken for invented, p(k+1)": (
            "probability",
            {"p_fake_real": "real texts", "p_fake_generated": "invented vectors"},
        ),
        "Distance of real and invented features": ("distance", {"feature_distance": "feature distance"}),
        "Predictions": (
            "share",
            {"prediction_entropy": "entropy (1 = undecided)", "largest_class_share": "largest class"},
        ),
        "Gradient norms before clipping": (
            "norm",
            {f"grad_norm_{name}": name.replace("_", " ") for name in RATES},
        ),
    },
}
"""File to panels; panel title to axis label and the log's figures in it, with their labels."""


def plot_training(log_history: Sequence[dict[str, Any]], folder: Path) -> None:
    """Draw what a training log holds: `losses.png` and `health.png` in `folder`."""
    for file, panels in PANELS.items():
        drawn = {title: (axis, dict(_series(log_history, figures))) for title, (axis, figures) in panels.items()}
        drawn = {title: panel for title, panel in drawn.items() if panel[1]}
        if drawn:
            _draw(drawn, folder / file)


def _series(
    log_history: Sequence[dict[str, Any]], figures: dict[str, str]
) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Yield the label of each figure that was logged, with its (step, value) points."""
    for name, label in figures.items():
        if points := [(record["step"], record[name]) for record in log_history if name in record]:
            yield label, points


def _draw(panels: dict[str, tuple[str, dict[str, list[tuple[int, float]]]]], path: Path) -> None:
    columns = len(panels) if len(panels) <= 3 else 2
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(5 * columns, 3.2 * lines), layout="constrained")
    for axes, (title, (axis, series)) in zip(
        figure.subplots(lines, columns, squeeze=False).flat, panels.items(), strict=False
    ):
        for (label, points), (colour, line) in zip(series.items(), cycle(STYLES), strict=False):
            marker = "o" if len(points) < 3 else ""
            axes.plot(*zip(*points, strict=True), line, color=colour, label=label, marker=marker)
        axes.set(title=title, xlabel="step", ylabel=axis)
        if axis in ("share", "probability"):
            axes.set_ylim(-0.03, 1.03)
        elif axis == "norm":
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize="small")
    for axes in figure.axes[len(panels) :]:
        axes.remove()
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format=path.suffix[1:])
    write_whole(path, picture.getvalue())
