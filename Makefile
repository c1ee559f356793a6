# Every target makes .venv first where it is missing; nothing is installed outside of it.
.PHONY: demo test test-all lint bench docs gpu-test clean
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

demo: .venv/.user
	$(BIN)/huashi train dates

# Two processes: most tests are one thread, and compile. Threads that wait must not spin beside them.
# Files are taken in the order of tests/conftest.py, the longest first.
PYTEST := OMP_WAIT_POLICY=passive $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/.dev
	$(PYTEST)

test-all: .venv/.dev
	$(PYTEST) -m ""

gpu-test: .venv/.dev
	$(BIN)/pytest -m gpu

lint: .venv/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright

# Every script, one after the other: hours. The tables of README and docs follow.
BENCHMARKS := $(filter-out harness tables,$(basename $(notdir $(wildcard benchmarks/*.py))))

bench: .venv/.dev
	set -e; for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name; done
	$(BIN)/python -m benchmarks.tables

docs: .venv/.docs
	$(BIN)/mkdocs build --strict

# What is installed is kept up with pyproject.toml and constraints.txt.
.venv/.user: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --upgrade pip
	$(PIP) --editable .
	touch $@

.venv/.dev: .venv/.user
	$(PIP) --group dev
	touch $@

.venv/.docs: .venv/.user
	$(PIP) --group docs
	touch $@

clean:
	rm -rf .venv site
