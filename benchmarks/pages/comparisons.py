"""Tables of comparisons on the test sets, of the ablation, and of everything that each file of rows shows."""

from __future__ import annotations

import functools
from collections import Counter

import pandas as pd

from benchmarks.across_tasks import CELL, by_cell, over_cells
from benchmarks.across_tasks import read as read_methods
from benchmarks.rows import RESULTS, comparison, mean, read, runs, table
from ganbert.compare.statistics import Summary, summarise

RATES = "encoder_lr=1e-4+discriminator_lr=1e-4"
GAN_RATES = f"gan-bert:{RATES}+generator_lr=1e-4"
WITHOUT = "default:adversarial=false"
HEADS = "encoder_lr=1e-4+discriminator_lr=1e-3"

FINAL = [*sorted(RESULTS.glob("final/*.jsonl.gz")), RESULTS / "curves" / "qc.jsonl.gz"]
"""Rows of the default on the test sets; those of SetFit on QC stand with the other curves of QC."""

Cells = dict[tuple[str, str, str], Summary]
"""By task, budget and method."""


@functools.cache
def summaries(name: str, against: str | None = None) -> Cells:
    """Return what the rows of a comparison show, measured against a method."""
    return {(s.task, s.budget, s.method): s for s in summarise(comparison(name), against)}


def gain(summary: Summary | None) -> str:
    """Return a difference with its interval, in bold where the interval leaves zero out."""
    if summary is None or summary.gain is None:
        return ""
    estimate = summary.gain
    shown = estimate.low is not None and estimate.high is not None and not estimate.low <= 0 <= estimate.high
    return f"**{estimate.percent('+')}**" if shown else estimate.percent("+")


def paper() -> str:
    """The paper's claim: GAN-BERT beside the fine-tune of equal epochs and that of equal steps."""
    lines = []
    for name in ("curves/qc", "curves/sst5", "curves/mnli"):
        cells = summaries(name)
        places = {(s.task, s.n_labelled, s.budget) for s in cells.values()}
        for task, n_labelled, budget in sorted(places, key=lambda place: (place[0], place[1])):
            means = {
                method: f"{100 * cells[task, budget, method].figures[cells[task, budget, method].metric].mean:.1f}"
                if (task, budget, method) in cells
                else ""
                for method in ("bert-epochs", "bert", "gan-bert", "embed", "setfit")
            }
            gains = [gain(summaries(name, against)[task, budget, "gan-bert"]) for against in ("bert-epochs", "bert")]
            first, others = list(means.values())[:3], list(means.values())[3:]
            lines.append([task, f"{budget} ({n_labelled})", *first, *gains, *others])
    header = [
        "task",
        "labels",
        "bert-epochs",
        "bert",
        "gan-bert",
        "*less bert-epochs*",
        "*less bert*",
        "embed",
        "setfit",
    ]
    return table(header, lines, left=2)


def rates() -> str:
    """Both with five times the paper's learning rate."""
    lines = []
    for task in ("qc-coarse", "qc-fine"):
        for budget in ("1%", "2%"):
            cells = summaries("curves/qc-rates", f"bert:{RATES}")
            bert, gan = cells[task, budget, f"bert:{RATES}"], cells[task, budget, GAN_RATES]
            accuracy, ece = ([100 * s.figures[name].mean for s in (bert, gan)] for name in ("accuracy", "ece"))
            lines.append(
                [task, budget, *(f"{figure:.1f}" for figure in accuracy), gain(gan), f"{ece[0]:.1f} / {ece[1]:.1f}"]
            )
    header = ["task", "labels", "bert, 1e-4", "gan-bert, 1e-4", "*difference*", "calibration error"]
    return table(header, lines, left=2)


