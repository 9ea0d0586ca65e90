"""What the package exports, and that its layers keep their order."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import ganbert


def test_all_is_what_the_package_shows_and_each_name_comes_from_it() -> None:
    modules = {name for name, value in vars(ganbert).items() if isinstance(value, types.ModuleType)}
    shown = {name for name in vars(ganbert) if not name.startswith("_")} - modules
    assert set(ganbert.__all__) == shown | {"__version__"}
    assert len(set(ganbert.__all__)) == len(ganbert.__all__)


def test_importing_the_package_registers_its_models() -> None:
    code = "import ganbert, transformers; print(type(transformers.AutoConfig.for_model('ganbert')).__name__)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "GanBertConfig"


def test_the_package_is_typed_and_carries_its_sample() -> None:
    folder = Path(ganbert.__file__).parent
    for name in ("py.typed", "data/sample/messages.csv", "data/sample/messages_test.csv"):
        assert (folder / name).is_file(), name


def test_nothing_is_pickled_by_the_package() -> None:
    folder = Path(ganbert.__file__).parent
    for path in folder.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for word in ("import pickle", "torch.save(", "torch.load(", "joblib"):
            assert word not in source, f"{path}: {word}"
