"""Train on a pandas table with empty labels, measure on test rows, save without pickle, and classify new rows.

python examples/pandas_estimator.py
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.metrics import classification_report

from ganbert import GanBertClassifier
from ganbert.data import sample


def main(folder: Path = Path("model-of-pandas"), max_steps: int = 150) -> pd.DataFrame:
    """Leave a model in `folder`, and return the test rows with the columns `predicted` and `confidence`."""
    train = pd.read_csv(sample.TRAIN)  # columns text and label; nan where a text has no label
    test = pd.read_csv(sample.TEST)

    classifier = GanBertClassifier(max_steps=max_steps, progress=True)
    classifier.fit(train["text"], train["label"])

    probabilities = pd.DataFrame(classifier.predict_proba(test["text"]), columns=classifier.classes_, index=test.index)
    test["predicted"] = probabilities.idxmax(axis="columns")
    test["confidence"] = probabilities.max(axis="columns")
    print(classification_report(test["label"], test["predicted"], zero_division=0.0))

    classifier.save(folder)
    print(GanBertClassifier.from_folder(folder).predict(["where is my parcel?"]))
    return test


if __name__ == "__main__":
    main()
