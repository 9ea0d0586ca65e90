# Two commands for a fresh machine with Python 3.11+ and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-lowest test-newest torture check format bench results docs clean

demo: $(VENV)/.installed  ## Train on the built-in sample and show what comes out
	$(BIN)/ganbert demo --output demo-model

test: check  ## Every check and every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term -q  # two workers, so one thread each

test-lowest: .venv-lowest/.installed  ## Every test with the lowest versions that pyproject.toml allows, on the oldest Python
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 --dist worksteal -q

test-newest:  ## Every test with the newest versions there are, whatever constraints.txt says
	rm -rf .venv-newest
	$(MAKE) .venv-newest/.installed
	OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -n 2 --dist worksteal -q

torture: $(VENV)/.installed  ## An hour of hostile tables, folders, kills and faults, with fresh seeds (docs/reliability.md)
	$(BIN)/python -m tests.torture --tables 10000 --configs 1000 --settings 300 --folders 200 --kills 200 --faults 50

check: $(VENV)/.installed  ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed  ## Put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed  ## Measure speed on this machine, in ratios (hours; needs the data: see benchmarks/)
	$(BIN)/python -m benchmarks.train_step
	$(BIN)/python -m benchmarks.adversary_cost
	$(BIN)/python -m benchmarks.predict
	$(BIN)/python -m benchmarks.scale
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fast_path

results: $(VENV)/.installed  ## Write every table and picture of the results pages anew, from the rows in results/
	$(BIN)/python -m benchmarks.pages

docs: $(VENV)/.installed  ## Build the documentation in site/; a warning, such as a link to nowhere, is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Installed once; again when the project's needs or the pins change.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

# Here torch is the one of PyPI, with several GB for GPUs; UV_TORCH_BACKEND=cpu takes PyTorch's own index instead.
.venv-lowest/.installed: PYTHON = python3.11
.venv-lowest/.installed: RESOLUTION = --resolution lowest-direct
.venv-%/.installed: pyproject.toml
	rm -rf .venv-$*
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet uv
	.venv-$*/bin/uv pip install --quiet --python .venv-$* $(RESOLUTION) --editable '.[dev]'
	touch $@

clean:  ## Remove what the commands above made
	rm -rf $(VENV) .venv-lowest .venv-newest demo-model dist site
