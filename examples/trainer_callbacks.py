"""Train with GanBertTrainer by itself: your own data sets, arguments and callbacks, as with any `transformers.Trainer`.

python examples/trainer_callbacks.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, load_dataset
from transformers import (
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from ganbert import PAPER, GanBertForSequenceClassification, GanBertTrainer
from ganbert.data import sample

UNLABELLED = -100
"""What stands for "no label" in a batch."""


class WatchTheGame(TrainerCallback):
    """Prints how well D tells real texts from invented ones: the two figures should stay apart, and off 0 and 1."""

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Print the two figures of the last log record."""
        record = state.log_history[-1]
        if "p_fake_real" in record:
            real, invented = record["p_fake_real"], record["p_fake_generated"]
            print(f"step {state.global_step}: taken for invented: real {real:.2f}, invented {invented:.2f}")


def main(encoder: str, output: Path = Path("model-of-trainer"), max_steps: int = 150) -> dict[str, float]:
    """Train on the built-in sample, leave the model in `output`, and return figures on the test rows."""
    tables = load_dataset("csv", data_files={"train": str(sample.TRAIN), "test": str(sample.TEST)})
    names = sorted(label for label in set(tables["train"]["label"]) if label is not None)
    tokenizer = AutoTokenizer.from_pretrained(encoder)

    def convert(rows: dict[str, list[Any]]) -> dict[str, Any]:
        labels = [UNLABELLED if label is None else names.index(label) for label in rows["label"]]
        return {**tokenizer(rows["text"], truncation=True, max_length=PAPER.max_length), "labels": labels}

    def rows_of(part: str) -> Dataset:
        return tables[part].map(convert, batched=True, remove_columns=["text", "label"])

    def accuracy(prediction: EvalPrediction) -> dict[str, float]:
        guesses = np.asarray(prediction.predictions).argmax(axis=-1)
        return {"accuracy": float((guesses == prediction.label_ids).mean())}

    model = GanBertForSequenceClassification.from_encoder(
        encoder, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}
    )
    trainer = GanBertTrainer(
        recipe=PAPER,
        model=model,
        args=TrainingArguments(
            output_dir=str(output),
            max_steps=max_steps,
            per_device_train_batch_size=64,
            logging_steps=max(1, max_steps // 10),
            label_names=["labels"],
            save_strategy="no",
            report_to="none",
            dataloader_pin_memory=torch.cuda.is_available(),
            disable_tqdm=True,
        ),
        train_dataset=rows_of("train"),
        eval_dataset=rows_of("test"),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_metrics=accuracy,
        callbacks=[WatchTheGame()],
    )
    trainer.train()
    trainer.save_model()  # without the generator
    figures: dict[str, float] = trainer.evaluate()
    return figures


if __name__ == "__main__":
    print(main("sentence-transformers/all-MiniLM-L6-v2"))
