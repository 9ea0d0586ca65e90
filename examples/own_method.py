"""Compare a method of your own with those of ganbert: same rows, same encoder, several seeds, honest intervals.

    python examples/own_method.py

or, in the folder of this file (a module on PYTHONPATH, or installed, is found from everywhere):

    ganbert compare messages.csv --test test.csv --methods tfidf,bert-tuned,own_method:nearest

A package can give its method a name of its own by an entry point in its `pyproject.toml`; the command then is
`--methods tfidf,nearest`:

    [project.entry-points."ganbert.methods"]
    nearest = "own_method:nearest"
"""

from __future__ import annotations

import time
from pathlib import Path

from sklearn.neighbors import KNeighborsClassifier

from ganbert.compare import Conditions, Method, Outcome, Split, TableRows, compare
from ganbert.data import sample
from ganbert.data.corpus import texts_of
from ganbert.predict.torch_backend import Encoder

NEIGHBOURS = 5


def vote(split: Split, conditions: Conditions) -> Outcome:
    """Let the nearest labelled texts vote, in the vector space of the encoder."""
    began = time.perf_counter()
    encoder = Encoder(conditions.encoder, conditions.max_length, conditions.compute)
    labelled = split.corpus.train.select(split.corpus.labelled)
    classifier = KNeighborsClassifier(min(NEIGHBOURS, len(labelled)), weights="distance", metric="cosine")
    classifier.fit(encoder(*texts_of(labelled)), labelled["label"][:])
    seconds = time.perf_counter() - began
    return Outcome(classifier.predict_proba(encoder(*texts_of(split.test))), seconds)


# A plain function will do as well: `--methods own_method:vote`. A Method says more about it.
nearest = Method(
    vote,
    "vote of the 5 nearest labelled texts",
    baselines=("embed", "bert-tuned"),  # it is measured against the first of these that has been run
    deterministic=True,  # with the same rows every seed does the same, so it runs once on a test file
)


def main(folder: Path = Path("own-method"), encoder: str = "minilm", seeds: int = 5) -> None:
    """Compare on cross-validated labelled messages of the sample, and leave results and report in `folder`."""
    rows = TableRows((sample.TRAIN,))
    methods = ["tfidf", "embed", "own_method:nearest"]
    for summary in compare([rows], methods, folder, seeds=seeds, encoder=encoder):
        gain = f"{summary.gain.percent('+')} against {summary.baseline}" if summary.gain else ""
        print(f"{summary.method:20} accuracy {summary.figures['accuracy'].share():24} {gain}")
    print(f"Report: {folder / 'report.html'}")


if __name__ == "__main__":
    main()
