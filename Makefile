# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Small models run faster on one thread.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test quick lint types layers pytest lock clean

demo: $(VENV)/.demo
	$(BIN)/auditkit demo

test: $(VENV)/.test lint types layers pytest

quick: $(VENV)/.test lint types layers
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

layers:
	$(BIN)/lint-imports

pytest:
	$(BIN)/python -m pytest -n 2 --dist worksteal

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@ $(VENV)/.demo

# What a release installs, every file by its hash: needs uv and a package index.
lock:
	uv pip compile pyproject.toml --constraint constraints.txt --generate-hashes --universal --python-version 3.11 \
	  --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.lock
	uv pip compile .ci/release.in --generate-hashes --universal --python-version 3.11 \
	  --no-annotate --custom-compile-command "make lock" --quiet --output-file .ci/release.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache auditkit-demo
