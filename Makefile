# The commands of the project. A newcomer needs two: `make run` and `make test`.
# Only Python 3.11+, pip and make are needed; everything is installed into $(VENV) from requirements.lock.

SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n 2 --dist loadfile

# Stamps carry the checksum of what they were made from: switching branches reinstalls only if it must.
LOCK_STAMP := $(VENV)/.lock-$(shell cksum requirements.lock | cut -d' ' -f1)
PROJECT_STAMP := $(VENV)/.project-$(shell cksum pyproject.toml | cut -d' ' -f1)-$(notdir $(LOCK_STAMP))
DUCKDB2 := $(VENV)/duckdb2
DUCKDB2_STAMP := $(DUCKDB2)/.lock-$(shell cksum requirements-duckdb2.lock | cut -d' ' -f1)

# What can come out differently on another DuckDB: SQL, types, storage. Together these execute every macro, row rule,
# query rule, model and dbt test, the relations and states of settling, differences and versions, the self-check over
# every form, the register of figures, publication with its revisions, and one run of the whole pipeline over a bureau
# with its answer key. Readers, receipts' pages, wording, the sample generator, Dagster and process handling do not
# change with the engine; they are proved once, on the locked one. `make test-duckdb2 DUCKDB2_TESTS=tests` runs all.
DUCKDB2_TESTS ?= tests/unit/contracts/test_predicates.py tests/unit/contracts/test_working_days.py \
  tests/contract/test_row_rules.py tests/contract/test_query_rules.py tests/contract/official \
  tests/oracle/test_our_arithmetic.py tests/oracle/test_seed_figures.py tests/oracle/test_pub_rules.py \
  tests/unit/models tests/unit/filing/test_differences.py tests/unit/filing/test_obligations.py \
  tests/unit/publication/test_release.py tests/end_to_end/test_rules_fire.py tests/end_to_end/test_versions.py \
  tests/end_to_end/test_sample_bureau.py

# Warnings of pip about its own configuration are not the reader's business; errors are still printed.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq

.DEFAULT_GOAL := help
.PHONY: help setup run test test-city duckdb2 test-duckdb2 lint dictionary format serve bench lock clean

help:  ## what can be done here
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(PROJECT_STAMP)  ## create .venv from the lock file (does nothing when it is up to date)

$(LOCK_STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	  f"Python 3.11, 3.12 or 3.13 is needed and {sys.executable} is {v[0]}.{v[1]}: try make PYTHON=python3.11 setup")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (one to three minutes) ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@# A machine that forbids writing bytecode would otherwise compile every library at every start.
	@$(BIN)/python -m compileall -q -j 0 "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	  >/dev/null || true
	@rm -f $(VENV)/.lock-*
	@touch $@

$(PROJECT_STAMP): $(LOCK_STAMP) pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q pipelines
	@rm -f $(VENV)/.project-*
	@touch $@

run: setup  ## sample bureau (if the inbox is empty), whole pipeline, release, KPI table
	@$(BIN)/xiaobao sample --if-empty
	@$(BIN)/xiaobao run
	@$(BIN)/xiaobao kpi

test: setup  ## all tests on the locked DuckDB
	$(BIN)/python -m pytest $(PYTEST_ARGS)

duckdb2: setup $(DUCKDB2_STAMP)  ## lay DuckDB 2.0 beside the environment, for tests that open releases with both

test-city: setup  ## the same tests over bureaus of a city's size: 41 insurers and 24 months, a year of 60 insurers
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m city

test-duckdb2: setup $(DUCKDB2_STAMP)  ## what another engine may change, on DuckDB 2.0 laid over the same environment
	@PYTHONPATH=$(CURDIR)/$(DUCKDB2) $(BIN)/python -c 'import duckdb; print("DuckDB", duckdb.__version__); \
	  assert duckdb.__version__.startswith("2."), "the overlay was not found"'
	PYTHONPATH=$(CURDIR)/$(DUCKDB2) $(BIN)/python -m pytest $(PYTEST_ARGS) $(DUCKDB2_TESTS)

$(DUCKDB2_STAMP): requirements-duckdb2.lock $(LOCK_STAMP)
	@rm -rf $(DUCKDB2)
	@$(PIP) install --require-hashes --no-deps --target $(DUCKDB2) -r requirements-duckdb2.lock
	@touch $@

lint: setup  ## ruff, types, import rules, SQL, the dictionary's drift
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --processes 2 dbt_project docs/examples/foreign/dbt_project
	$(BIN)/xiaobao dictionary --check

dictionary: setup  ## docs/dictionary anew, from contracts and KPI catalogue
	@$(BIN)/xiaobao dictionary

format: setup  ## let ruff and sqlfluff rewrite what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --processes 2 dbt_project docs/examples/foreign/dbt_project

serve: setup  ## Dagster UI and daemon on loopback
	@$(BIN)/xiaobao serve

bench: setup  ## province volume against a hand-written reference
	$(BIN)/python -m benchmarks

# uv is needed for this one only, because it resolves for every platform and Python at once. Extras stay in the lock:
# pip refuses hashes for `gql[requests]` if only `gql` is pinned.
lock:  ## renew requirements.lock and requirements-duckdb2.lock within the bounds of pyproject.toml
	@$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/python -m pip --disable-pip-version-check -qq install uv
	@$(VENV)/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-emit-index-url --custom-compile-command 'make lock' --extra dev pyproject.toml -o requirements.lock
	@echo 'duckdb==2.0.0' | $(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-config --custom-compile-command 'make lock' - \
	  -o requirements-duckdb2.lock
	@rm -rf $(VENV)/lock

clean:  ## remove the environment and tools' caches; what runs wrote (XIAOBAO_HOME, default var/) stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
