"""Training speed: ganbert, transformers' Trainer and a plain loop on the same encoder, rows and batch size, in turn.

    python -m benchmarks.train_step --data ../shared/data --output results/benchmarks/train_step.json

(a) a loop as the widely copied PyTorch port of GAN-BERT has it: padded to the maximum, float32, AdamW as it comes;
(b) `transformers.Trainer` with its defaults and dynamic padding, fine-tuning `BertForSequenceClassification`;
(c) `ganbert train` with the default recipe, which trains D and G as well.
A round runs each for a number of steps, in a process of its own, so that none inherits another's memory or threads;
figures are medians over all steps but the first of each round. Tokens are
real ones, without padding. The matrix rate is that of bfloat16 products of 2,048 x 2,048 matrices, measured in each
round; a step counts 6 operations for each parameter that is no embedding and each real token.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from datasets import Dataset
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoModel,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from ganbert import DEFAULT, train
from ganbert.cli.options import quiet_libraries
from ganbert.compare.runs import provenance
from ganbert.compare.tasks import task_named
from ganbert.data.corpus import corpus_of_texts
from ganbert.model.encoders import load_tokenizer, resolve_encoder

BATCH = 64
N_LABELLED = 64
N_ROWS = {"qc": 5452, "20n": 6000}
WARM_UP = 5
"""First steps of a round, which are not counted."""


@dataclass(frozen=True)
class Work:
    """What is trained: an encoder's folder, texts with class ids, and where they are cut."""

    encoder: str
    texts: list[str]
    labels: list[int]
    max_length: int

    @property
    def n_classes(self) -> int:
        return max(self.labels) + 1


class StepClock(TrainerCallback):
    """Notes when each optimiser step of the Trainer of this process ends."""

    times: list[float] = []  # noqa: RUF012 - transformers makes the callback itself, so the class is all there is

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        StepClock.times.append(time.perf_counter())


def plain_loop(work: Work, steps: int) -> Iterator[float]:
    """Take steps as the PyTorch port does, yielding the time at the end of each."""
    torch.manual_seed(0)
    tokenizer = load_tokenizer(work.encoder)
    encoder = AutoModel.from_pretrained(work.encoder, dtype=torch.float32)
    d, k = encoder.config.hidden_size, work.n_classes

    def head(width: int, out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Dropout(0.1), nn.Linear(width, d), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(d, out)
        )

    generator, discriminator = head(100, d), head(d, k + 1)
    for network in (encoder, generator, discriminator):
        network.train()
    d_optimizer = torch.optim.AdamW([*encoder.parameters(), *discriminator.parameters()], 5e-5)
    g_optimizer = torch.optim.AdamW(generator.parameters(), 5e-5)
    columns = tokenizer(
        work.texts, padding="max_length", truncation=True, max_length=work.max_length, return_tensors="pt"
    )
    rows = Dataset.from_dict({"input_ids": columns["input_ids"], "attention_mask": columns["attention_mask"]})
    loader = torch.utils.data.DataLoader(rows.with_format("torch"), batch_size=BATCH, shuffle=True, drop_last=True)
    labels = torch.tensor([i % k for i in range(BATCH)])
    labelled = torch.arange(BATCH) < BATCH // 2
    batches = iter(loader)
    for _ in range(steps):
        batch = next(batches)
        h = encoder(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state[:, 0]
        fake = generator(torch.rand(BATCH, 100))
        both = discriminator[:3](torch.cat([h, fake]))
        probabilities = discriminator[3:](both).softmax(dim=-1)
        real, invented = probabilities.split(BATCH)
        g_loss = -torch.log(1 - invented[:, -1] + 1e-8).mean()
        g_loss = g_loss + (both[:BATCH].mean(dim=0) - both[BATCH:].mean(dim=0)).square().mean()
        supervised = F.nll_loss(torch.log(real[labelled, :-1] + 1e-8), labels[labelled])
        d_loss = supervised - torch.log(1 - real[:, -1] + 1e-8).mean() - torch.log(invented[:, -1] + 1e-8).mean()
        g_optimizer.zero_grad()
        d_optimizer.zero_grad()
        g_loss.backward(retain_graph=True)
        d_loss.backward()
        g_optimizer.step()
        d_optimizer.step()
        yield time.perf_counter()


def huggingface_trainer(work: Work, steps: int) -> list[float]:
    """Fine-tune with `transformers.Trainer`."""
    tokenizer = load_tokenizer(work.encoder)
    model = BertForSequenceClassification.from_pretrained(work.encoder, num_labels=work.n_classes, dtype=torch.float32)
    rows = Dataset.from_dict({"text": work.texts, "labels": work.labels}).map(
        lambda batch: dict(tokenizer(batch["text"], truncation=True, max_length=work.max_length)),
        batched=True,
        remove_columns="text",
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=steps, per_device_train_batch_size=BATCH, report_to="none", disable_tqdm=True
        )
        trainer = Trainer(model, arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer))
        return _clocked(trainer.train)


