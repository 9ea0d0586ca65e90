"""The paper's figure 1: an encoder, a generator G of text vectors, and a discriminator D over k classes and "fake"."""

from __future__ import annotations

import inspect
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from ganbert.errors import InputError
from ganbert.model.config import GanBertConfig
from ganbert.model.encoders import (
    encoder_class,
    explained,
    load_encoder_config,
    load_pretrained_encoder,
    recorded_pooling,
    resolve_encoder,
)
from ganbert.model.losses import GanBertOutput, Player, View, add_losses
from ganbert.model.networks import Discriminator, Generator
from ganbert.model.positions import n_positions, position_ids
from ganbert.model.problem import ONE_OF_K
from ganbert.model.weights import open_checked
from ganbert.runtime import random_numbers_of, rows_of_all
from ganbert.storage.fields import one_line, read_config
from ganbert.storage.folders import forget, share

__all__ = ["GanBertForSequenceClassification", "GanBertOutput"]

_OWN_CHECKS = {"state_dict", "gguf_file", "subfolder", "output_loading_info", "ignore_mismatched_sizes"}
"""Arguments of `from_pretrained` by which a caller takes the weights from elsewhere, or looks at them himself."""

_HUB_OPTIONS = {"cache_dir", "force_download", "local_files_only", "proxies", "revision", "token"}


