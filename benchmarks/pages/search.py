"""Tables of the search for a default (docs/results/experiments.md): development rows, every seed shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.rows import Row, benchmark, comparison, mean, probes, runs, table

BUDGETS = {"qc-coarse": "1%", "qc-fine": "2%", "sst5": "1%", "mnli-m": "0.1%", "20n-stripped": "1%"}
"""The budget that each task was searched at."""
RARE = ("DESC", "ENTY", "HUM", "LOC", "NUM")

PLAIN = "default-plain:contrastive_weight=0"
"""A fine-tune with the settings of `bert-tuned`, in rows that are older than that name."""
PROBED_CONTRAST = "stage1"
UNSUPERVISED = "average=0.99+contrastive_weight=1+consistency_weight=1"
RAMP = "default:adversarial=false+average=0.95+contrastive_weight=1+consistency_weight=1+alignment=labelled"

COMMITTED = tuple(f"search/contrast/{name}" for name in ("default-equation-2", "parts-of-the-default"))
"""Rows below `results/search` that a commit can make again."""

Place = tuple[str, str]
"""A folder of `results/` and a method, or the word `probes` and what the probe called it."""

TUNED: tuple[Place, ...] = (("dev/final", "bert-tuned"), ("dev/300", PLAIN))


def rows_of(name: str) -> list[Row]:
    """Return the rows of a comparison, marked where the checkout had changes that were not committed."""
    uncommitted = name.startswith("search/") and not name.startswith(COMMITTED)
    return [row | {"uncommitted": uncommitted} for row in comparison(name)]


def found(task: str, places: Sequence[Place], budget: str | None = None) -> list[Row]:
    """Return the runs at a task's budget in the first of several places that has any."""
    for folder, method in places:
        if folder == "probes":
            of_place = runs(probes(), method, task=task)
        else:
            of_place = runs(rows_of(f"{folder}/{task}"), method, budget=budget or BUDGETS[task])
        if of_place:
            return of_place
    return []


def cell(rows: Sequence[Row], figure: str = "accuracy", ece: bool = True) -> str:
    """Return the mean in percent, each seed's value in brackets, and the calibration error if it is known.

    A dagger marks rows of changes that were not committed.
    """
    if not rows:
        return ""
    dagger = "†" if rows[0].get("uncommitted") else ""
    seeds = ", ".join(f"{100 * row[figure]:.1f}" for row in rows)
    known = ece and rows[0]["ece"] is not None
    return f"{100 * mean(rows, figure):.1f}{dagger} ({seeds})" + (
        f", ECE {100 * mean(rows, 'ece'):.0f}" if known else ""
    )


def by_task(corner: str, tasks: Sequence[str], lines: Mapping[str, Sequence[Place]]) -> str:
    """Return a table with a column for each task and a line for each change."""
    header = [corner, *(f"{task}, {BUDGETS[task]}" for task in tasks)]
    return table(header, [[name, *(cell(found(task, places)) for task in tasks)] for name, places in lines.items()])


def baseline() -> str:
    """What a fine-tune needs: the encoder's learning rate and the number of steps."""
    lines: dict[str, Sequence[Place]] = {
        f"encoder {rate}, 150 steps": [(folder, f"default-plain:encoder_lr={rate}") for folder in ("dev/150", "search")]
        for rate in ("2e-5", "5e-5", "1e-4", "2e-4")
    }
    lines["encoder 5e-5, 150 steps"] = [("dev/150", "default-plain")]
    lines["encoder 5e-5, 300 steps"] = TUNED
    lines["encoder 1e-4, 300 steps"] = [("dev/300", f"{PLAIN}+encoder_lr=1e-4")]
    return by_task("", ("qc-coarse", "qc-fine", "sst5", "20n-stripped"), lines)


