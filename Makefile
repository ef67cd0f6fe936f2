# One door. Every target first sets up an environment of its own in $(VENV), if there is none.
#   make example    derive, typeset, emit and check an example network into out/
#   make check      lint, types, layers, all tests: what continuous integration runs
VENV ?= .venv
PYTHON3 ?= python3
JOBS ?= 2
OUT ?= out
PYTHON = $(VENV)/bin/python

.PHONY: check example lint types layers test quick fix generated benchmark clean

check: lint types layers test

example: $(VENV)/ready
	$(VENV)/bin/symbackprop build symbackprop/gallery/seed_003.toml -o $(OUT)

lint: $(VENV)/ready
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types: $(VENV)/ready
	$(PYTHON) -m mypy

layers: $(VENV)/ready
	$(VENV)/bin/lint-imports --no-cache

test: $(VENV)/ready
	$(PYTHON) -m pytest -n $(JOBS)

quick: $(VENV)/ready
	$(PYTHON) -m pytest -n $(JOBS) -m "not slow"

fix: $(VENV)/ready
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

generated: $(VENV)/ready
	$(PYTHON) -m pytest -q tests/e2e/test_generated.py tests/e2e/test_readme.py tests/verify/test_docs.py -k 'committed or tables' --update-golden

benchmark: $(VENV)/ready
	$(PYTHON) -m pip install -q -e ".[benchmarks]"
	$(PYTHON) benchmarks/scaling.py

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/ready: pyproject.toml
	$(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install -q --upgrade "pip>=25.1"
	$(PYTHON) -m pip install -q -e ".[pdf]" --group dev
	touch $@
