"""Word embeddings of which only the rows that occur are trained.

A vocabulary has 30,000 to 250,000 rows; a few thousand texts use a few thousand of them. The others get no gradient,
yet their zeros are allocated, measured, clipped, and fed to the optimiser in each step, and need its memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel


class OccurringEmbedding(nn.Module):
    """An `nn.Embedding` whose parameter holds the rows of some ids; its state dict holds the whole table.

    Args:
        embedding: the whole table, [v, d].
        ids: [n], sorted and unique; no others may be looked up.
    """

    def __init__(self, embedding: nn.Embedding, ids: Tensor) -> None:
        super().__init__()
        self.ids = ids.cpu()
        known = self.ids.tolist()
        self.padding_row = known.index(embedding.padding_idx) if embedding.padding_idx in known else None
        self.table = embedding.weight.detach().cpu()  # no buffer: processes that train together would exchange it
        self.rows = nn.Parameter(embedding.weight.detach()[ids])
        row_of = torch.full((len(self.table),), len(ids))  # beyond the last row: an error
        row_of[ids] = torch.arange(len(ids))
        self.row_of: Tensor
        self.register_buffer("row_of", row_of.to(embedding.weight.device), persistent=False)
        self.register_state_dict_post_hook(_whole_table)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_rows_of_table)  # type: ignore[no-untyped-call]

    def forward(self, ids: Tensor) -> Tensor:
        """Return the vectors [..., d] of `ids` [...]."""
        return F.embedding(self.row_of[ids], self.rows, self.padding_row)


def _whole_table(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Put the whole table into a state dict, in place of the rows."""
    assert isinstance(module, OccurringEmbedding)
    rows = state.pop(prefix + "rows").detach()
    state[prefix + "weight"] = module.table.to(rows).index_copy(0, module.ids.to(rows.device), rows)


def _rows_of_table(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Take the rows from the whole table of a state dict that is being loaded."""
    assert isinstance(module, OccurringEmbedding)
    state[prefix + "rows"] = state.pop(prefix + "weight")[module.ids]


def train_occurring_rows_only(encoder: PreTrainedModel, ids: Tensor) -> bool:
    """Fix all word embeddings but those of `ids` [n]; False, and nothing changed, if the encoder's are of another kind.

    What is computed stays the same, except weight decay, which rows without a gradient then do not get either.
    """
    try:
        embedding = encoder.get_input_embeddings()
    except NotImplementedError:
        return False
    if type(embedding) is not nn.Embedding or embedding.max_norm is not None or embedding.scale_grad_by_freq:
        return False
    encoder.set_input_embeddings(OccurringEmbedding(embedding, ids.unique()))
    if any(p is embedding.weight for p in encoder.parameters()):  # used in another place as well
        encoder.set_input_embeddings(embedding)
        return False
    return True