def heads() -> str:
    """The learning rate of the heads, and the warm-up."""
    lines: dict[str, Sequence[Place]] = {
        "heads 1e-3, warm-up of a tenth (as it is)": [("dev/heads", "bert-tuned"), *TUNED],
        "heads 3e-4": [("dev/heads", "bert-tuned:discriminator_lr=3e-4")],
        "heads 1e-4": [("dev/heads", "bert-tuned:discriminator_lr=1e-4")],
        "heads 3e-3": [("dev/heads", "bert-tuned:discriminator_lr=3e-3")],
        "no warm-up": [("dev/heads", "bert-tuned:warmup=0")],
        "`default` with heads 3e-4": [("dev/heads", "default:discriminator_lr=3e-4")],
        "`default` (heads 1e-3)": [("dev/final", "default")],
    }
    return by_task("`bert-tuned` with", list(BUDGETS), lines)


def contrast() -> str:
    """Contrast among the labelled rows."""
    plain = "default-plain:contrastive_weight"
    first = [("dev/150", f"{plain}=1"), ("probes", PROBED_CONTRAST), ("search", f"{plain}=1")]
    lines: dict[str, Sequence[Place]] = {
        "plain": [("dev/150", "default-plain")],
        "plain + contrast (20n: probe)": first,
        "weight 3 instead of 1": [("search", f"{plain}=3")],
        "temperature 0.3 instead of 0.1": [("search", f"{plain}=1+contrastive_temperature=0.3")],
        "regression of cosines": [("search", f"{plain}=1+contrastive_temperature=0")],
        "encoder 1e-4": [("search", "default-plain:encoder_lr=1e-4+contrastive_weight=1")],
        "300 steps": [("search", f"{plain}=1+max_steps=300")],
        "300 steps of 32 rows": [("search", f"{plain}=1+batch_size=32+max_steps=300")],
        "SetFit": [("search", "setfit")],
    }
    return by_task("150 steps", ("qc-coarse", "qc-fine", "sst5", "20n-stripped"), lines)


def moving_teacher() -> str:
    """Soft labels from a running average of the weights."""
    average = "default:adversarial=false+contrastive_weight=1+average=0.99+consistency_weight=1"
    prototypes = average.replace("contrastive", "prototype_scale=10+contrastive")
    dirty = f"default:adversarial=false+{UNSUPERVISED}+alignment=labelled"
    lines: dict[str, Sequence[Place]] = {
        "plain + contrast (20n: probe)": [
            ("dev/150", "default-plain:contrastive_weight=1"),
            ("probes", PROBED_CONTRAST),
        ],
        "average, temperature 0.5, not aligned": [("dev/150", f"{average}+temperature=0.5")],
        "average, hard labels, not aligned": [("dev/150", f"{average}+temperature=0")],
        "average, hard labels, aligned": [("dev/150", f"{average}+alignment=labelled+temperature=0")],
        "average, temperature 0.5, aligned, prototypes (section 7)": [
            ("dev/150", f"{prototypes}+alignment=labelled+temperature=0.5")
        ],
        "SoftMatch's weights": [("search", f"{dirty}+confidence=soft")],
        "15% of the student's tokens cut": [("search", f"{dirty}+token_cutoff=0.15")],
        "ramp-up over 40% of 300 steps": [("search", f"{RAMP}+temperature=0.5+ramp_up=0.4+max_steps=300")],
    }
    return by_task("150 steps", ("qc-coarse", "qc-fine", "20n-stripped"), lines)