def ganbert(work: Work, steps: int) -> list[float]:
    """Train with `ganbert`, the first rows labelled."""
    labels = [label if i < N_LABELLED else -100 for i, label in enumerate(work.labels)]
    names = [f"class {i:02d}" for i in range(work.n_classes)]
    corpus = corpus_of_texts(work.texts, labels, names)
    recipe = replace(
        DEFAULT,
        max_steps=steps,
        max_length=work.max_length,
        batch_size=BATCH,
        teacher_share=0.0,
        contrastive_weight=0.0,
        looks_needed=0.0,
    )  # one kind of step, that of the game
    with tempfile.TemporaryDirectory() as folder:

        def run() -> None:
            output = Path(folder) / "model"
            result = train(recipe, corpus, output, encoder=work.encoder, progress=False, say=lambda message: None)
            assert result.recipe.adversarial

        return _clocked(run)


CONTENDERS: dict[str, Callable[[Work, int], Iterable[float]]] = {
    "a: plain loop": plain_loop,
    "b: Trainer": huggingface_trainer,
    "c: ganbert": ganbert,
}


def _clocked(run: Callable[[], Any]) -> list[float]:
    run()
    return StepClock.times


def step_seconds(name: str, work: Work, steps: int) -> list[float]:
    """Return the seconds of the steps of one contender that come after the first ones."""
    quiet_libraries()
    transformers.trainer.DEFAULT_CALLBACKS.append(StepClock)  # type: ignore[arg-type]
    ends = list(CONTENDERS[name](work, steps + WARM_UP))
    return list(map(float, np.diff(ends)[WARM_UP - 1 :]))


def matrix_rate() -> float:
    """Return operations a second of bfloat16 products of 2,048 x 2,048 matrices, the median of 15."""
    x = torch.randn(2048, 2048).bfloat16()
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        F.linear(x, x)
        seconds.append(time.perf_counter() - began)
    return 2 * 2048**3 / float(np.median(seconds[5:]))


