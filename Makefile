# Two commands: `make run` and `make test`. Each sets itself up, with the first Python that .ci/python finds, or with
# make run PYTHON=/path/to/python3.13; `make check` is the part of `make test` that neither trains nor runs DVC.
PYTHON ?=
VENV := .venv
# One after the other: two at a time would disturb each other.
BENCHMARKS := start_up surface_distance bfloat16 singan blending cyclegan cpu_steps round_data stage_overhead one_more_experiment slurm_driver review
BIN := $(VENV)/bin
# A file is one process's, for its fixtures; in the order of tests/conftest.py.
PYTEST := OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile --no-loadscope-reorder
# Without what waits for processes, and with no fixture that is dear: a worker a core, each with whatever is left.
QUICK := OMP_NUM_THREADS=1 python -m pytest -n $$(nproc) --dist worksteal
# mypy takes one core for 20 s where it has no cache: beside the tests, and what it says after them.
beside_mypy = said=$$(mktemp); mypy > "$$said" 2>&1 & types=$$!; $(1); tests=$$?; \
	wait $$types; types=$$?; cat "$$said"; rm "$$said"; test $$tests = 0 && test $$types = 0
# dvc and gbaseg are called by name in dvc.yaml
export PATH := $(CURDIR)/$(BIN):$(PATH)
# dvc sends usage statistics to its makers otherwise
export DVC_NO_ANALYTICS := 1
# What pytest makes of the tests' assertions is kept, or each process makes it again, in four seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run check test lint types bench python clean

run: $(VENV)/installed
	@gbaseg run

check: $(VENV)/installed lint
	@$(call beside_mypy,$(QUICK) -m "not training and not processes")

test: $(VENV)/installed lint
	@$(call beside_mypy,$(PYTEST))

lint: $(VENV)/installed
	ruff check .
	ruff format --check .

types: $(VENV)/installed
	mypy

bench: $(VENV)/installed
	@for script in $(BENCHMARKS); do echo "== $$script"; python benchmarks/$$script.py || exit 1; done
	python benchmarks/table.py

$(VENV)/installed: pyproject.toml constraints.txt | python
	test -d $(VENV) || { python=$$(.ci/python $(VENV) "$(PYTHON)") && "$$python" -m venv $(VENV); }
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $@

# A Python that is asked for and is not the environment's is said, and not passed over because there is an environment.
python:
	@test -z "$(PYTHON)" || .ci/python $(VENV) "$(PYTHON)" > /dev/null

clean:
	rm -rf .scratch/* # which may be a link
