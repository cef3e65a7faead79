# `make demo` maps the rate landscape of 5,000 real digits; `make test` runs the tests, and `make campaign` those that
# take long, such as dozens of kills of each kind of sweep. `make campaign-reliability` stops commands at every file
# operation, and feeds every door damaged files: hours of it, of which `make test` runs another share each time.
# `make docs` builds the documentation site; it needs npm, too.
# Each installs what it needs, at the versions of constraints.txt, into .venv: Python >= 3.11 with pip is enough.

PYTHON ?= python3
DEMO_OUT ?= demo
DEMO_OPTIONS ?= --data.name mnist-5k --training.epochs 28 --training.batch 64 --evaluation.samples 1000 --evaluation.judge-epochs 4
TEST_PROCESSES ?= 2
TEST_OPTIONS ?=
RELEASE_OPTIONS ?=
CAMPAIGN_OUT ?= reliability
CAMPAIGN_OPTIONS ?=

BIN := .venv/bin

# Where this is set, as in many containers, each process compiles all that it imports: twice as long for PyTorch alone.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test campaign campaign-reliability docs lint lint-web format release-check licences clean

demo: .venv/demo.stamp
	$(BIN)/ratescape map $(DEMO_OPTIONS) --out $(DEMO_OUT)

# Processes of one thread each are faster than one process of many; tests of a file share its fixtures, so stay together.
test: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(TEST_OPTIONS)

campaign: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m campaign $(TEST_OPTIONS)

campaign-reliability: .venv/dev.stamp
	@for name in crash failure power signals limits workers kills memory ray files words; do echo "$$name ..."; OMP_NUM_THREADS=1 $(BIN)/python \
	tests/reliability/campaign.py $$name $(CAMPAIGN_OPTIONS) --out $(CAMPAIGN_OUT)-$$name.jsonl || failed=1; done; \
	test -z "$$failed"

# The site, in build/docs: tutorials are run (what they print is kept in build/docs-cache), warnings are errors.
# RATESCAPE_DOCS=off runs none. Two pages at a time: a tutorial waits for imports as long as it computes.
docs: .venv/dev.stamp web/node_modules/ready.stamp
	$(BIN)/python -m sphinx -W --keep-going -j 2 -b html docs build/docs
	@echo "The site is build/docs/index.html"

lint: .venv/dev.stamp lint-web
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

# The scripts of the pages; what it installs also has the accessibility engine that tests of the explorer use.
lint-web:
	@if command -v npm > /dev/null; then $(MAKE) -s web/node_modules/ready.stamp && npm --prefix web run --silent lint; \
	else echo "npm was not found: the scripts of the pages were not checked"; fi

web/node_modules/ready.stamp: web/package.json web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	@touch $@

format: .venv/dev.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	@if [ -e web/node_modules/ready.stamp ]; then npm --prefix web run --silent format; fi

# The stamp's name is the extra that is installed. The variable, unlike --constraint, also holds for the build backend.
# All processors compile what is installed (pip uses one); some packages carry files that no Python of today compiles.
.venv/%.stamp: pyproject.toml constraints.txt
	@echo "Installing ratescape[$*] into .venv (takes a few minutes, once) ..."
	$(PYTHON) -m venv .venv
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --no-compile --editable ".[$*]"
	@$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true
	@touch $@

# Wheel and sdist in dist/, checked, and the wheel tried in empty environments: takes minutes. RELEASE_OPTIONS such as
# `--torch 2.13.0` for a CPU build.
release-check: .venv/release.stamp
	$(BIN)/python scripts/release_check.py $(RELEASE_OPTIONS)

licences: .venv/dev.stamp
	$(BIN)/python scripts/licences.py

clean:
	rm -rf .venv web/node_modules $(DEMO_OUT) build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
