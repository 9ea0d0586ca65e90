"""Text classification from a few labelled and many unlabelled texts: GAN-BERT (Croce et al., ACL 2020).

    from ganbert import GanBertClassifier

    classifier = GanBertClassifier().fit(texts, labels)     # labels: None where a text has none

Importing this package also makes its models known to `transformers.AutoModelForSequenceClassification` and `pipeline`.
"""

from ganbert.config import GanBertConfig
from ganbert.errors import InputError, RunError
from ganbert.estimator import GanBertClassifier
from ganbert.inference.predictor import Predictor
from ganbert.model import GanBertForSequenceClassification
from ganbert.recipe import BERT, CODE, DEFAULT, PAPER, Recipe
from ganbert.training.train import train
from ganbert.training.trainer import GanBertTrainer
from ganbert.version import __version__

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
    "Predictor",
    "Recipe",
    "RunError",
    "__version__",
    "train",
]