class GanBertForSequenceClassification(PreTrainedModel):
    """Any encoder with GAN-BERT on top (Croce et al. 2020, figure 1).

    For example:

        model = GanBertForSequenceClassification.from_encoder("google-bert/bert-base-cased", num_labels=6)
        model(**batch, labels=labels).loss.backward()     # labels: -100 where a row has none
        model.save_pretrained("model")                    # without G
    """

    config_class = GanBertConfig
    config: GanBertConfig
    problem = ONE_OF_K
    base_model_prefix = "encoder"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    save_generator = False
    """Whether `save_pretrained` keeps G: a checkpoint to continue from needs it, a finished model does not."""

    def __init__(self, config: GanBertConfig, encoder: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        self.encoder = encoder_class(config.encoder).from_config(config.encoder) if encoder is None else encoder
        _drop_unused_parts(self.encoder, config)
        self.discriminator = Discriminator(config)
        self.generator = Generator(config) if config.has_generator else None
        self._takes_position_ids = "position_ids" in inspect.signature(self.encoder.forward).parameters
        if encoder is None:
            self.post_init()
        # else: nn.Linear has initialised D and G, and post_init() would throw away the encoder's pretrained weights.

    @classmethod
    def from_encoder(cls, name: str, **config: Any) -> Self:
        """Put new heads on a pretrained encoder, or on that of a trained model.

        Args:
            name: a Hub name, a folder, a model folder of ganbert, or `minilm`.
            config: fields of `GanBertConfig`; `pooling="auto"` takes what the encoder's own files say, where they do.

        Raises:
            InputError: there is no such encoder, or it is not in the local cache and the Hub is out of reach, or not
                all of its weights are there.
        """
        encoder_config = load_encoder_config(name)  # first: it tells soonest that there is no such encoder
        pooling, encoder = config.pop("pooling", "auto"), None
        if isinstance(encoder_config, GanBertConfig):
            with explained(name):
                trained = cls.from_pretrained(resolve_encoder(name), config=encoder_config, dtype="float32")
            encoder, encoder_config = trained.encoder, encoder_config.encoder
            pooling = trained.config.pooling if pooling == "auto" else pooling
        elif pooling == "auto":
            pooling = recorded_pooling(name) or "auto"
        whole = GanBertConfig(encoder=encoder_config, pooling=pooling, **config)
        if encoder is None:
            encoder = load_pretrained_encoder(name, encoder_config, pooler=whole.pooling == "pooler")
        with explained(name):
            model = cls(whole, encoder=encoder)
            model.check_encoder()
        return model

    @classmethod
    def from_pretrained(cls, source: Any, *args: Any, config: Any = None, **kwargs: Any) -> Self:  # type: ignore[override]
        """Open a model as those of transformers are opened, but never with weights that were made up.

        Raises:
            InputError: weights are missing, not finite, pickled, or not what `config.json` describes.
        """
        load = super().from_pretrained
        if source is None or kwargs.keys() & _OWN_CHECKS:
            return load(source, *args, config=config, **kwargs)
        hub = {name: kwargs.pop(name) for name in _HUB_OPTIONS & kwargs.keys()}
        kwargs.pop("use_safetensors", None)
        if (Path(source) / "config.json").is_file() and "pooling" not in read_config(Path(source)):
            raise InputError("config.json does not state the pooling, without which predictions would be others")
        if not isinstance(config, GanBertConfig):
            config, kwargs = GanBertConfig.from_pretrained(config or source, return_unused_kwargs=True, **hub, **kwargs)
        return cast(Self, open_checked(partial(load, *args), cls, str(source), config, hub=hub, **kwargs))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        soft_targets: Tensor | None = None,
        sample_weights: Tensor | None = None,
    ) -> GanBertOutput:
        """Classify real rows, and with `labels` compute the losses.

        Args:
            input_ids: [b, t]. Padding may stand on either side.
            attention_mask: [b, t], 1 for tokens and 0 for padding, as the tokenizer made it; all 1 if left out.
            token_type_ids: [b, t], for encoders that have them.
            labels: [b], in 0..k-1, -100 for unlabelled rows. With a generator the loss is L_D + L_G, without one it is
                the cross-entropy of the labelled rows, without labels it is None.
            inputs_embeds: [b, t, d] in place of `input_ids`.
            soft_targets: [b, k], a teacher's probabilities of unlabelled rows, times a weight. (A plain Trainer takes
                whatever has "label" in its name for something it must always be given.)
            sample_weights: [b], of the labelled rows in the cross-entropy, in no other loss; None is 1 for each.
        """
        h = self.text_vectors(input_ids, attention_mask, token_type_ids, inputs_embeds)
        if self.training and labels is not None:
            h, labels = rows_of_all(h), rows_of_all(labels)
            soft_targets = None if soft_targets is None else rows_of_all(soft_targets)
            sample_weights = None if sample_weights is None else rows_of_all(sample_weights)
        # The heads run in their own precision, float32 in training: they cost next to nothing, and bfloat16 logits
        # keep only two or three digits.
        with torch.autocast(h.device.type, enabled=False):
            h = h.to(self.discriminator.output.weight.dtype)
            features, logits = self.discriminator(h)
            k = self.config.num_labels
            output = GanBertOutput(logits=logits[:, :k], fake_logits=logits[:, k] if self.config.adversarial else None)
            if labels is not None:
                seen = View(self.problem, self.config, self.training, labels, h, features, logits)
                views = self._views(replace(seen, soft_targets=soft_targets, sample_weights=sample_weights))
                output.generated_logits = views["D"].generated_logits
                add_losses(output, views)
        return output

    def _views(self, real: View) -> dict[Player, View]:
        """Return what D (with the encoder) and G see of a batch: L_D moves D and the encoder, L_G moves G alone."""
        if self.generator is None:
            return {"D": real, "G": real}
        if self.config.detached_game:
            with self._random_numbers_of_game(real.h.device):
                return self._views_of_detached_game(real)
        generated = self.generator.sample(len(real.logits))
        if self.config.joint:  # nothing is kept apart
            features, logits = self.discriminator(generated)
            both = replace(real, generated_features=features, generated_logits=logits)
            return {"D": both, "G": both}
        return self._game(real, generated)

    def _views_of_detached_game(self, real: View) -> dict[Player, View]:
        """Return the same for a game to which all is data but G and D's fake class."""
        assert self.generator is not None
        _, judged = self._judge(real.h.detach(), ("fake_class.",))
        invented = self.generator.sample(len(real.logits))
        return self._game(replace(real, judged=judged), invented, moved=("fake_class.",))

    def _random_numbers_of_game(self, device: torch.device) -> AbstractContextManager[None]:
        """Return where a detached game draws random numbers of its own.

        So everything else is trained bit for bit as if there were no game. A compiled model is not: torch.compile knows
        no random numbers but the global ones.
        """
        if torch.compiler.is_compiling():
            return nullcontext()
        assert self.generator is not None
        seed = (torch.initial_seed() + (self.generator.turn + 1) * 2654435761) % 2**32
        self.generator.turn += self.training
        return random_numbers_of(seed, device)

    def _game(self, real: View, generated: Tensor, moved: tuple[str, ...] = ("",)) -> dict[Player, View]:
        """Return both views; `moved` begins the names of those parameters of D that L_D_unsup moves."""
        # D sees G's vectors as data: no gradient reaches G.
        features, logits = self._judge(generated.detach(), moved)
        seen_by_d = replace(real, generated_features=features, generated_logits=logits)
        # G sees D as a fixed function and what D makes of real rows as data: no gradient reaches D or the encoder.
        features, logits = self._judge(generated, ())
        real = replace(real, h=real.h.detach(), features=real.features.detach(), logits=real.logits.detach())
        return {"D": seen_by_d, "G": replace(real, generated_features=features, generated_logits=logits)}

    def _judge(self, h: Tensor, moved: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        """Return D's features and logits of `h`, as a function of those of its parameters whose names begin so."""
        named = self.discriminator.named_parameters()
        seen = {name: p if name.startswith(moved) else p.detach() for name, p in named}
        judged: tuple[Tensor, Tensor] = functional_call(self.discriminator, seen, (h,))
        return judged

    def text_vectors(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """Return h = pool(encoder(x)), [b, d], of inputs as in `forward`."""
        tokens = input_ids if inputs_embeds is None else inputs_embeds
        if tokens is None:
            raise ValueError("give input_ids or inputs_embeds")
        mask = attention_mask
        if mask is None:
            mask = torch.ones(tokens.shape[:2], device=tokens.device, dtype=torch.long)
        inputs = {"attention_mask": mask, "input_ids" if inputs_embeds is None else "inputs_embeds": tokens}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        if self._takes_position_ids:
            inputs["position_ids"] = position_ids(self.encoder, mask)
        outputs = self.encoder(**inputs)
        if self.config.pooling == "pooler":
            pooled: Tensor = outputs.pooler_output
            return pooled
        return _pool(outputs.last_hidden_state, mask, self.config.pooling)

    @torch.no_grad()
    def check_encoder(self) -> None:
        """Raise `InputError` unless the encoder makes finite text vectors of token ids: not all that have them do."""
        most = n_positions(self.encoder)
        ids = torch.zeros(1, 8 if most is None else max(1, min(8, most)), dtype=torch.long, device=self.device)
        try:
            with torch.random.fork_rng(devices=[]):
                h = self.text_vectors(ids)
        except Exception as error:
            kind = self.config.encoder.model_type
            raise InputError(f"{kind} cannot be used: it takes no plain token ids ({one_line(error)})") from error
        if h.shape != (1, self.config.hidden_size) or not h.isfinite().all():
            raise InputError(f"it makes no finite text vectors of {self.config.hidden_size} numbers")

    def discard_generator(self) -> None:
        """Drop G; what is left is the classifier that is used (section 3: "After training, G is discarded")."""
        self.generator = None
        self.config.has_generator = False

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Save as every transformers model does, and without G unless `save_generator` is set."""
        generator, had_generator = self.generator, self.config.has_generator
        if not self.save_generator:
            self.discard_generator()
            if kwargs.get("state_dict") is not None:
                kwargs["state_dict"] = {k: v for k, v in kwargs["state_dict"].items() if "generator." not in k}
        try:
            super().save_pretrained(save_directory, *args, **kwargs)
        finally:
            self.generator, self.config.has_generator = generator, had_generator
        folder = Path(save_directory)
        forget(folder)
        share(folder, [path.name for path in folder.glob("*.safetensors")])

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise D and G as `nn.Linear` does; the encoder initialises its own parts."""
        if isinstance(module, nn.Linear):
            module.reset_parameters()


def _pool(vectors: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Return the text vectors [b, d] of token vectors [b, t, d] whose attention mask is [b, t]."""
    match pooling:
        case "mean":
            weights = mask.to(vectors.dtype).unsqueeze(-1)
            return (vectors * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
        case "last":
            position = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
        case _:  # "cls": the first token that is not padding
            position = mask.argmax(dim=1)
    return vectors[torch.arange(mask.shape[0], device=mask.device), position]  # len() would fix b in an export


def _drop_unused_parts(encoder: PreTrainedModel, config: GanBertConfig) -> None:
    """Take out what pooling does not read, so that inference does no needless arithmetic."""
    pooler = getattr(encoder, "pooler", None)
    if config.pooling == "pooler" and pooler is None:
        raise InputError(f"{config.encoder.model_type} has no pooler: choose pooling cls, mean or last")
    if config.pooling != "pooler" and pooler is not None:
        encoder.pooler = None  # type: ignore[assignment]
    if hasattr(encoder.config, "use_cache"):  # keys and values are kept for generating text, which nobody does here
        encoder.config.use_cache = False


# What a Trainer, of ganbert or of transformers, takes for predictions is `logits` alone.
GanBertConfig.keys_to_ignore_at_inference = [f.name for f in fields(GanBertOutput) if f.name not in ("loss", "logits")]
AutoModelForSequenceClassification.register(GanBertConfig, GanBertForSequenceClassification)
