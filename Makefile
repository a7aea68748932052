# make report   the embedded model on a scan: make report [SCAN=path/to/scan] [OUT=out]
# make test     lint, types, layers and the CPU test suite
# make gpu      checks and times the kernels on a CUDA device; compile-gate: compiles them without one
VENV ?= .venv
SCAN ?= example
OUT ?= out
BIN := $(VENV)/bin
PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,python3)

.PHONY: report test lint types layers unit test-slow compile-gate gpu bench train evaluate setup setup-dev clean

report: setup
	$(BIN)/vol3d report "$(SCAN)" -o "$(OUT)"

test: setup-dev lint types layers unit

setup:
	@scripts/setup_venv.sh $(VENV)

setup-dev:
	@scripts/setup_venv.sh $(VENV) dev

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell vol3d kernels configs scripts tests notebooks *.md

types: setup-dev
	$(BIN)/mypy

layers: setup-dev
	$(BIN)/lint-imports

unit: setup-dev
	$(BIN)/pytest -n 2 --dist loadfile

test-slow: setup-dev
	$(BIN)/pytest -m slow

# needs torch and triton alone, and no installed vol3d
compile-gate:
	$(PYTHON) kernels/benchmarks/compile_gate.py

gpu:
	$(PYTHON) kernels/benchmarks/run.py

bench: setup-dev
	$(BIN)/python scripts/bench_preprocess.py

train: setup-dev
	$(BIN)/vol3d train configs/train/embedded.yaml -o "$(OUT)"

evaluate: setup-dev
	$(BIN)/python scripts/evaluate_embedded.py --model embedded --out "$(OUT)/evaluation.json"

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache
