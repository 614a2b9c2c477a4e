# make install   a virtual environment in .venv with the pinned dependencies and the project
# make run       the default experiment, with the corpus that it needs
# make check     lint, format, types and the import contract
# make fast      the tests that are not slow: for the inner loop
# make test      all of check, and the whole test suite
# make fuzz      damaged files for everything that reads one: make fuzz SECONDS=600 SEED=1
# make faults    commands that are killed or fail at every write in turn; some of them: make faults CASES=200 SEED=1
# make stateful  a study run, killed, changed and looked at in any order: make stateful SEQUENCES=20 SEED=1
# make audit     security: bandit over the code, pip-audit over the dependencies
# make same      proof that a refactoring changed no result since a commit: make same BASE=COMMIT
# make pictures  those of the documents, from the default experiment's report; needs chromium

PYTHON ?= python3
EXPERIMENT ?= experiments/ladnn_vs_ffdnn.toml

SECONDS ?= 600
SEED ?=
CASES ?=

.PHONY: install run check fast test fuzz faults stateful audit same pictures clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@echo "Installing into .venv: some minutes, and some hundred MB to download (on Linux with a GPU's libraries: GB)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[synthetic,export,dev]'
	@touch .venv/installed

run: install
	@.venv/bin/harness run $(EXPERIMENT)

check: install
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

fast: install
	.venv/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow"

test: check
	.venv/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

fuzz: install
	.venv/bin/python -m tests.fuzz $(SECONDS) $(SEED)

faults: install
	.venv/bin/python -m tests.faults $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED))

stateful: install
	.venv/bin/python -m tests.stateful $(or $(SEQUENCES),20) 12 $(or $(SEED),0)

audit: install
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[audit]'
	.venv/bin/bandit --quiet --recursive --configfile pyproject.toml harness architectures
	.venv/bin/pip-audit --skip-editable --progress-spinner off

same: install
	@test -n "$(BASE)" || { echo "Say what to compare with: make same BASE=COMMIT"; exit 2; }
	.venv/bin/python -m tests.same_results $(BASE)

pictures: run
	.venv/bin/python -m docs.make_pictures reports/ladnn/index.html

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache
