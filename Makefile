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

bench: .venv/.dev
	$(BIN)/python -m benchmarks.entmax
	$(BIN)/python -m benchmarks.entmax_limits
	$(BIN)/python -m benchmarks.dates
	$(BIN)/python -m benchmarks.attention_start
	$(BIN)/python -m benchmarks.pooling
	$(BIN)/python -m benchmarks.pooling_model
	$(BIN)/python -m benchmarks.pooling_error
	$(BIN)/python -m benchmarks.pooling_digits
	$(BIN)/python -m benchmarks.slim
	$(BIN)/python -m benchmarks.translate
	$(BIN)/python -m benchmarks.sequences
	$(BIN)/python -m benchmarks.state_vector --task copy multi30k
	$(BIN)/python -m benchmarks.training_parts
	$(BIN)/python -m benchmarks.training_speed
	$(BIN)/python -m benchmarks.corpus_memory
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
