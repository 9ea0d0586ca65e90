"""Models are known to transformers in every order of imports, and Python's import system is left as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from ganbert import GanBertForSequenceClassification

OPEN = """
assert type(transformers.AutoConfig.from_pretrained(folder)).__name__ == "GanBertConfig"
model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
assert type(model).__name__ == "GanBertForSequenceClassification"
assert transformers.pipeline("text-classification", folder)("a red cat")[0]["label"].startswith("LABEL_")
"""


@pytest.fixture(scope="module")
def model_folder(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registered") / "model"
    GanBertForSequenceClassification.from_encoder(tiny_encoder, num_labels=2).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder)
    return folder


def python(code: str, *arguments: str) -> str:
    """Run `code` in a Python of its own and return what it printed."""
    run = subprocess.run([sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(
    "imports",
    [
        "import ganbert, transformers",
        "import transformers, ganbert",
        "import transformers.models.auto.configuration_auto, ganbert",
        "import transformers.models.auto.modeling_auto, ganbert",
        "import ganbert.model.modeling, transformers",
        "import ganbert, transformers.models.auto.modeling_auto, importlib; importlib.reload(ganbert)",
    ],
)
def test_a_model_folder_opens_in_every_order_of_imports(imports: str, model_folder: Path) -> None:
    python(f"import sys; folder = sys.argv[1]; {imports}\n{OPEN}", str(model_folder))


def test_what_the_model_is_made_of_does_not_import_its_registry() -> None:
    # It would import ganbert.model.modeling in the middle of what ganbert.model.modeling needs.
    model = "ganbert.model.config, ganbert.model.encoders, ganbert.model.losses"
    below = "ganbert.model.positions, ganbert.model.networks, ganbert.runtime"
    python(f"import sys, {model}, {below}; assert 'transformers.models.auto.modeling_auto' not in sys.modules")


def test_importing_transformers_alone_does_not_import_our_models() -> None:
    python(
        "import ganbert, sys, transformers; assert not "
        "{'ganbert.model.config', 'ganbert.model.modeling'} & sys.modules.keys()"
    )


def test_the_import_system_sees_nothing_of_it() -> None:
    python(
        """
import importlib, importlib.resources, importlib.util, inspect, pickle, pkgutil, sys
import ganbert
from importlib.machinery import SourceFileLoader

name = "transformers.models.auto.modeling_auto"
assert pickle.loads(pickle.dumps(importlib.util.find_spec(name).loader)).get_filename(name)  # found, never executed
module = importlib.import_module(name)
assert type(module.__loader__) is type(module.__spec__.loader) is SourceFileLoader
assert "MODEL_MAPPING" in inspect.getsource(module)
package = importlib.import_module(module.__package__)
assert "modeling_auto" in {found.name for found in pkgutil.iter_modules(package.__path__)}
assert importlib.resources.files(package).joinpath("modeling_auto.py").is_file()
assert importlib.reload(module) is module
assert type(module.__loader__) is SourceFileLoader
"""
    )


def test_it_does_nothing_where_there_is_no_transformers() -> None:
    python(
        """
import sys
sys.path[:] = [entry for entry in sys.path if not entry.endswith("site-packages")] + sys.argv[1:]
for name in [name for name in sys.modules if name.startswith("__editable__")]:
    del sys.modules[name]
import ganbert
try:
    import transformers.models.auto.modeling_auto
except ModuleNotFoundError as error:
    assert error.name == "transformers", error
else:
    raise AssertionError("transformers is installed after all")
assert ganbert.InputError
""",
        str(Path(__file__).parents[2] / "src"),
    )


def test_an_import_error_of_ours_comes_to_light() -> None:
    python(
        """
import sys, ganbert
sys.modules["ganbert.model.modeling"] = None  # importing it fails
try:
    from transformers import AutoModel
except ImportError as error:
    assert "ganbert.model.modeling" in str(error) + str(error.__cause__)
else:
    raise AssertionError("swallowed")
"""
    )
