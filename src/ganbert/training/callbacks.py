"""What happens beside the steps: progress, a log on disk, whole checkpoints, early stopping, a clean end on a signal.

The health watch is a callback, too; it has a module of its own.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import PartialState
from transformers import ProgressCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ganbert.errors import InterruptedRunError, RunError
from ganbert.runtime import any_process, n_processes
from ganbert.storage.disk import write_whole
from ganbert.training.run_folder import checkpoint_of, keep_checkpoint

LOG_FILE = "training_log.jsonl"


class QuietProgress(ProgressCallback):
    """The Trainer's progress bar without its print-outs: standard output belongs to results."""

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:  # type: ignore[override]
        """Show nothing: losses and the like are for the log, which says what they are."""

    def close(self) -> None:
        """End the bars of a run that ended in an error, so that the next line on the screen is its own."""
        for bar in (self.prediction_bar, self.training_bar):
            if bar is not None:
                bar.close()


class StepCount(TrainerCallback):
    """Calls a function after each step with the number of steps taken."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.tell = tell

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Call it."""
        self.tell(state.global_step)


class LogFile(TrainerCallback):
    """Writes every log record as a line of JSON as it comes."""

    def __init__(self, output: Path) -> None:
        self.path = output / LOG_FILE

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start with what a resumed run had logged up to its checkpoint; a new run starts empty."""
        if not state.is_world_process_zero:
            return
        write_whole(self.path, "".join(json.dumps(record) + "\n" for record in state.log_history))

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Append the newest record."""
        if not state.is_world_process_zero:
            return
        if not self.path.exists():  # before the next checkpoint makes the folder again
            raise RunError(f"step {state.global_step}: {self.path} was removed while the run was going on")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(state.log_history[-1]) + "\n")


def last_step(output: Path) -> int:
    """Return the step at which the run in a folder ended."""
    last = (output / LOG_FILE).read_text(encoding="utf-8").rstrip("\n").rpartition("\n")[2]
    return int(json.loads(last)["step"])


class WholeCheckpoints(TrainerCallback):
    """Marks each checkpoint as whole once it is on the disk; only then do the older ones go, except the best."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Find the best checkpoint so far in this folder, which may have had another name when the run was begun."""
        if state.best_global_step:
            state.best_model_checkpoint = str(checkpoint_of(_output(args), state.best_global_step))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Keep the newest checkpoint and the best one."""
        PartialState().wait_for_everyone()  # each process has written the state of its random numbers
        if state.is_world_process_zero:
            keep_checkpoint(checkpoint_of(_output(args), state.global_step), state.best_model_checkpoint)


def _output(args: TrainingArguments) -> Path:
    return Path(args.output_dir or ".")


class EarlyStopping(TrainerCallback):
    """Ends a run after so many validations without a better figure.

    It counts them in the log, which a resumed run has as well. The one of transformers keeps a count of its own;
    resuming with it a run that was begun without it is a `KeyError` at the next checkpoint.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Look at all validations so far."""
        metric = f"eval_{args.metric_for_best_model}"
        measured = [record[metric] for record in state.log_history if metric in record]
        if len(measured) - 1 - measured.index(max(measured)) >= self.patience:
            control.should_training_stop = True


class StopOnSignal(TrainerCallback):
    """Lets SIGTERM and Ctrl-C end a run where it can go on later; a second Ctrl-C ends it at once.

    In training that is after the step, with a checkpoint. Between a teacher's steps and a student's, whoever works
    there asks `came` or looks at `received`.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        """Take over the signals, where this thread may."""
        for number in self.SIGNALS:
            try:
                self._previous[number] = signal.signal(number, self._on_signal)
            except ValueError:  # only the main thread may; elsewhere the host program decides
                break
        return self

    def __exit__(self, *error: object) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
        self.say(f"{signal.Signals(number).name}: stopping as soon as what is done is saved ...")

    def came(self, device: torch.device) -> bool:
        """Whether a signal has come to any of the processes that train together; all of them must ask."""
        return any_process(self.received is not None, device)

    def interruption(self, where: str) -> InterruptedRunError:
        """Return the error that ends the run; `where` it stopped, and what is saved."""
        return InterruptedRunError(
            f"stopped {where}. The same command with --resume goes on from there.", self.received or signal.SIGTERM
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Ask the Trainer for a checkpoint and the end, in all processes after the same step."""
        if n_processes() > 1 and not control.should_log:
            return
        if self.came(args.device):
            control.should_save = True
            control.should_training_stop = True
