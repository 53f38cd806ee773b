# Two commands: `make run` and `make test`. Each sets itself up. `make check` is the part of `make test` that trains nothing.
PYTHON ?= python3.11
VENV := .venv
# One after the other: two at a time would disturb each other.
BENCHMARKS := start_up surface_distance bfloat16 singan cyclegan cpu_steps round_data
BIN := $(VENV)/bin
# A file is one process's, for its fixtures; in the order of tests/conftest.py.
PYTEST := OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile --no-loadscope-reorder
# dvc and gbaseg are called by name in dvc.yaml
export PATH := $(CURDIR)/$(BIN):$(PATH)
# dvc sends usage statistics to its makers otherwise
export DVC_NO_ANALYTICS := 1

.PHONY: run check test lint types bench clean

run: $(VENV)/installed
	dvc repro
	gbaseg show

check: $(VENV)/installed lint types
	$(PYTEST) -m "not training"

test: $(VENV)/installed lint types
	$(PYTEST)

lint: $(VENV)/installed
	ruff check .
	ruff format --check .

types: $(VENV)/installed
	mypy

bench: $(VENV)/installed
	@for script in $(BENCHMARKS); do echo "== $$script"; python benchmarks/$$script.py || exit 1; done
	python benchmarks/table.py

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "gbaseg needs Python 3.11 (nnU-Net imports distutils); say which: make PYTHON=/path/to/python3.11")'
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .scratch/* # which may be a link
