"""The model's shape: an encoder's configuration and what GAN-BERT puts on top of it."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any, ClassVar, Literal

from transformers import AutoConfig, PreTrainedConfig

from ganbert.model.losses import LossWeights
from ganbert.storage.fields import (
    MODEL_TYPE,
    FeatureMatching,
    Noise,
    Pooling,
    RealTerm,
    check_fields,
    check_plausible,
    is_whole,
    label_names,
    one_line,
    require_choice,
)

__all__ = ["FeatureMatching", "GanBertConfig", "Noise", "Pooling", "RealTerm", "default_pooling", "require_choice"]


def is_encoder_decoder(encoder: PreTrainedConfig) -> bool:
    """Return whether models of this kind have a decoder; T5's encoder saved alone says of itself that it has none."""
    return bool(encoder.is_encoder_decoder or type(encoder).is_encoder_decoder)


def default_pooling(encoder: PreTrainedConfig) -> Pooling:
    """`last` for a causal (decoder-only) encoder, which has seen the whole text only there; else `cls` (section 3).

    `mean` for the encoder of an encoder-decoder (T5): it has no first token that stands for the text.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING  # with them comes torch

    # BERT also appears among the causal models; only a decoder-only model is not a masked language model as well.
    is_causal = type(encoder) in MODEL_FOR_CAUSAL_LM_MAPPING and type(encoder) not in MODEL_FOR_MASKED_LM_MAPPING
    if is_encoder_decoder(encoder):
        return "mean"
    return "last" if is_causal else "cls"


class GanBertConfig(PreTrainedConfig):
    """Configuration of `GanBertForSequenceClassification`.

    GanBertConfig(encoder=BertConfig(), num_labels=6)                   # the paper's model
    GanBertConfig(encoder=..., num_labels=6, noise="uniform", feature_matching="mean")  # losses of the authors' code

    Args:
        encoder: configuration of the encoder, or its dict (with its `model_type`): anything `AutoModel` can build.
        pooling: how token vectors become one text vector h. "cls" (paper) the first token, "pooler" (authors' code)
            the encoder's own dense + tanh, "mean" over the attention mask, "last" the last token that is not padding.
            "auto" is `default_pooling`; a model made from a pretrained encoder also reads that encoder's own choice.
        adversarial: whether D has the fake class k+1. False is a plain classifier of k classes.
        has_generator: whether the model carries G. A saved model does not: after training G is discarded (section 3).
        noise_size: width of G's input (paper: 100).
        noise: distribution of G's input, "normal" N(0, 1) (paper) or "uniform" U(0, 1) (authors' code).
        dropout: after the hidden layer of D and of G (paper: 0.1).
        input_dropout: on D's input h (paper: 0; authors' code: 0.1).
        feature_dropout: whether f(x) is taken after D's dropout (authors' code) or before it (paper: not said).
        real_term: which rows stand in E_real of L_D_unsup. "taken_for_fake" (paper, section 3) unlabelled rows that D
            puts into class k+1, "unlabelled" (section 2 read narrowly) all unlabelled rows, "all" (authors' code).
        feature_matching: "sum" (paper: squared L2 norm) or "mean" (authors' code) over the d feature dimensions.
        text_pairs: whether an input is a pair of texts; recorded so that predictions are asked for pairs as well.
        joint: study variant: every parameter descends L_D + L_G, nothing detached, as in the widely copied PyTorch
            port. Not adversarial: on fakes it settles at p_fake = 0.5.
        detached_game: whether the game moves nothing but G and D's fake class. All else is trained as without it, and D
            has its fake class as a layer of its own. Not together with `joint`.
        columns: names of the columns that the model was trained on: `text`, perhaps `text_pair`, and `label`.
        class_names: of each class, in the order of ids, the texts that say what it is called; None if none are known.
        **kwargs: the fields of `LossWeights`, as contrastive_weight, and those of every configuration of transformers.

    Raises:
        ValueError: a field has an impossible value, or contradicts another one.
    """

    model_type = MODEL_TYPE
    sub_configs = {"encoder": AutoConfig}  # noqa: RUF012 - transformers reads a plain class attribute
    has_no_defaults_at_init = True
    keys_to_ignore_at_inference: ClassVar[list[str]] = []
    """Outputs that a Trainer does not take for predictions; `ganbert.model.modeling` lists them."""

    def __init__(
        self,
        encoder: PreTrainedConfig | dict[str, Any] | None = None,
        *,
        pooling: Pooling | Literal["auto"] = "auto",
        adversarial: bool = True,
        has_generator: bool | None = None,
        noise_size: int = 100,
        noise: Noise = "normal",
        dropout: float = 0.1,
        input_dropout: float = 0.0,
        feature_dropout: bool = False,
        real_term: RealTerm = "taken_for_fake",
        feature_matching: FeatureMatching = "sum",
        text_pairs: bool = False,
        joint: bool = False,
        detached_game: bool = False,
        columns: dict[str, str] | None = None,
        class_names: list[list[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        if encoder is None:  # transformers compares every configuration with one made without arguments
            encoder = {"model_type": "bert"}
        encoder = _encoder_config(encoder)
        self.encoder = copy.deepcopy(encoder)  # the base class resets its attention, and a live encoder keeps its own
        self.pooling: Pooling = default_pooling(encoder) if pooling == "auto" else pooling
        self.adversarial = adversarial
        self.has_generator = adversarial if has_generator is None else has_generator
        self.noise_size = noise_size
        self.noise: Noise = noise
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.feature_dropout = feature_dropout
        self.real_term: RealTerm = real_term
        self.feature_matching: FeatureMatching = feature_matching
        for weight in fields(LossWeights):
            setattr(self, weight.name, kwargs.pop(weight.name, weight.default))
        self.text_pairs = text_pairs
        self.joint = joint
        self.detached_game = detached_game
        self.columns = columns
        self.class_names = class_names
        check_fields({**vars(self), **kwargs})  # before transformers makes a dictionary of num_labels entries
        super().__init__(**kwargs)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The k class names, in the order of their ids."""
        return label_names(self.id2label)

    @property
    def hidden_size(self) -> int:
        """Width d of the text vector h."""
        return int(self.encoder.hidden_size)


def _encoder_config(stated: Any) -> PreTrainedConfig:
    """Return the configuration of an encoder, or make it of its dict; `ValueError` if it describes no text encoder."""
    if isinstance(stated, dict):
        try:
            check_plausible(stated)
            stated = AutoConfig.for_model(**stated)
        except Exception as error:  # strict data classes, missing keys, wrong types: whatever a wrong dict runs into
            raise ValueError(f"encoder: {one_line(error)}") from error
    if not isinstance(stated, PreTrainedConfig):
        raise ValueError(f"encoder: {type(stated).__name__} is no configuration of an encoder")
    check_text_encoder(stated)
    return stated


def check_text_encoder(config: PreTrainedConfig) -> None:
    """Raise `ValueError` unless the configuration is of something that reads token ids and gives one vector size."""
    for name in ("vocab_size", "hidden_size"):
        if not is_whole(getattr(config, name, None), 1):
            raise ValueError(f"{config.model_type} is no text encoder: its configuration states no {name}")


AutoConfig.register(GanBertConfig.model_type, GanBertConfig)
