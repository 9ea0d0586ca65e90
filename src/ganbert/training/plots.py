"""The course of a run as pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ganbert.storage.disk import write_whole

# Okabe and Ito's colours, told apart by all readers; line styles tell them apart in print.
STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", ":"), ("#CC79A7", "-."))

PANELS: dict[str, dict[str, tuple[str, str]]] = {
    "losses.png": {
        "Discriminator and encoder": (
            "loss",
            "loss_d_supervised loss_d_unsupervised loss_contrastive loss_distillation",
        ),
        "Generator": ("loss", "loss_g_unsupervised loss_g_feature_matching"),
        "Validation": ("share", "eval_accuracy eval_macro_f1"),
    },
    "health.png": {
        "Taken for invented, p(k+1)": ("probability", "p_fake_real p_fake_generated"),
        "Distance of real and invented features": ("distance", "feature_distance"),
        "Predictions": ("share", "prediction_entropy largest_class_share"),
        "Gradient norms before clipping": ("norm", "grad_norm_encoder grad_norm_discriminator grad_norm_generator"),
    },
}
"""File to panels; panel title to axis label and the log's figures in it."""

NAMES = {
    "loss_d_supervised": "supervised",
    "loss_d_unsupervised": "real or invented",
    "loss_contrastive": "contrast of labelled texts",
    "loss_distillation": "what the teacher says",
    "loss_g_unsupervised": "fooling D",
    "loss_g_feature_matching": "feature matching",
    "eval_accuracy": "accuracy",
    "eval_macro_f1": "macro F1",
    "p_fake_real": "real texts",
    "p_fake_generated": "invented vectors",
    "feature_distance": "feature distance",
    "prediction_entropy": "entropy (1 = undecided)",
    "largest_class_share": "largest class",
    "grad_norm_encoder": "encoder",
    "grad_norm_discriminator": "discriminator",
    "grad_norm_generator": "generator",
}


def plot_training(log_history: Sequence[dict[str, Any]], folder: Path) -> None:
    """Draw what a training log holds: `losses.png` and `health.png` in `folder`."""
    for file, panels in PANELS.items():
        drawn = {title: (label, _series(log_history, names.split())) for title, (label, names) in panels.items()}
        drawn = {title: panel for title, panel in drawn.items() if panel[1]}
        if drawn:
            _draw(drawn, folder / file)


def _series(log_history: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    points = {name: [(record["step"], record[name]) for record in log_history if name in record] for name in names}
    return {name: series for name, series in points.items() if series}


def _draw(panels: dict[str, tuple[str, dict[str, list[tuple[int, float]]]]], path: Path) -> None:
    columns = len(panels) if len(panels) <= 3 else 2
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(5 * columns, 3.2 * lines), layout="constrained")
    for axes, (title, (label, series)) in zip(
        figure.subplots(lines, columns, squeeze=False).flat, panels.items(), strict=False
    ):
        for (name, points), (colour, line) in zip(series.items(), STYLES, strict=False):
            axes.plot(
                *zip(*points, strict=True), line, color=colour, label=NAMES[name], marker="o" if len(points) < 3 else ""
            )
        axes.set(title=title, xlabel="step", ylabel=label)
        if label in ("share", "probability"):
            axes.set_ylim(-0.03, 1.03)
        elif label == "norm":
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
