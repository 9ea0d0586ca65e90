"""Text classification from a few labelled and many unlabelled texts: GAN-BERT (Croce et al., ACL 2020).

    from ganbert import GanBertClassifier

    classifier = GanBertClassifier().fit(texts, labels)     # labels: None where a text has none

Importing this package also makes its models known to `transformers.AutoModelForSequenceClassification` and `pipeline`.
It takes no time: torch, transformers and scikit-learn are imported when a name that needs them is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganbert.extras import extras_named
from ganbert.model.registration import register_when_needed

__version__ = "0.1.0"

if TYPE_CHECKING:  # the same as in _HOMES, for type checkers and editors
    from ganbert.errors import InputError, RunError
    from ganbert.model.config import GanBertConfig
    from ganbert.model.modeling import GanBertForSequenceClassification
    from ganbert.predict.predictor import Predictor
    from ganbert.sklearn.estimator import GanBertClassifier
    from ganbert.sklearn.folds import LabelledFolds
    from ganbert.training.recipe import BERT, CODE, DEFAULT, PAPER, Recipe
    from ganbert.training.train import train
    from ganbert.training.trainer import GanBertTrainer

__all__ = [
    "BERT",
    "CODE",
    "DEFAULT",
    "PAPER",
    "GanBertClassifier",
    "GanBertConfig",
    "GanBertForSequenceClassification",
    "GanBertTrainer",
    "InputError",
    "LabelledFolds",
    "Predictor",
    "Recipe",
    "RunError",
    "__version__",
    "train",
]

_HOMES = {
    "BERT": "ganbert.training.recipe",
    "CODE": "ganbert.training.recipe",
    "DEFAULT": "ganbert.training.recipe",
    "PAPER": "ganbert.training.recipe",
    "GanBertClassifier": "ganbert.sklearn.estimator",
    "GanBertConfig": "ganbert.model.config",
    "GanBertForSequenceClassification": "ganbert.model.modeling",
    "GanBertTrainer": "ganbert.training.trainer",
    "InputError": "ganbert.errors",
    "LabelledFolds": "ganbert.sklearn.folds",
    "Predictor": "ganbert.predict.predictor",
    "Recipe": "ganbert.training.recipe",
    "RunError": "ganbert.errors",
    "train": "ganbert.training.train",
}


@extras_named()
def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return [*__all__]


register_when_needed()