ABLATION: list[tuple[str, str, str]] = [
    ("**`gan-bert`, the paper's recipe**", "gan-bert", ""),
    ("noise uniform", "gan-bert:noise=uniform", ""),
    ("dropout on D's input", "gan-bert:input_dropout=0.1", ""),
    ("f(x) after D's dropout", "gan-bert:feature_dropout=true", ""),
    ("feature matching by the mean", "gan-bert:feature_matching=mean", ""),
    ("E_real over unlabelled rows", "gan-bert:real_term=unlabelled", ""),
    ("E_real over all rows", "gan-bert:real_term=all", ""),
    ("without feature matching", "gan-bert:feature_matching_weight=0", ""),
    ("without L_G_unsup", "gan-bert:fooling_weight=0", ""),
    ("without E_real", "gan-bert:real_weight=0", ""),
    ("all networks descend the sum (`joint`)", "gan-bert:joint=true", ""),
    ("labelled rows not replicated", "gan-bert:replication=none", ""),
    ("labelled rows replicated by log2", "gan-bert:replication=log2", ""),
    ("half of each batch labelled", "gan-bert:labelled_share=0.5", ""),
    ("30 unlabelled rows for each labelled one", "gan-bert:unlabelled_per_labelled=30", ""),
    ("... 10", "gan-bert:unlabelled_per_labelled=10", ""),
    ("... 3", "gan-bert:unlabelled_per_labelled=3", ""),
    ("... 1", "gan-bert:unlabelled_per_labelled=1", ""),
    ("pooling: the encoder's pooler", "gan-bert:pooling=pooler", ""),
    ("pooling: mean", "gan-bert:pooling=mean", ""),
    ("half the steps", "gan-bert:max_steps=119", "gan-bert:max_steps=122"),
    ("twice the steps", "gan-bert:max_steps=476", "gan-bert:max_steps=490"),
    ("four times the steps", "gan-bert:max_steps=952", "gan-bert:max_steps=980"),
    ("all rates 1e-4", GAN_RATES, ""),
    ("... without feature matching", f"{GAN_RATES}+feature_matching_weight=0", ""),
    ("... without L_G_unsup", f"{GAN_RATES}+fooling_weight=0", ""),
    ("... without E_real", f"{GAN_RATES}+real_weight=0", ""),
    ("encoder 1e-4, D and G 1e-3, mean pooling", f"gan-bert:{HEADS}+generator_lr=1e-3+pooling=mean", ""),
    ("**`bert`, the fine-tune of as many steps**", "bert", ""),
    ("dropout on D's input", "bert:input_dropout=0.1", ""),
    ("pooling: the encoder's pooler", "bert:pooling=pooler", ""),
    ("pooling: mean", "bert:pooling=mean", ""),
    ("half the steps", "bert:max_steps=119", "bert:max_steps=122"),
    ("twice the steps", "bert:max_steps=476", "bert:max_steps=490"),
    ("four times the steps", "bert:max_steps=952", "bert:max_steps=980"),
    ("as many looks at a label as `gan-bert`: 11 and 20 steps", "bert:max_steps=11", "bert:max_steps=20"),
    ("all rates 1e-4", f"bert:{RATES}", ""),
    ("encoder 1e-4, D 1e-3, mean pooling", f"bert:{HEADS}+pooling=mean", ""),
    ("**`bert-epochs`, the paper's baseline: 3 and 6 steps**", "bert-epochs", ""),
]
"""What a line says, its method on QC coarse, and that on QC fine where it is another one."""


def ablation() -> str:
    """Each choice of the method switched alone."""
    cells = summaries("curves/ablation", "gan-bert")
    lines = []
    for name, on_coarse, on_fine in ABLATION:
        line = [name]
        for task, budget, method in (("qc-coarse", "1%", on_coarse), ("qc-fine", "2%", on_fine or on_coarse)):
            s = cells[task, budget, method]
            one = " [1]" * (s.figures["accuracy"].n == 1)
            line += [f"{100 * s.figures['accuracy'].mean:.1f}{one}", gain(s), f"{s.labelled_shown:.0f}"]
        lines.append(line)
    columns = [column for place in ("qc-coarse, 1%", "qc-fine, 2%") for column in (place, "less `gan-bert`", "looks")]
    return table(["", *columns], lines)


def cells_of(*methods: str) -> str:
    """Return the table of each cell, small budgets first; all are measured against the first method."""
    rows = read_methods(FINAL, list(methods))
    frame = by_cell(rows, methods[0]).merge(rows[[*CELL, "n_labelled"]].drop_duplicates(CELL))
    frame = frame.sort_values(["task", "n_labelled"]).drop(columns="n_labelled")
    return table(list(frame.columns), frame.to_numpy().tolist(), left=2)


def means_of(against: str, method: str) -> str:
    """Return what a method gains against another over all cells, and at what cost: a line for each figure."""
    (line,) = over_cells(read_methods(FINAL, [against, method]), against).to_dict("records")
    names = {
        f"less {against}": "points of accuracy, on average",
        "worst cell": "points of accuracy, worst cell",
        "deviation": "standard deviation over seeds",
        "ECE": "calibration error",
        "seconds": "seconds",
    }
    title = f"`{method}` against `{against}`, {line['cells']} cells, {line['seeds']} seeds"
    return table([title, ""], [[name, line[key]] for key, name in names.items()])


