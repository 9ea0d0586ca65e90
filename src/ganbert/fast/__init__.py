"""The same results in less time or memory: `speed_up` changes how a model is computed, never what.

Each module here is one device: packing (no arithmetic on padding), attention and dropout (kernels for a processor),
vocabulary (only embeddings that occur are trained), micro_batches (less memory). The model knows of none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbert.fast.dropout import use_fast_dropout
from ganbert.fast.micro_batches import use_micro_batches
from ganbert.fast.mpnet import use_mpnet_packing
from ganbert.fast.packing import use_packing
from ganbert.fast.vocabulary import train_occurring_rows_only

if TYPE_CHECKING:
    from torch import Tensor

    from ganbert.model.modeling import GanBertForSequenceClassification

__all__ = ["speed_up"]


def speed_up(
    model: GanBertForSequenceClassification,
    *,
    token_ids: Tensor | None = None,
    micro_batch_size: int | None = None,
    compiled: bool = False,
) -> None:
    """Make a model compute the same faster. What an encoder or a device cannot do is left out; nothing of it is saved.

    speed_up(model, token_ids=torch.tensor([0, 101, 102, 2003]))

    Args:
        model: before its optimiser is made.
        token_ids: [n], of all tokens that the model will see; only their embeddings are then trained, the others would
            get no gradient. None trains all.
        micro_batch_size: rows whose activations are in memory at once: less memory, more time. None is the whole batch.
        compiled: torch.compile will make its own kernels: packing and dropout are left to it.
    """
    if not compiled:
        if not use_packing(model.encoder):
            use_mpnet_packing(model.encoder)
        use_fast_dropout(model)
    if token_ids is not None:
        train_occurring_rows_only(model.encoder, token_ids)
    if micro_batch_size is not None:
        use_micro_batches(model, micro_batch_size)