def finished_teacher() -> str:
    """Two-part self-training, as throw-away scripts printed it."""
    soft = "soft2 labelled 0.5 0.5"
    lines = {
        "the teacher": ("0.0 1.0 stage1", "10.0 0.0 stage1"),
        "its probabilities as they are": ("soft2 none 1.0 0.5", "soft2 none 1.0 0.25"),
        "temperature 0.5, aligned": (soft, soft),
        "the same, a quarter of each batch labelled": ("soft2 labelled 0.5 0.25", ""),
        "hard labels, aligned": ("soft2 labelled 0.0 0.5", ""),
        "hard labels, all rows alike, contrast among all": ("stage2 raw contrast 1.0", "stage 2 prototypes 0.0"),
        "the same, a third generation": ("", "stage 3 prototypes 0.0"),
        "the teacher follows the student (average 0.97), temperature 0.5, aligned": (
            "follow labelled 0.5 0.5 0.97",
            "",
        ),
        "the same, temperature 0.7, not aligned": ("follow none 0.7 0.5 0.97", ""),
    }
    tasks = ("qc-coarse", "qc-fine", "20n-stripped")
    body = [
        [name, *(cell(runs(probes(), of_20n if task == tasks[-1] else of_qc, task=task)) for task in tasks)]
        for name, (of_qc, of_20n) in lines.items()
    ]
    return table(["probe: 150 steps of teacher, 150 of student", *tasks], body)


def parts_with_equation_2() -> str:
    """What each part added while contrast was equation 2, in 300 steps."""
    tasks = ("qc-coarse", "qc-fine", "sst5", "mnli-m")
    tuned = {task: found(task, [("dev/300", PLAIN)]) for task in tasks}
    default = {task: found(task, [("dev/300", "default")]) for task in tasks}
    lines = [
        ["`bert-tuned`", *(cell(tuned[task]) for task in tasks)],
        ["+ contrast (`default-plain`)", *(cell(found(task, [("dev/300", "default-plain")])) for task in tasks)],
        [
            "+ teacher (`default` without adversary)",
            *(cell(found(task, [("dev/300", "default:adversarial=false")])) for task in tasks),
        ],
        ["+ adversary (`default`)", *(cell(default[task]) for task in tasks)],
        [
            "`default` less `bert-tuned`",
            *(f"{100 * (mean(default[task], 'accuracy') - mean(tuned[task], 'accuracy')):+.1f}" for task in tasks),
        ],
        [
            "seconds, `default` over `bert-tuned`",
            *(f"{mean(default[task], 'seconds_in_all') / mean(tuned[task], 'seconds_in_all'):.2f}" for task in tasks),
        ],
    ]
    return table(["300 steps", *(f"{task}, {BUDGETS[task]}" for task in tasks)], lines)


def looks() -> str:
    """How often each label is seen, and when the unlabelled half of a batch stops to pay."""
    cells = [
        ("qc-coarse", "1%"), ("qc-coarse", "5%"), ("mnli-m", "0.1%"),
        ("qc-coarse", "10%"), ("qc-coarse", "20%"), ("mnli-m", "1%"),
    ]  # fmt: skip
    lines = []
    for task, budget in cells:
        tuned, default = (found(task, [("dev/300", method)], budget) for method in (PLAIN, "default"))
        lines.append(
            [
                f"{task}, {budget}", tuned[0]["n_labelled"], f"{mean(tuned, 'labelled_shown'):.0f}",
                cell(tuned, ece=False), cell(default, ece=False),
            ]
        )  # fmt: skip
    return table(["", "labels", "looks at each", "`bert-tuned`", "`default`"], lines)


def elsewhere() -> str:
    """Equally many labels of each class, and a rare class beside everything else, while contrast was equation 2."""
    lines = []
    for name, place, figure in (
        ("qc-coarse, 8 labels of each class, accuracy", "balanced", "accuracy"),
        ("a minority of 5%, macro F1", "minority", "macro_f1"),
        ("a minority of 5%, accuracy", "minority", "accuracy"),
    ):
        rows = rows_of(f"dev/300/{place}")
        lines.append([name, *(cell(runs(rows, method), figure) for method in (PLAIN, "default"))])
    return table(["300 steps", "`bert-tuned`", "`default`"], lines)


