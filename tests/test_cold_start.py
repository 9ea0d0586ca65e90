"""What is not imported: that is why commands begin at once. Modules are checked, never a time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ganbert import GanBertForSequenceClassification
from tests.conftest import tiny_tokenizer

MAIN = "from ganbert.cli import main; main()"
COMPUTING = {"torch", "transformers", "datasets", "sklearn", "scipy", "pandas", "matplotlib", "numpy", "pyarrow"}
"""Libraries that take long to import. (transformers imports scipy together with a model, pyarrow imports pandas.)"""


def imported_by(code: str, *arguments: str) -> set[str]:
    """Run `code` with `arguments` in a Python of its own and return the top-level packages imported at its end."""
    watch = "import atexit, sys; atexit.register(lambda: print('\\n', *{m.split('.')[0] for m in sys.modules}))\n"
    run = subprocess.run([sys.executable, "-c", watch + code, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "command",
    [[], ["suggest"], ["train"], ["evaluate"], ["predict"], ["export"], ["demo"], ["compare"], ["curve"]],
    ids=" ".join,
)
def test_help_imports_no_library_that_computes(command: list[str]) -> None:
    assert not COMPUTING & imported_by(MAIN, *command, "--help")


def test_importing_the_package_imports_none_either() -> None:
    assert not COMPUTING & imported_by("import ganbert; ganbert.InputError; ganbert.__version__")


def test_checking_tables_imports_no_library_that_trains(toy_table: Callable[..., Path]) -> None:
    code = "from pathlib import Path; from ganbert.data.rows import TableOptions, check_tables; "
    imported = imported_by(code + "import sys; check_tables([Path(sys.argv[1])], TableOptions())", str(toy_table()))
    assert "pyarrow" in imported
    assert not {"torch", "transformers", "datasets", "sklearn", "scipy", "matplotlib"} & imported


PREDICT_FROM_A_TABLE = """
import sys
from pathlib import Path
from ganbert.data.cells import text_columns
from ganbert.data.rows import TableOptions, check_tables
from ganbert.data.formats.base import ReadLog
from ganbert.data.tables import TableWriter
from ganbert.data.tokens import TokenFormat, Tokens, length_batches
from tokenizers import Tokenizer, models
path, options = Path(sys.argv[1]), TableOptions()
check_tables([], options, unlabelled=[path])
tokens = Tokens(Tokenizer(models.WordLevel({"?": 0}, "?")), TokenFormat(8))
with TableWriter(path.with_suffix(".jsonl")) as out:
    for chunk in options.chunks(path, ReadLog()):
        ids = tokens(text_columns(chunk, options, path, 1)["text"].to_pylist())["input_ids"]
        for rows, length in length_batches(list(map(len, ids)), lambda n: 8):
            tokens.pad({"input_ids": ids}, rows, length)
        out.write(chunk)
"""


def test_a_table_becomes_padded_tokens_without_the_libraries_of_training(toy_table: Callable[..., Path]) -> None:
    imported = imported_by(PREDICT_FROM_A_TABLE, str(toy_table()))
    assert {"pyarrow", "tokenizers"} <= imported
    assert not {"torch", "transformers", "datasets", "sklearn", "scipy", "matplotlib"} & imported


@pytest.fixture(scope="module")
def model(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cold") / "model"
    GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=3).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def test_predict_imports_only_what_it_computes_with(
    model: Path, toy_table: Callable[..., Path], tmp_path: Path
) -> None:
    imported = imported_by(MAIN, "predict", str(model), str(toy_table()), "--output", str(tmp_path / "out.csv"))
    assert "torch" in imported
    assert not {"datasets", "sklearn", "matplotlib"} & imported


def test_evaluate_imports_no_plots(model: Path, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\na cat,LABEL_0\n", encoding="utf-8")
    imported = imported_by(MAIN, "evaluate", str(model), str(tmp_path / "test.csv"))
    assert "torch" in imported
    assert "matplotlib" not in imported
