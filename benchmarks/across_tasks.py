"""What methods do over many tasks and budgets: each cell, and the means over all, from the rows of `ganbert curve`.

    python -m benchmarks.across_tasks results/final/*.jsonl.gz --methods bert-tuned,default

All methods are measured against the first, in the cells that it has. Accuracy on the same rows, seed by seed. The
interval of a mean over cells is Student's t over seeds, each seed's value being its mean over the cells that all seeds
of both methods have.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import rows as files
from ganbert.compare.intervals import Estimate
from ganbert.compare.store import LATER

CELL = ["task", "budget"]


def read(paths: list[Path], methods: list[str]) -> pd.DataFrame:
    """Return the records of these methods in the cells that the first has; of runs found twice the first.

    Those of selected rows, or with class names, are left out: cells are of random labels.

    Args:
        paths: of JSON Lines files, which may be compressed.
        methods: by name.
    """
    records = [record for path in paths for record in files.read(path)]
    rows = pd.DataFrame([r for r in records if all(r.get(name, before) == before for name, before in LATER.items())])
    rows = rows[rows["method"].isin(methods)].drop_duplicates([*CELL, "method", "seed"])
    return rows.merge(rows.loc[rows["method"] == methods[0], CELL].drop_duplicates())


def paired(rows: pd.DataFrame, method: str, against: str) -> pd.DataFrame:
    """Return the runs of two methods that have cell, seed and rows in common, side by side."""
    columns = [*CELL, "seed", "split_hash", "accuracy", "macro_f1", "ece", "seconds_in_all"]
    one, other = (rows.loc[rows["method"] == name, columns] for name in (method, against))
    return one.merge(other, on=[*CELL, "seed", "split_hash"], suffixes=("", "_against"))


def by_cell(rows: pd.DataFrame, against: str) -> pd.DataFrame:
    """Return a line for each cell: mean accuracies and ECEs in percent, and differences from a method.

    Where a method has not as many seeds as the one it is measured against, their number n stands beside its mean.
    """
    grouped = rows.groupby([*CELL, "method"], sort=False)
    table = grouped["accuracy"].mean().mul(100).round(1).unstack().astype(str)
    table += " (" + grouped["ece"].mean().mul(100).round(0).astype(int).astype(str).unstack() + ")"
    seeds = grouped.size().unstack()
    differs = seeds.ne(seeds[against], axis="index")
    table = table.mask(differs, table + ", n=" + seeds.astype("Int64").astype(str))
    for method in [name for name in table.columns if name != against]:
        pairs = paired(rows, method, against)
        gains = (pairs["accuracy"] - pairs["accuracy_against"]).groupby([pairs[name] for name in CELL], sort=False)
        table[f"{method} less {against}"] = gains.agg(lambda values: Estimate.of(values.to_list()).percent("+"))
    return table.reset_index().fillna("")


def over_cells(rows: pd.DataFrame, against: str) -> pd.DataFrame:
    """Return a line for each other method: what it gains over all cells that both have, and at what cost."""
    lines = []
    for method in [name for name in rows["method"].unique() if name != against]:
        pairs = paired(rows, method, against)
        pairs["gain"] = pairs["accuracy"] - pairs["accuracy_against"]
        cells = pairs.groupby(CELL)
        gains = pairs.pivot(index="seed", columns=CELL, values="gain")
        complete = gains.dropna().mean(axis="columns").to_list()
        of_cells = gains.mean()
        worst = of_cells.index[int(of_cells.argmin())]
        deviations = cells[["accuracy", "accuracy_against"]].std().mean()
        deviation = deviations["accuracy"] / deviations["accuracy_against"]
        means = cells[["ece", "ece_against", "seconds_in_all", "seconds_in_all_against"]].mean()
        lines.append(
            {
                "method": method,
                "cells": cells.ngroups,
                "seeds": len(complete),
                f"less {against}": Estimate.of(complete).percent("+") if complete else "",
                "mean of cells": f"{of_cells.mean() * 100:+.1f}",
                "worst cell": f"{of_cells.min() * 100:+.1f} on {', '.join(worst)}",
                "deviation": "" if np.isnan(deviation) else f"{deviation:.2f}x",  # of a single seed there is none
                "ECE": f"{means['ece'].mean() / means['ece_against'].mean():.2f}x",
                "seconds": f"{(means['seconds_in_all'] / means['seconds_in_all_against']).mean():.2f}x",
            }
        )
    return pd.DataFrame(lines)


def main() -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--methods", default="bert-tuned,default:adversarial=false,default,setfit")
    arguments = parser.parse_args()
    methods = arguments.methods.split(",")
    rows = read(arguments.results, methods)
    print(by_cell(rows, methods[0]).to_markdown(index=False, disable_numparse=True))
    print()
    print(over_cells(rows, methods[0]).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
