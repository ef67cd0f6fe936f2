# One door: `make check` is what continuous integration runs.
PYTHON ?= python
JOBS ?= 2

.PHONY: check lint types layers quick slow test fix generated benchmark

check: lint types layers test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

layers:
	$(PYTHON) -c "from importlinter.cli import lint_imports_command as main; main()" --no-cache

test:
	$(PYTHON) -m pytest -n $(JOBS)

quick:
	$(PYTHON) -m pytest -n $(JOBS) -m "not slow"

slow:
	$(PYTHON) -m pytest -n $(JOBS) -m slow

fix:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

generated:
	$(PYTHON) -m tests.rebuild generated

benchmark:
	$(PYTHON) benchmarks/scaling.py
