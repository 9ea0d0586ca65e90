"""What is minimised: the four losses of GAN-BERT (Croce et al. 2020, section 2), and two more.

First come pure functions of logits and features, then `TERMS`, the list of all losses: the total loss, the model's
output, the log, the plot and the health watch iterate over it. A new loss is a function, a field of `GanBertOutput`
made by `_term`, and a test. A weight that is a choice is a field of `LossWeights`, which configuration and recipe have.

D's k+1 logits, the fake class last, hold two classifiers: which of the k classes, and real or fake. The second is
one number per row, s = l_(k+1) - logsumexp(l_1 .. l_k), with p(k+1 | x) = sigmoid(s). Written in s, every loss is a
softplus or a cross-entropy: in log space throughout, finite for any finite logits, never log(p + eps).

Everything is computed in float32, whatever the dtype of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.utils.generic import ModelOutput

from ganbert.labels import UNLABELLED
from ganbert.storage.fields import FeatureMatching, RealTerm

if TYPE_CHECKING:
    from ganbert.model.config import GanBertConfig
    from ganbert.model.problem import Problem


def fake_score(logits: Tensor) -> Tensor:
    """Logit s of "this row is fake": p(k+1 | x) = sigmoid(s).

    Args:
        logits: [b, k+1], fake class last.

    Returns:
        [b], float32.
    """
    logits = logits.float()
    return logits[:, -1] - logits[:, :-1].logsumexp(dim=-1)


def discriminator_supervised_loss(class_logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """L_D_sup = -E_labelled log p(y | x, y <= k): cross-entropy over the k real classes only (section 2).

    Args:
        class_logits: [b, k].
        labels: [b], in 0..k-1, or -100 for a row without a label.
        weights: [b], of the labelled rows' terms; None is 1 for each. Their sum is still divided by the number of
            labelled rows: so weights with mean 1 over the data mean the same in every batch.

    Returns:
        Scalar; 0 with a zero gradient when no row is labelled.
    """
    if weights is None:
        total = F.cross_entropy(class_logits.float(), labels, ignore_index=UNLABELLED, reduction="sum")
    else:  # 0 where there is no label
        per_row = F.cross_entropy(class_logits.float(), labels, ignore_index=UNLABELLED, reduction="none")
        total = (weights.float() * per_row).sum()
    return total / (labels != UNLABELLED).sum().clamp(min=1)


def discriminator_unsupervised_loss(
    real_logits: Tensor, generated_logits: Tensor, labelled: Tensor, real_term: RealTerm, real_weight: float = 1.0
) -> Tensor:
    """L_D_unsup = -E_real log(1 - p(k+1 | x)) - E_fake log p(k+1 | G(z)) (section 2).

    Args:
        real_logits: [b, k+1] of real rows.
        generated_logits: [b', k+1] of generated rows.
        labelled: [b], which real rows have a label.
        real_term: the rows of E_real: "all", "unlabelled", or "taken_for_fake", the unlabelled rows whose largest
            logit is the fake one ("only if they are erroneously classified into the k + 1 category", section 3).
        real_weight: of E_real (paper: 1).

    Returns:
        Scalar. An empty E_real counts 0.
    """
    if real_term == "all":
        counted = torch.ones_like(labelled)
    else:
        counted = ~labelled
        if real_term == "taken_for_fake":
            counted = counted & (real_logits.argmax(dim=-1) == real_logits.shape[-1] - 1)
    # -log(1 - sigmoid(s)) = softplus(s); a mask instead of indexing keeps shapes fixed and the device busy.
    real = torch.where(counted, F.softplus(fake_score(real_logits)), 0.0).sum() / counted.sum().clamp(min=1)
    fake = F.softplus(-fake_score(generated_logits)).mean()
    return real_weight * real + fake


def generator_unsupervised_loss(generated_logits: Tensor) -> Tensor:
    """L_G_unsup = -E_fake log(1 - p(k+1 | G(z))): G is punished where D recognises its vectors (section 2).

    Args:
        generated_logits: [b, k+1] of generated rows.

    Returns:
        Scalar.
    """
    return F.softplus(fake_score(generated_logits)).mean()


def feature_matching_loss(real_features: Tensor, generated_features: Tensor, reduction: FeatureMatching) -> Tensor:
    """L_G_fm = || E_real f(x) - E_fake f(G(z)) ||^2 (section 2).

    Args:
        real_features: [b, d], activations of D's hidden layer for real rows.
        generated_features: [b', d], the same for generated rows.
        reduction: "sum" over d (paper: the squared L2 norm) or "mean" over d (authors' code).

    Returns:
        Scalar.
    """
    squared = (real_features.float().mean(dim=0) - generated_features.float().mean(dim=0)).square()
    return squared.sum() if reduction == "sum" else squared.mean()


def distillation_loss(class_logits: Tensor, soft_targets: Tensor, labelled: Tensor) -> Tensor:
    """L_T = -E_unlabelled sum_y q(y | x) log p(y | x, y <= k), q being a teacher's (Chen et al. 2020, equation 2).

    Args:
        class_logits: [b, k].
        soft_targets: [b, k], q of unlabelled rows, times a weight.
        labelled: [b], which rows have a label and do not count.

    Returns:
        Scalar; 0 with a zero gradient when all rows are labelled.
    """
    unlabelled = ~labelled
    per_row = -(soft_targets * class_logits.float().log_softmax(dim=-1)).sum(dim=-1)
    return torch.where(unlabelled, per_row, 0.0).sum() / unlabelled.sum().clamp(min=1)


def supervised_contrastive_loss(h: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """A row lies near some rows of its class, nearer than to other rows (Khosla et al. 2020, equation 3).

    L_C = -E_labelled log(sum_p exp(cos(h, h_p) / t) / sum_a exp(cos(h, h_a) / t)), p over the other rows of its class
    in the batch, a over all other labelled rows. The sum inside the logarithm lets a class be several clusters;
    equation 2 draws each class into one point, and "everything else" swallows a rare class.

    Args:
        h: [b, d], text vectors.
        labels: [b], -100 for a row without a label, which takes no part.
        temperature: t.

    Returns:
        Scalar; 0 with a zero gradient when no two rows share a label.
    """
    labelled = labels != UNLABELLED
    other = labelled.unsqueeze(0) & ~torch.eye(len(h), dtype=torch.bool, device=h.device)
    positive = other & (labels.unsqueeze(0) == labels.unsqueeze(1))
    unit = F.normalize(h.float(), dim=-1)
    similarity = unit @ unit.T / temperature
    lowest = torch.finfo(similarity.dtype).min  # not -inf, whose gradient is nan where a row has no other
    log_all = similarity.masked_fill(~other, lowest).logsumexp(dim=-1)
    log_positive = similarity.masked_fill(~positive, lowest).logsumexp(dim=-1)
    counted = positive.any(dim=1)
    return torch.where(counted, log_all - log_positive, 0.0).sum() / counted.sum().clamp(min=1)


def _weight(default: float, help: str, *, of_unlabelled: bool = True) -> Any:
    return field(default=default, metadata={"help": help, "of_unlabelled": of_unlabelled})


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """The weights of losses that are choices, 0 or above; 0 leaves a loss out.

    Each is a field of `GanBertConfig` and of `Recipe`, and so of `--set`, config.json and the model card. Names end in
    `_weight`. `of_unlabelled` says that a run on labelled rows alone does not read it.
    """

    real_weight: float = _weight(1.0, "weight of E_real in L_D_unsup (paper: 1)")
    fooling_weight: float = _weight(1.0, "weight of L_G_unsup (paper: 1)")
    feature_matching_weight: float = _weight(1.0, "weight of feature matching (paper: 1)")
    contrastive_weight: float = _weight(
        0.0, "weight of the supervised contrastive loss on text vectors (paper: none)", of_unlabelled=False
    )


Player = Literal["D", "G"]
"""Who is moved by a loss: D together with the encoder, or G."""


@dataclass(frozen=True)
class View:
    """One forward pass as one player sees it: what the other player computes is data without a gradient.

    Attributes:
        problem, config, training: of the model.
        labels: [b], -100 for a row without a label.
        h: [b, d], text vectors.
        features, logits: [b, d] and [b, k+1] (without a fake class [b, k]), D on real rows.
        generated_features, generated_logits: [b', d] and [b', k+1], D on G's vectors; None without a generator.
        soft_targets: [b, k], a teacher's probabilities of unlabelled rows, times a weight; None without a teacher.
        sample_weights: [b], of the labelled rows; None is 1 for each.
        judged: [b, k+1], D on real rows in a game that only moves the fake class; None: `logits`.
    """

    problem: Problem
    config: GanBertConfig
    training: bool
    labels: Tensor
    h: Tensor
    features: Tensor
    logits: Tensor
    generated_features: Tensor | None = None
    generated_logits: Tensor | None = None
    soft_targets: Tensor | None = None
    sample_weights: Tensor | None = None
    judged: Tensor | None = None

    @property
    def class_logits(self) -> Tensor:
        """[b, k], without the fake class."""
        return self.logits[:, : self.config.num_labels]

    @property
    def labelled(self) -> Tensor:
        """[b], which rows have a label."""
        labelled: Tensor = self.problem.is_labelled(self.labels)
        return labelled


def _supervised(view: View) -> Tensor:
    return view.problem.loss(view.class_logits, view.labels, view.sample_weights)


def _real_or_fake(view: View) -> Tensor | None:
    if view.generated_logits is None:
        return None
    config, logits = view.config, view.logits if view.judged is None else view.judged
    return discriminator_unsupervised_loss(
        logits, view.generated_logits, view.labelled, config.real_term, config.real_weight
    )


def _fooling(view: View) -> Tensor | None:
    return None if view.generated_logits is None else generator_unsupervised_loss(view.generated_logits)


def _feature_matching(view: View) -> Tensor | None:
    if view.generated_features is None:
        return None
    return feature_matching_loss(view.features, view.generated_features, view.config.feature_matching)


def _distillation(view: View) -> Tensor | None:
    if view.soft_targets is None:
        return None
    return view.problem.soft_loss(view.class_logits, view.soft_targets, view.labelled)


def _contrastive(view: View) -> Tensor | None:
    if not (view.training and view.config.contrastive_weight):
        return None
    return supervised_contrastive_loss(view.h, view.labels)


def _term(compute: Callable[[View], Tensor | None], *, moves: Player, label: str, weight: str | float = 1.0) -> Any:
    return field(default=None, metadata={"compute": compute, "moves": moves, "label": label, "weight": weight})


@dataclass
class GanBertOutput(ModelOutput):
    """What `GanBertForSequenceClassification` returns: logits, and with labels the losses as float32 scalars.

    Attributes:
        loss: L_D + L_G. One number to minimise; each network receives only its own gradient through it.
        logits: [b, k], over the real classes.
        fake_logits: [b], D's logit for "invented"; None without a fake class.
        loss_d_supervised, loss_d_unsupervised: the parts of L_D.
        loss_g_unsupervised, loss_g_feature_matching: the parts of L_G.
        loss_distillation: on what a teacher says of unlabelled rows.
        loss_contrastive: of the labelled rows' text vectors.
        generated_logits: [b, k+1], D on G's vectors.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    fake_logits: Tensor | None = None
    loss_d_supervised: Tensor | None = _term(_supervised, moves="D", label="supervised")
    loss_d_unsupervised: Tensor | None = _term(_real_or_fake, moves="D", label="real or invented")
    loss_g_unsupervised: Tensor | None = _term(_fooling, moves="G", label="fooling D", weight="fooling_weight")
    loss_g_feature_matching: Tensor | None = _term(
        _feature_matching, moves="G", label="feature matching", weight="feature_matching_weight"
    )
    loss_distillation: Tensor | None = _term(_distillation, moves="D", label="what the teacher says")
    loss_contrastive: Tensor | None = _term(
        _contrastive, moves="D", label="contrast of labelled texts", weight="contrastive_weight"
    )
    generated_logits: Tensor | None = None


@dataclass(frozen=True)
class Term:
    """One loss.

    Attributes:
        name: of the field of `GanBertOutput`, and of the figure in the log.
        compute: view of a forward pass to the loss, a scalar; None where it does not apply.
        moves: who descends it, and so in whose view it is computed.
        label: in plots.
        weight: in the total loss: a number, or the name of a field of `GanBertConfig`.
    """

    name: str
    compute: Callable[[View], Tensor | None]
    moves: Player
    label: str
    weight: str | float

    def weighted(self, value: Tensor, config: GanBertConfig) -> Tensor:
        """Return what this loss adds to the total one."""
        weight: float = getattr(config, self.weight) if isinstance(self.weight, str) else self.weight
        return weight * value


TERMS = tuple(Term(f.name, **f.metadata) for f in fields(GanBertOutput) if f.metadata)
"""All losses, in the order in which they are added up."""


def add_losses(output: GanBertOutput, views: Mapping[Player, View]) -> None:
    """Compute all losses that apply, and their weighted sum, `loss`; put them into `output`."""
    for term in TERMS:
        view = views[term.moves]
        value = term.compute(view)
        if value is not None:
            output[term.name] = value
            weighted = term.weighted(value, view.config)
            output.loss = weighted if output.loss is None else output.loss + weighted