def rare_parts() -> str:
    """Which part of the default lost a rare class."""
    rows = rows_of("search/contrast/parts-of-the-default")
    lines = {
        "`bert-tuned`": PLAIN,
        "+ teacher, no contrast, no adversary": "default:adversarial=false+contrastive_weight=0",
        "+ contrast": "default-plain",
        "+ contrast and teacher": "default:adversarial=false",
    }
    body = [[name, cell(runs(rows, method), "macro_f1", ece=False)] for name, method in lines.items()]
    return table(["", "macro F1"], body)


def equations() -> str:
    """Contrast by other equations, on labelled rows alone."""
    folder = "search/contrast"
    equation_2 = [("dev/300", "default-plain"), ("search", "default-plain:contrastive_weight=1+max_steps=300")]
    lines = {
        "equation 2": (f"{folder}/parts-of-the-default", "default-plain", equation_2),
        "classes averaged in the denominator (Zhu et al. 2022)": ("averaged-denominator", "default-plain", None),
        "the same, and a mean over classes, not rows": ("averaged-denominator-and-anchors", "default-plain", None),
        "batches with equally many rows of each class": ("balanced-batches", "default-plain", None),
        "the same without contrast": ("balanced-batches", PLAIN, None),
        "**equation 3: the sum inside the logarithm**": ("equation-3", "default-plain", None),
    }
    body = []
    for name, (place, method, places) in lines.items():
        rare = rows_of(place if places else f"{folder}/{place}/first-DESC")
        of_tasks = places or ([(f"{folder}/{place}", method)] if method == "default-plain" else [])
        cells = [cell(found(task, of_tasks), ece=False) for task in ("qc-coarse", "qc-fine")]
        body.append([name, cell(runs(rare, method), "macro_f1", ece=False), *cells])
    return table(["300 steps", "DESC, first table, macro F1", "qc-coarse, 1%", "qc-fine, 2%"], body)


def rare_classes() -> str:
    """Five rare classes beside everything else: macro F1, and means over the classes."""
    lines = {
        "`bert-tuned`": ("dev/final/minority", "bert-tuned"),
        "`default`, equation 2": ("search/contrast/default-equation-2", "default"),
        "`default`, equation 3": ("dev/final/minority", "default"),
        "`default`, equation 3, temperature 0.3": ("search/contrast/temperature-0.3", "default"),
    }
    body = []
    for name, (folder, method) in lines.items():
        of_class = {label: runs(rows_of(f"{folder}/{label}"), method) for label in RARE}
        means = [
            f"{100 * np.mean([mean(rows, figure) for rows in of_class.values()]):.1f}" if all(of_class.values()) else ""
            for figure in ("macro_f1", "accuracy", "ece")
        ]
        body.append([name, *(cell(of_class[label], "macro_f1", ece=False) for label in RARE), *means])
    return table(["macro F1, 300 steps", *RARE, "mean", "accuracy", "ECE"], body)


def softer_contrast() -> str:
    """Contrast by equation 2, by equation 3, and by equation 3 with a softer softmax, within the whole default."""
    lines: dict[str, Sequence[Place]] = {
        "equation 2": [("dev/300", "default")],
        "equation 3 (as it is)": [("dev/final", "default")],
        "equation 3, temperature 0.3": [("search/contrast/temperature-0.3", "default")],
    }
    return by_task("`default`, 300 steps", ("qc-coarse", "qc-fine", "mnli-m"), lines)