def everything(name: str) -> str:
    """Return one line for each method in each cell of a comparison: all its figures."""
    cells = summaries(name).values()
    tasks, methods = (list(dict.fromkeys(getattr(s, field) for s in cells)) for field in ("task", "method"))
    lines = []
    for s in sorted(cells, key=lambda s: (tasks.index(s.task), s.n_labelled, methods.index(s.method))):
        figures = [s.figures[figure].percent() for figure in ("accuracy", "macro_f1", "ece")]
        counts = [f"{figure:.0f}" for figure in (s.steps, s.labelled_shown, s.seconds)]
        place = [s.task] if len(tasks) > 1 else []
        line = [*place, f"{s.budget} ({s.n_labelled})", f"`{s.method}`", *figures, *counts, s.figures["accuracy"].n]
        lines.append(line)
    header = ["labels", "method", "accuracy", "macro F1", "ECE", "steps", "looks", "seconds", "seeds"]
    return table(["task", *header] if len(tasks) > 1 else header, lines, left=len(header) - 7 + (len(tasks) > 1))


def files() -> str:
    """Return what each file of rows on the test sets, and that of the ablation, holds."""
    lines = []
    for path in [*FINAL[:-1], *sorted((RESULTS / "curves").glob("*.jsonl.gz"))]:
        rows = read(path)
        by_size = sorted(rows, key=lambda row: float(row["n_labelled"]))
        budgets = {
            task: ", ".join(dict.fromkeys(row["budget"] for row in by_size if row["task"] == task))
            for task in dict.fromkeys(row["task"] for row in rows)
        }
        same = len(set(budgets.values())) == 1
        what = f"{', '.join(budgets)} at {next(iter(budgets.values()))}"
        if not same:
            what = "; ".join(f"{task} at {of_task}" for task, of_task in budgets.items())
        methods = list(dict.fromkeys(row["method"] for row in rows))
        short = [method if len(method) < 40 else f"{method.partition(':')[0]}:..." for method in methods]
        named = ", ".join(f"`{method}`" for method in short) if len(methods) < 9 else f"{len(methods)} methods"
        seeds = sorted(set(Counter((row["task"], row["budget"], row["method"]) for row in rows).values()))
        shown = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        part = {"test": "test", "dev": "development"}[rows[0]["split"]]
        commits = ", ".join(dict.fromkeys(row["commit"] for row in rows))
        name = path.relative_to(RESULTS).as_posix().removesuffix(".jsonl.gz")
        lines.append([f"`{name}`", what, named, shown, part, commits])
    return table(["file", "tasks and budgets", "methods", "seeds", "rows", "commits"], lines, left=6)


def first_test() -> str:
    """The first figures: QC coarse, 55 labels, test rows."""
    names = {
        "paper": "`paper`", "bert": "`bert` (`paper` without the adversary)", "default": "`default`",
        "default without the adversary": "`default` without the adversary",
    }  # fmt: skip
    rows = read(RESULTS / "first" / "first.jsonl")
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        of = runs(rows, method)
        values = pd.Series([row["accuracy"] for row in of])
        lines.append(
            [
                names.get(method, method), f"{values.mean():.3f} ± {values.std():.3f}",
                ", ".join(f"{value:.3f}" for value in values), f"{mean(of, 'macro_f1'):.3f}", f"{mean(of, 'ece'):.3f}",
                f"{mean(of, 'steps'):.0f}", f"{mean(of, 'seconds'):.0f}",
            ]
        )  # fmt: skip
    header = ["method", "accuracy, mean ± sd", "seeds 0, 1, 2", "macro F1", "ECE", "steps", "seconds a run"]
    return table(header, lines)


def first_development() -> str:
    """How the first default's learning rate was chosen: development rows."""
    rows = read(RESULTS / "first" / "development.jsonl")
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        of = runs(rows, method)
        lines.append(
            [method, *(f"{row['accuracy']:.3f}" for row in of), f"{mean(of, 'accuracy'):.3f}", f"{mean(of, 'ece'):.3f}"]
        )
    return table(["recipe, 266 steps", "seed 0", "seed 1", "mean", "ECE"], lines)