def layer_products_seconds(work: Work, tokens: int) -> float:
    """Return the seconds of the matrix products of one step alone, forward and backward, at their own shapes."""
    config = BertConfig.from_pretrained(work.encoder)
    d, inner = config.hidden_size, config.intermediate_size
    tokens = -(-tokens // 64) * 64
    total = 0.0
    for out, width, times in ((d, d, 4), (inner, d, 1), (d, inner, 1)):
        x, weight, grad = (torch.randn(shape).bfloat16() for shape in ((tokens, width), (out, width), (tokens, out)))
        products: list[Callable[[], Tensor]] = [lambda: F.linear(x, weight), lambda: grad @ weight, lambda: grad.T @ x]  # noqa: B023
        for product in products:
            seconds = []
            for _ in range(20):
                began = time.perf_counter()
                product()
                seconds.append(time.perf_counter() - began)
            total += times * float(np.median(seconds[5:]))
    return total * int(config.num_hidden_layers)


def read_work(data: Path, task: str, encoder: str, folder: Path) -> Work:
    """Return texts of a task and the folder of an encoder, with random weights for `base`."""
    chosen = task_named({"qc": "qc-coarse", "20n": "20n"}[task])
    rows = chosen.load("train", data).select(range(N_ROWS[task]))
    names = sorted(set(rows["label"]))
    source = resolve_encoder("minilm")
    if encoder == "base":
        source = str(folder / "base")
        torch.manual_seed(0)
        BertModel(BertConfig()).save_pretrained(source)
        load_tokenizer("minilm").save_pretrained(source)
    return Work(source, rows["text"][:], [names.index(label) for label in rows["label"]], chosen.max_length)


def real_tokens(work: Work, tokenizer: PreTrainedTokenizerBase) -> float:
    """Return the mean number of real tokens of a batch."""
    lengths = [len(ids) for ids in tokenizer(work.texts, truncation=True, max_length=work.max_length)["input_ids"]]
    return BATCH * float(np.mean(lengths))


def measure(work: Work, rounds: int, steps: dict[str, int], only: list[str]) -> dict[str, Any]:
    """Run every contender in turn, `rounds` times, and return the raw seconds and what follows from them."""
    seconds: dict[str, list[float]] = {name: [] for name in only}
    rates: list[float] = []
    for i in range(rounds):
        rates.append(matrix_rate())
        for name in only if i % 2 == 0 else only[::-1]:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                seconds[name].extend(process.submit(step_seconds, name, work, steps[name]).result())
    encoder = AutoModel.from_pretrained(work.encoder)
    parameters = sum(p.numel() for name, p in encoder.named_parameters() if "embeddings" not in name)
    tokens = real_tokens(work, load_tokenizer(work.encoder))
    rate = float(np.median(rates))
    products = layer_products_seconds(work, round(tokens))
    figures = {}
    for name, values in seconds.items():
        step = float(np.median(values))
        figures[name] = {
            "examples_per_second": BATCH / step,
            "tokens_per_second": tokens / step,
            "share_of_matrix_rate": 6 * parameters * tokens / step / rate,
        }
    return {
        "matrix_rate": rate,
        "matrix_rates": rates,
        "real_tokens_per_batch": tokens,
        "parameters_without_embeddings": parameters,
        "share_of_matrix_rate_of_the_products_alone": 6 * parameters * tokens / products / rate,
        "figures": figures,
        "seconds": seconds,
    }


def show(title: str, result: dict[str, Any]) -> None:
    """Print one table."""
    table = Table("", "examples/s", "real tokens/s", "share of matrix rate", "ganbert is faster by", title=title)
    ours = result["figures"].get("c: ganbert", {}).get("examples_per_second")
    for name, row in result["figures"].items():
        table.add_row(
            name,
            f"{row['examples_per_second']:.0f}",
            f"{row['tokens_per_second']:.0f}",
            f"{row['share_of_matrix_rate']:.1%}",
            f"{ours / row['examples_per_second']:.1f}x" if ours else "",
        )
    Console(width=110).print(table)
    print(
        f"bfloat16 matrix rate {result['matrix_rate'] / 1e12:.2f} TFLOP/s; the products of a step alone, at their own "
        f"shapes: {result['share_of_matrix_rate_of_the_products_alone']:.0%} of it"
    )


def main() -> None:
    """Measure what is asked for, print, and write the raw seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/train_step.json"))
    parser.add_argument("--task", choices=("qc", "20n"), nargs="+", default=["qc", "20n"])
    parser.add_argument("--encoder", choices=("minilm", "base"), nargs="+", default=["minilm"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30, help="of ganbert a round; the slower ones take fewer")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    arguments = parser.parse_args()
    quiet_libraries()
    results = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    steps = {name: arguments.steps if name == "c: ganbert" else max(3, arguments.steps // 4) for name in CONTENDERS}
    for encoder in arguments.encoder:
        for task in arguments.task:
            with tempfile.TemporaryDirectory() as folder:
                work = read_work(arguments.data, task, encoder, Path(folder))
                result = measure(work, arguments.rounds, steps, arguments.only)
            title = f"{encoder}, {task}, {work.max_length} tokens at most, batch of {BATCH}"
            show(title, result)
            results[title] = {**result, **provenance()}
            arguments.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