def as_it_is() -> str:
    """The default as it is beside the tuned fine-tune, wherever it has to hold."""
    final, balanced = "dev/final", [*runs(rows_of("dev/300/balanced"), PLAIN)]
    places = [
        ("qc-coarse, 1%", "qc-coarse", "1%"), ("qc-fine, 2% (50 classes)", "qc-fine", "2%"), ("sst5, 1%", "sst5", "1%"),
        ("mnli-m, 0.1% (pairs)", "mnli-m", "0.1%"), ("20n-stripped, 1%", "20n-stripped", "1%"),
        ("qc-coarse, 10% (too few looks: plain, with contrast)", "qc-coarse", "10%"),
    ]  # fmt: skip
    pairs = [
        (name, found(task, TUNED, budget), found(task, [(final, "default")], budget)) for name, task, budget in places
    ]
    pairs.insert(1, ("qc-coarse, 8 of each class", balanced, runs(rows_of(f"{final}/balanced"), "default")))
    whole = rows_of(f"{final}/all-labelled")
    every_row = "qc-coarse, all rows labelled (plain, with contrast)"
    pairs.append((every_row, runs(whole, "bert-tuned"), runs(whole, "default-plain")))
    lines = [[name, tuned[0]["n_labelled"], cell(tuned), cell(default)] for name, tuned, default in pairs]
    rare = [
        np.mean([mean(runs(rows_of(f"{final}/minority/{label}"), method), "macro_f1") for label in RARE])
        for method in ("bert-tuned", "default")
    ]
    lines.append(["five rare classes of 5%, macro F1", 100, *(f"{100 * figure:.1f}" for figure in rare)])
    return table(["", "labels", "`bert-tuned`", "`default`"], lines)


def ladder() -> str:
    """What each part adds to a tuned fine-tune, and means over the tasks."""
    lines: dict[str, Sequence[Place]] = {
        "`bert-tuned`": TUNED,
        "+ contrast (`default-plain`)": [("dev/final", "default-plain")],
        "+ teacher (`default:adversarial=false`)": [("dev/final", "default:adversarial=false")],
        "+ adversary (`default`)": [("dev/final", "default")],
    }
    body = []
    for name, places in lines.items():
        of_task = [found(task, places) for task in BUDGETS]
        accuracy, ece = (100 * np.mean([mean(rows, figure) for rows in of_task]) for figure in ("accuracy", "ece"))
        body.append([name, *map(cell, of_task), f"{accuracy:.1f}", f"{ece:.0f}"])
    header = ["300 steps, 2 seeds", *(f"{task}, {budget}" for task, budget in BUDGETS.items()), "mean", "ECE"]
    return table(header, body)


def novelty() -> str:
    """The fake class as a detector of classes that nobody labelled."""
    rows = benchmark("novelty")
    lines = {
        "fake class of `default`": ("adversarial", "fake class"),
        "one less the largest probability of `default`": ("adversarial", "largest probability"),
        "the same of `default-plain`, no adversary or teacher": ("plain", "largest probability"),
    }
    body = []
    for name, (recipe, score) in lines.items():
        by_class = {row["left_out"]: row["auroc"][score] for row in rows if row["recipe"] == recipe}
        body.append([name, *(f"{by_class[label]:.3f}" for label in RARE), f"{np.mean(list(by_class.values())):.3f}"])
    return table(["AUROC, 300 steps, seed 0", *RARE, "mean"], body)


def taken_out() -> str:
    """Changes that did not stay."""
    plain = "default-plain:contrastive_weight=1"
    lines: dict[str, Sequence[Place]] = {
        "plain, 150 steps": [("dev/150", "default-plain")],
        "plain + prototypes (20n: probe)": [
            ("probes", "10.0 0.0 stage1"),
            ("dev/150", "default-plain:prototype_scale=10"),
        ],
        "plain + contrast (20n: probe)": [("dev/150", plain), ("probes", PROBED_CONTRAST), ("search", plain)],
        "contrast + prototypes": [("dev/150", "default-plain:prototype_scale=10+contrastive_weight=1")],
        "contrast + 15% of the labelled rows' tokens cut": [("dev/150", f"{plain}+labelled_cutoff=0.15")],
        "contrast + layer-wise rates, factor 0.8": [("dev/150", f"{plain}+layer_decay=0.8")],
        "contrast + average of weights kept, 0.99": [("search", "default-plain:average=0.99+contrastive_weight=1")],
    }
    return by_task("150 steps", ("qc-coarse", "qc-fine", "sst5", "20n-stripped"), lines)
