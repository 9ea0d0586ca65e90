"""The teacher: it labels, once, the unlabelled rows that its student will meet; it may stand on another encoder."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, TrainingArguments

from ganbert import GanBertForSequenceClassification, GanBertTrainer, Predictor, Recipe
from ganbert.data.corpus import Corpus
from ganbert.data.encode import encode
from ganbert.data.tokens import Collator, Tokens
from ganbert.errors import InputError, InterruptedRunError
from ganbert.predict.torch_backend import Encoder
from ganbert.runtime import choose_compute
from ganbert.select.clusters import Clusters, unit
from ganbert.training.callbacks import StopOnSignal
from ganbert.training.recipe import BERT, DEFAULT
from ganbert.training.report import TrainingResult
from ganbert.training.soft_targets import SoftTargets
from ganbert.training.train import train
from tests.conftest import VOCABULARY, tiny_tokenizer, toy_corpus

TAUGHT = replace(DEFAULT, max_steps=10, batch_size=16, looks_needed=0.0, cluster_weight=0.0)
Train = Callable[..., TrainingResult]


@pytest.fixture
def run(tiny_encoder: str, tmp_path: Path) -> Train:
    def run(recipe: Recipe = TAUGHT, name: str = "model", corpus: Corpus | None = None, **given: Any) -> TrainingResult:
        options: dict[str, Any] = {"encoder": tiny_encoder, "progress": False, "say": lambda message: None, **given}
        return train(recipe, corpus or toy_corpus(), tmp_path / name, **options)

    return run


@pytest.fixture(scope="session")
def other_encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A larger encoder with other token ids, which states that its text vector is the mean."""
    folder = tmp_path_factory.mktemp("other-encoder")
    torch.manual_seed(1)
    BertModel(
        BertConfig(
            vocab_size=len(VOCABULARY) + 100, hidden_size=48, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=64,
        )
    ).save_pretrained(folder)  # fmt: skip
    tokenizer = json.loads(tiny_tokenizer().backend_tokenizer.to_str())
    tokenizer["model"]["vocab"] = {
        word: number if number < 4 else number + 100 for word, number in tokenizer["model"]["vocab"].items()
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), model_max_length=64, **special
    ).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return str(folder)


def weights(result: TrainingResult) -> bytes:
    return (result.output / "model.safetensors").read_bytes()


def stop_at(step: int, number: int = signal.SIGTERM) -> Callable[[int, int], None]:
    return lambda taken, of: os.kill(os.getpid(), number) if taken == step else None


# What it says


@pytest.fixture
def taught(run: Train, tmp_path: Path) -> tuple[Path, Corpus]:
    """The folder of a finished teacher, whose student was stopped after its first step; and the corpus of both."""
    corpus = toy_corpus(2000, 30)  # more than are labelled at once, and many more than the steps show
    with pytest.raises(InterruptedRunError):
        run(replace(TAUGHT, max_steps=200, pooling="mean"), corpus=corpus, on_step=stop_at(101))
    return tmp_path / "model" / "teacher", corpus


def shown(rows: Any, n: int) -> NDArray[np.int64]:
    """Return how often each of n rows is met: these once."""
    times = np.zeros(n, dtype=np.int64)
    times[rows] = 1
    return times


def column_of(folder: Path) -> list[list[float]]:
    with pa.memory_map(str(folder / "soft_targets.arrow")) as file:
        found: list[list[float]] = pa.ipc.open_stream(file).read_all()["soft_targets"].to_pylist()
    return found


def test_it_says_what_it_thinks_of_the_rows_that_the_student_meets(taught: tuple[Path, Corpus]) -> None:
    folder, corpus = taught
    said = column_of(folder)
    assert len(said) == 2000
    assert all(said[row] == [0.0, 0.0, 0.0] for row in corpus.labelled)
    met = [row for row in corpus.unlabelled if said[row]]
    assert 512 < len(met) <= 100 * 8  # each of 100 steps shows 8 rows
    expected = Predictor.load(folder).predict(corpus.train[met]["text"]).probabilities
    np.testing.assert_allclose(np.array([said[row] for row in met]), expected, rtol=1e-4, atol=1e-5)
    assert np.array([said[row] for row in met]).std(axis=0).min() > 0  # not the same of all


