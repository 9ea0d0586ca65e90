"""What the generator costs: parameters, and the time of a GAN-BERT step against a plain step on the same batch.

    python -m benchmarks.adversary_cost --data ../shared/data --output results/benchmarks/adversary_cost.json

Both steps (forward, backward, clipping, fused AdamW) see the same batch of 64 rows, in turn; the ratio of their medians
is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import DataCollatorWithPadding

from ganbert import GanBertForSequenceClassification
from ganbert.cli.options import quiet_libraries
from ganbert.compare.runs import provenance
from ganbert.compare.tasks import task_named
from ganbert.fast import speed_up
from ganbert.model.encoders import load_tokenizer
from ganbert.runtime import computes_bfloat16_natively


class Step:
    """A model with its optimiser, ready for one training step at a time."""

    def __init__(self, encoder: str, adversarial: bool) -> None:
        torch.manual_seed(0)
        self.model = GanBertForSequenceClassification.from_encoder(encoder, num_labels=6, adversarial=adversarial)
        self.model.train()
        speed_up(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-5, fused=True)

    def __call__(self, batch: dict[str, Tensor]) -> float:
        """Take one step and return its seconds."""
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=computes_bfloat16_natively("cpu")):
            loss = self.model(**batch).loss
        loss.backward()
        for network in self.model.children():
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.perf_counter() - began


def main() -> None:
    """Measure, print, and write the raw seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/adversary_cost.json"))
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    quiet_libraries()
    tokenizer = load_tokenizer(arguments.encoder)
    texts = task_named("qc-coarse").load("train", arguments.data)["text"][:]
    texts.sort(key=len)  # batches of similar length, as in training
    collate = DataCollatorWithPadding(tokenizer)
    tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
    plain, gan = Step(arguments.encoder, adversarial=False), Step(arguments.encoder, adversarial=True)
    seconds: dict[str, list[float]] = {"plain": [], "gan": []}
    starts = np.random.default_rng(0).integers(0, len(texts) - 64, arguments.steps + 5)
    for i, start in enumerate(starts):
        batch = dict(collate([dict(tokenizer(text)) for text in texts[start : start + 64]]))
        batch["labels"] = torch.arange(64) % 6
        batch["labels"][32:] = -100
        steps = {"plain": plain, "gan": gan}
        for name in list(steps)[:: 1 if i % 2 else -1]:  # neither is always first
            taken = steps[name](batch)
            if i >= 5:  # the first steps warm caches up
                seconds[name].append(taken)
    assert gan.model.generator is not None
    parameters = {name: sum(p.numel() for p in module.parameters()) for name, module in gan.model.named_children()}
    ratio = float(np.median(seconds["gan"]) / np.median(seconds["plain"]))
    ratios = np.array(seconds["gan"]) / np.array(seconds["plain"])
    quartiles = [float(q) for q in np.quantile(ratios, [0.25, 0.75])]
    print(f"parameters: {parameters}")
    print(f"step with adversary / plain step: {ratio:.3f} (quartiles of the paired ratios {quartiles})")
    print(f"share of a GAN-BERT step spent on the adversary: {1 - 1 / ratio:.1%}")
    result = {"parameters": parameters, "ratio": ratio, "quartiles": quartiles, "seconds": seconds, **provenance()}
    arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
