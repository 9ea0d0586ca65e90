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
    from ganbert.data.corpus import ArrowTable, Corpus, read_corpus
    from ganbert.data.rows import TableOptions
    from ganbert.errors import InputError, InterruptedRunError, RunError
    from ganbert.metrics import Metrics
    from ganbert.model.config import GanBertConfig
    from ganbert.model.modeling import GanBertForSequenceClassification, GanBertOutput
    from ganbert.model.tokenizers import TextCounts
    from ganbert.predict.predictor import Predictions, Predictor
    from ganbert.runtime import Compute, choose_compute
    from ganbert.select.suggest import Suggestion, Suggestions, suggest
    from ganbert.sklearn.estimator import GanBertClassifier
    from ganbert.sklearn.folds import LabelledFolds
    from ganbert.training.recipe import BERT, BERT_TUNED, CODE, DEFAULT, PAPER, RECIPES, Recipe
    from ganbert.training.report import TrainingResult
    from ganbert.training.train import train
    from ganbert.training.trainer import GanBertTrainer

__all__ = [
    "BERT",
    "BERT_TUNED",
    "CODE",
    "DEFAULT",
    "PAPER",
    "RECIPES",
    "ArrowTable",
    "Compute",
    "Corpus",
    "GanBertClassifier",
    "GanBertConfig",
    "GanBertForSequenceClassification",
    "GanBertOutput",
    "GanBertTrainer",
    "InputError",
    "InterruptedRunError",
    "LabelledFolds",
    "Metrics",
    "Predictions",
    "Predictor",
    "Recipe",
    "RunError",
    "Suggestion",
    "Suggestions",
    "TableOptions",
    "TextCounts",
    "TrainingResult",
    "__version__",
    "choose_compute",
    "read_corpus",
    "suggest",
    "train",
]

_HOMES = {
    "ArrowTable": "ganbert.data.corpus",
    "Corpus": "ganbert.data.corpus",
    "read_corpus": "ganbert.data.corpus",
    "TableOptions": "ganbert.data.rows",
    "InputError": "ganbert.errors",
    "RunError": "ganbert.errors",
    "Metrics": "ganbert.metrics",
    "GanBertConfig": "ganbert.model.config",
    "GanBertForSequenceClassification": "ganbert.model.modeling",
    "GanBertOutput": "ganbert.model.modeling",
    "TextCounts": "ganbert.model.tokenizers",
    "Predictions": "ganbert.predict.predictor",
    "Predictor": "ganbert.predict.predictor",
    "Compute": "ganbert.runtime",
    "choose_compute": "ganbert.runtime",
    "Suggestion": "ganbert.select.suggest",
    "Suggestions": "ganbert.select.suggest",
    "suggest": "ganbert.select.suggest",
    "GanBertClassifier": "ganbert.sklearn.estimator",
    "LabelledFolds": "ganbert.sklearn.folds",
    "BERT": "ganbert.training.recipe",
    "BERT_TUNED": "ganbert.training.recipe",
    "CODE": "ganbert.training.recipe",
    "DEFAULT": "ganbert.training.recipe",
    "PAPER": "ganbert.training.recipe",
    "RECIPES": "ganbert.training.recipe",
    "Recipe": "ganbert.training.recipe",
    "TrainingResult": "ganbert.training.report",
    "InterruptedRunError": "ganbert.errors",
    "train": "ganbert.training.train",
    "GanBertTrainer": "ganbert.training.trainer",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with extras_named():
        value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return [*__all__]


register_when_needed()
