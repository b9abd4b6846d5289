# Session Watcher. `make` or `make help` says what there is.
# A fresh machine needs Python 3.11 or newer and make; everything else goes into .venv.

PYTHON ?= python3
STATE ?= state
SESSIONS ?=
# The tests wait for processes as much as they work: one more goes on meanwhile.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)
VENV := .venv
BIN := $(VENV)/bin

# What is compiled is kept: hundreds of short processes would compile it anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run demo dist test test-unit test-faults soak lint format eval bench bench-gate settings prices clean

help: ## This list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/.runs ## Run the service (SESSIONS=folder of transcripts, STATE=folder for the database).
	@$(BIN)/session-watcher run --state "$(STATE)" $(if $(SESSIONS),--sessions "$(SESSIONS)")

demo: $(VENV)/.runs ## A living sample, for a minute: no transcripts needed.
	@$(BIN)/session-watcher demo

ifdef F
test: $(VENV)/.tests ## Everything that needs no root; F=path[::name] runs one file or test.
	$(BIN)/python -m pytest $(F) $(PYTEST)
else
test: $(VENV)/.tests lint
	$(BIN)/python -m pytest tests/house tests/unit tests/integration tests/contract tests/acceptance \
		-n $(WORKERS) --dist worksteal --durations 8 $(PYTEST)
endif

test-unit: $(VENV)/.tests ## The unit tests only, in seconds, on one core.
	$(BIN)/python -m pytest tests/unit $(PYTEST)

test-faults: $(VENV)/.tests ## Kills, full disks, kernel limits, unmounts, and the longest of the others: needs root.
	@[ "$$(id -u)" = 0 ] || { echo "make test-faults mounts, fills and kills: run it as root." >&2; exit 2; }
	$(BIN)/python -m pytest tests/faults --durations 8 $(PYTEST)
	SESSION_WATCHER_SEEDS=12:30 SESSION_WATCHER_PHASES=examples,coverage,fuzzing \
		$(BIN)/python -m pytest tests/acceptance/test_random_histories.py tests/acceptance/test_api_schema.py -n $(WORKERS) --dist worksteal $(PYTEST)

soak: $(VENV)/.tests ## Random histories for hours, on both databases (SEEDS=first:end, 30:500 by default).
	SESSION_WATCHER_SEEDS=$(or $(SEEDS),30:500) $(BIN)/python -m pytest tests/acceptance/test_random_histories.py \
		tests/contract/test_histories_on_postgres.py -n $(WORKERS) --dist worksteal $(PYTEST)

lint: $(VENV)/.tests ## ruff and mypy --strict.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.tests ## Put the code into shape.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

eval: $(VENV)/.tests ## How well knowledge is found, on labelled turns (EVAL="--wrong" shows what was missed).
	$(BIN)/python -m tests.eval.run $(EVAL)

bench: $(VENV)/.tests ## How fast it is, as ratios to plain yardsticks.
	@$(BIN)/python -m compileall -q watcher processors
	$(BIN)/python -m tests.bench.run $(BENCH)

bench-gate: $(VENV)/.tests ## The same; fails where a ratio is 1.5 times worse than asked.
	@$(BIN)/python -m compileall -q watcher processors
	$(BIN)/python -m tests.bench.run --gate $(BENCH)

settings: $(VENV)/.runs ## Write settings.toml and docs/settings.md anew from the program's own table.
	$(BIN)/python -m watcher.settings.text > settings.toml.part
	mv settings.toml.part settings.toml
	$(BIN)/python -m watcher.settings.text page > docs/settings.md.part
	mv docs/settings.md.part docs/settings.md

prices: $(VENV)/.runs ## Write the table of Claude models' prices anew from the installed genai-prices.
	$(BIN)/python -m processors.usage.price_table > processors/usage/rate_cards.json.part
	mv processors/usage/rate_cards.json.part processors/usage/rate_cards.json

# The wheel is made from the sdist: what that lacks, it lacks. Earlier listings would put back what was removed.
dist: $(VENV)/.runs ## Build the sdist and the wheel into dist/.
	@rm -rf build dist *.egg-info
	@$(BIN)/python -c 'from setuptools import build_meta; build_meta.build_sdist("dist")' >/dev/null
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist dist/*.tar.gz
	@rm -rf build *.egg-info
	@ls dist/*

clean: ## Remove what was set up.
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11: set PYTHON=/path/to/a/newer/python3." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runs: $(VENV)/.made requirements.txt pyproject.toml
	@echo "Setting up .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q watcher processors
	@touch $@

$(VENV)/.tests: $(VENV)/.runs requirements-dev.txt
	@echo "Setting up .venv for tests ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
