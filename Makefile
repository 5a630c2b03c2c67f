# Two commands: `make demo` and `make test`. Everything lands in .venv; nothing else is touched.
# Where torch's CUDA build is not wanted: make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON   ?= python3
VENV     ?= .venv
PIP_ARGS ?=
OUT      ?= runs/demo
PYTEST_ARGS ?= -n auto --dist loadfile --no-loadscope-reorder

BIN := $(VENV)/bin

.PHONY: help demo test lint install install-all clean

help:
	@echo "make demo     install, run the sample suite, print the table, write the report ($(OUT))"
	@echo "make test     install everything the tests need, then run them"
	@echo "make lint     ruff, formatting, types"
	@echo "make clean    remove $(VENV) and caches (not the weights, not your runs)"

demo: install
	$(BIN)/talkbench demo --out $(OUT)

test: install-all
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: install-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(VENV)/.core
install-all: $(VENV)/.all

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "talkbench needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "no venv module; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) -c constraints.txt -e .
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) -c constraints.txt -e ".[all,dev]"
	@touch $@ $(VENV)/.core

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache *.egg-info