def test_what_it_said_is_found_again_if_it_is_whole_of_these_rows_and_of_this_teacher(
    taught: tuple[Path, Corpus], tiny_encoder: str
) -> None:
    folder, corpus = taught
    met = np.array([row for row, said in enumerate(column_of(folder)) if said and row not in set(corpus.labelled)])

    def targets(rows: Any = met, corpus: Corpus = corpus, weight: float = 0.0) -> SoftTargets:
        return SoftTargets(folder, corpus, shown(rows, len(corpus.train)), weight)

    found = targets().read()
    assert found is not None
    assert Path(found.cache_files[0]["filename"]) == folder / "soft_targets.arrow"  # mapped, not read
    assert targets(met[1:]).read() is None
    assert targets(weight=0.5).read() is None
    fewer = replace(corpus, train=corpus.train.select(range(1999)))
    assert targets(met[met < 1999], fewer).read() is None
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"sha256": {\n', '"sha256": {"model.0": "1",\n'))
    assert targets().read() is None
    (folder / "manifest.json").write_text(manifest)
    assert targets().read() is not None
    file = folder / "soft_targets.arrow"
    file.write_bytes(file.read_bytes()[:-3000])
    assert targets().read() is None


def test_a_signal_leaves_no_file_and_a_student_with_no_row_to_ask_about_gets_zeros(
    taught: tuple[Path, Corpus],
) -> None:
    folder, corpus = taught
    (folder / "soft_targets.arrow").unlink()
    stop = StopOnSignal(lambda message: None)
    SoftTargets(folder, corpus, shown([], 2000), 0.5).write(choose_compute(), stop, progress=False)
    assert column_of(folder) == [[0.0] * 3] * 30 + [[]] * 1970
    (folder / "soft_targets.arrow").unlink()
    stop.received = signal.SIGTERM
    with pytest.raises(InterruptedRunError, match="while the teacher labelled rows; the teacher is saved"):
        SoftTargets(folder, corpus, shown(corpus.unlabelled, 2000), 0.0).write(choose_compute(), stop, progress=False)
    assert {path.name for path in folder.iterdir()} & {"soft_targets.arrow", "part"} == set()
    assert not list(folder.glob(".*.part"))


def test_clusters_around_labels_and_names_draw_what_it_says(
    run: Train, taught: tuple[Path, Corpus], tiny_encoder: str
) -> None:
    """Between its own probabilities and theirs lies their geometric mean, and with all the weight theirs alone."""
    folder, corpus = taught
    corpus = replace(corpus, class_names={"tool": ("hammer", "saw")})
    met = corpus.unlabelled[:700]
    said = {}
    for weight in (0.0, 0.5, 1.0):
        SoftTargets(folder, corpus, shown(met, 2002), weight).write(
            choose_compute("cpu", "float32"), StopOnSignal(print), progress=False
        )
        column = column_of(folder)
        assert column[2000:] == [[0.0] * 3] * 2  # the rows of the names
        said[weight] = np.array([column[row] for row in met])
    between = np.sqrt(said[0.0] * said[1.0])
    np.testing.assert_allclose(said[0.5], between / between.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-5)

    encoder = Encoder(str(folder), 64, choose_compute("cpu", "float32"))
    names = {list(corpus.label_names).index("tool"): unit(encoder(["hammer", "saw"]))}
    texts = corpus.train["text"][:]
    blocks = [corpus.labelled, met[:512], met[512:]]  # as it does: in others the last digits differ, which matters here
    vectors = unit(np.concatenate([encoder([texts[row] for row in block]) for block in blocks]))
    labels = np.concatenate([corpus.labels[corpus.labelled], np.full(700, -100)])
    clusters = Clusters(3, names).fit(vectors, labels)
    np.testing.assert_allclose(said[1.0], np.exp(clusters.predict_log_proba(vectors[30:])), rtol=1e-3, atol=1e-5)


def test_without_any_label_the_clusters_of_the_names_are_what_the_student_learns(run: Train) -> None:
    names = {"colour": ("red", "ruby"), "animal": ("cat", "cow"), "tool": ("saw", "file")}
    corpus = replace(toy_corpus(300, 0, test=90), class_names=names)
    result = run(replace(TAUGHT, max_steps=100, pooling="mean", encoder_lr=1e-3), corpus=corpus)
    assert result.counts["labelled"] == 0
    assert result.test is not None
    assert result.test.figures["accuracy"] > 0.6  # by chance 0.33


# How it is used


def test_a_student_goes_on_from_its_teacher_if_they_share_an_encoder(run: Train, other_encoder: str) -> None:
    """With a rate of almost 0 the student stays what its teacher was; on another encoder it begins anew."""
    still = replace(TAUGHT, encoder_lr=1e-12, discriminator_lr=1e-12, weight_decay=0.0)
    own = run(still, "own")
    colder = run(replace(still, warm_start=False), "cold")
    other = run(still, "other", teacher_encoder=other_encoder)
    name = "discriminator.hidden.weight"
    of = {key: load_file(result.output / "model.safetensors")[name] for key, result in
          (("own", own), ("cold", colder), ("other", other))}  # fmt: skip
    assert torch.allclose(of["cold"], of["other"], atol=1e-6)
    assert not torch.allclose(of["own"], of["cold"], atol=1e-3)


def test_a_trainer_by_itself_takes_soft_targets_as_a_column_of_its_rows(tiny_encoder: str, tmp_path: Path) -> None:
    """Its loss is that of the model with these targets, times the recipe's weight."""
    corpus = toy_corpus(16, 4)
    model = GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=3, adversarial=False, dropout=0.0)
    tokenizer = tiny_tokenizer()
    rows = encode(corpus.train, tokenizer)[0].remove_columns("length")
    targets = [[0.0] * 3] * 4 + [[0.5, 0.25, 0.25]] * 12
    rows = concatenate_datasets([rows, Dataset.from_dict({"soft_targets": targets})], axis=1)
    arguments = TrainingArguments(
        str(tmp_path), use_cpu=True, report_to="none", max_steps=1, logging_steps=1, save_strategy="no",
        disable_tqdm=True, per_device_train_batch_size=16, label_names=["labels"],
    )  # fmt: skip
    collate = Collator(Tokens.of(tokenizer))
    batch = collate([rows[i] for i in range(16)])
    assert batch["soft_targets"].dtype == torch.float32
    assert batch["soft_targets"].tolist() == targets
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        logits = model.train()(**batch).logits
    expected = -(logits[4:].log_softmax(dim=-1) * torch.tensor([0.5, 0.25, 0.25])).sum(dim=-1).mean()
    trainer = GanBertTrainer(
        recipe=Recipe(teacher_weight=3.0), model=model, args=arguments, train_dataset=rows, data_collator=collate
    )
    trainer.train()
    assert trainer.state.log_history[0]["loss_distillation"] == pytest.approx(3 * float(expected), rel=1e-4)


def test_nothing_of_the_teacher_is_left_at_the_end(run: Train) -> None:
    result = run()
    assert not (result.output / "teacher").exists()
    assert not list(result.output.rglob("*.arrow"))


# Its encoder


def test_a_teacher_on_another_encoder_has_its_own_tokens_pooling_and_steps(
    run: Train, other_encoder: str, tmp_path: Path
) -> None:
    said: list[str] = []
    recipe = replace(TAUGHT, teacher_steps=4, pooling="cls")
    with pytest.raises(InterruptedRunError):
        run(recipe, teacher_encoder=other_encoder, on_step=stop_at(5), say=said.append)
    teacher = GanBertForSequenceClassification.from_pretrained(tmp_path / "model" / "teacher")
    assert (teacher.config.hidden_size, teacher.config.pooling) == (48, "mean")
    assert json.loads((tmp_path / "model" / "run.json").read_text())["teacher_encoder"] == other_encoder
    assert any(line.startswith("The first 4 of 14 steps train a teacher") for line in said)
    assert any(line.startswith("The teacher labels ") for line in said)
    predictor = Predictor.load(tmp_path / "model" / "teacher")
    assert predictor.tokens(["red"])["input_ids"] == [[2, VOCABULARY.index("red") + 100, 3]]

    with pytest.raises(InputError, match="was begun with other teacher_encoder"):
        run(recipe, resume=True)
    resumed = run(recipe, teacher_encoder=other_encoder, resume=True)
    whole = run(recipe, "whole", teacher_encoder=other_encoder)
    assert weights(resumed) == weights(whole)
    assert (whole.steps, whole.model.config.hidden_size, whole.model.config.pooling) == (14, 32, "cls")
    assert weights(run(recipe, "own")) != weights(whole)
    card = (whole.output / "README.md").read_text()
    assert f"with a teacher on {other_encoder}" in card.replace("\\", "")


def test_tokens_are_those_of_teacher_and_student(run: Train, other_encoder: str) -> None:
    """The two tokenizers of this test cut alike, so a teacher on either encoder reads equally many tokens."""
    same, other = run(), run(name="other", teacher_encoder=other_encoder)
    assert same.tokens == other.tokens > 0
    assert same.labelled_shown == other.labelled_shown


@pytest.mark.parametrize(
    ("recipe", "encoder", "message"),
    [
        (TAUGHT, "nowhere-at-all", "the teacher's encoder 'nowhere-at-all': no such folder"),
        (replace(BERT, max_steps=2), "minilm", "--teacher-encoder 'minilm': this recipe has no teacher"),
    ],
)
def test_a_teacher_that_cannot_be_had_is_refused_before_anything_is_written(
    run: Train, tmp_path: Path, recipe: Recipe, encoder: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(recipe, teacher_encoder=encoder)
    assert not (tmp_path / "model").exists()


def test_an_output_folder_that_holds_the_teacher_s_encoder_is_refused(
    run: Train, other_encoder: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model" / "encoder"
    folder.parent.mkdir()
    folder.symlink_to(other_encoder)
    with pytest.raises(InputError, match="is an input and lies in the output folder"):
        run(teacher_encoder=str(folder))


def test_a_run_that_falls_back_to_labelled_rows_needs_no_teacher(run: Train, tiny_encoder: str) -> None:
    result = run(replace(TAUGHT, looks_needed=1000.0), teacher_encoder="nowhere-at-all")
    assert result.fallback is not None
    assert result.teacher_encoder is None
    assert "teacher on" not in (result.output / "README.md").read_text()


# When it is stopped


@pytest.mark.parametrize(
    ("step", "where"),
    [
        (2, "at step 3 of 5; a checkpoint is saved"),
        (4, "before the teacher labelled rows; the teacher is saved"),
        (5, "before the teacher labelled rows; the teacher is saved"),
        (6, "at step 2 of 5; a checkpoint is saved"),
    ],
)
def test_a_signal_is_heeded_in_any_step(run: Train, step: int, where: str) -> None:
    with pytest.raises(InterruptedRunError, match=f"stopped {where}.*--resume") as stopped:
        run(on_step=stop_at(step, signal.SIGINT))
    assert stopped.value.signal_number == signal.SIGINT
    assert weights(run(resume=True)) == weights(run(name="whole"))


def test_a_signal_while_it_labels_is_heeded_and_it_is_not_trained_again(
    run: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_texts = Encoder.__call__

    def interrupted(self: Encoder, *args: Any, **kwargs: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return encode_texts(self, *args, **kwargs)

    monkeypatch.setattr("ganbert.training.soft_targets.AT_ONCE", 8)
    monkeypatch.setattr(Encoder, "__call__", interrupted)
    with pytest.raises(InterruptedRunError, match="while the teacher labelled rows; the teacher is saved"):
        run()
    teacher = tmp_path / "model" / "teacher"
    assert not (teacher / "soft_targets.arrow").exists()
    assert not list((tmp_path / "model").glob("checkpoint-*"))
    trained = (teacher / "model.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(Encoder, "__call__", encode_texts)
    with pytest.raises(InterruptedRunError, match="at step 2 of 5"):
        run(resume=True, on_step=stop_at(6))
    assert (teacher / "model.safetensors").stat().st_mtime_ns == trained
    labelled = (teacher / "soft_targets.arrow").stat().st_mtime_ns
    said: list[str] = []
    with pytest.raises(InterruptedRunError):
        run(resume=True, on_step=stop_at(8), say=said.append)  # of ten
    assert (teacher / "soft_targets.arrow").stat().st_mtime_ns == labelled
    assert not any(line.startswith("The teacher labels") for line in said)
    assert weights(run(resume=True)) == weights(run(name="whole"))
