# make run    train a network on handwritten digits and record it
# make test   lint, types, tests
# make slow   the tests that take longer: every command of the docs, kills, other launchers; EFFORT=10 tests all of what is sampled
# make every  all tests in one go, as CI does: they are found once
# make docs   write docs/reference/ from the docstrings, run the notebooks
# make site   the docs as a web site in site/; show it with: python -m http.server -d site
# make wheel  dist/*.whl, for `pip install` elsewhere
# make claims run the experiments of docs/lecture-notes/claims and compare; ONLY=dead_relu for one, WITH=dtype=float64
# make bench  speed, compared with PyTorch and JAX
# make mutants  plant 200 faults, one at a time, and count how many the tests notice (an hour or two)
PYTHON ?= python3
BIN := .venv/bin
# Bytecode is compiled once here; every start would be two seconds slower otherwise.
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode

# Training steps are compiled by the system's C compiler. The extra `fast` brings one where there is none.
FAST := $(if $(shell which $(firstword $(CC)) gcc clang 2>/dev/null),,fast)

# Bytecode of tests and framework is kept, wherever that is switched off: every process would compile them again.
test slow every: export PYTHONDONTWRITEBYTECODE :=
# Tests write thousands of small files, and wait for each to be on the disk: in memory, where there is room, this costs nothing.
# They also load libraries that they compile, which some machines forbid there.
IN_MEMORY := $(shell grep -qs ' /dev/shm .*noexec' /proc/mounts || df --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 4000000 {print "/dev/shm"}')
PYTEST = files=$$(mktemp -d "$(or $(TMPDIR),$(IN_MEMORY),/tmp)/t.XXXXXX") && trap 'rm -rf "$$files"' EXIT INT TERM && \
	TMPDIR="$$files" $(BIN)/python -m pytest -n 2

.PHONY: run lint test slow every docs claims site wheel bench mutants clean

run: .venv/.run
	$(BIN)/stackprop

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(PYTEST) --dist loadfile -m "not slow"

slow: .venv/.test
	$(PYTEST) --dist worksteal -m slow

every: .venv/.test
	$(PYTEST) --dist worksteal

docs: .venv/.run
	$(BIN)/python -m docs._tools.reference
	$(BIN)/python -m docs._tools.floors
	$(BIN)/python -m docs._tools.run_notebooks

claims: .venv/.run
	$(BIN)/python -m docs._tools.claims $(ONLY) $(if $(WITH),--with $(foreach word,$(WITH),'$(word)'))

site: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# By uv, which isolates the build; TO is another folder.
wheel: $(BIN)/uv
	$(BIN)/uv build --quiet --wheel --out-dir $(or $(TO),dist) .

bench: .venv/.bench
	$(BIN)/python -m benchmarks

mutants: .venv/.mutants
	$(BIN)/python tests/mutants.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache

$(BIN)/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv/.run: pyproject.toml $(BIN)/uv
	$(INSTALL) -e '.$(FAST:%=[%])'
	@touch $@

.venv/.test: pyproject.toml $(BIN)/uv
	$(INSTALL) -e '.[optuna,test$(FAST:%=,%)]'
	@touch $@

.venv/.docs: pyproject.toml $(BIN)/uv
	$(INSTALL) -e '.[docs]'
	@touch $@

# pip, not uv: on some machines it chooses the smaller CPU build of PyTorch.
.venv/.bench: .venv/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@

.venv/.mutants: .venv/.test
	$(INSTALL) -e '.[mutants]'
	@touch $@
