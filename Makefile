# Heliograph. `make help` lists what there is; every target works from a bare checkout.
SHELL := /bin/bash
PYTHON ?= python3
ARGS ?=
NAME ?=
BIN := .venv/bin
WORKERS ?= auto
export PYTHON
# Some images set it; then each of the hundreds of processes of the tests would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup up down test recipes coverage conformance check lock generate migration format e2e chaos bench clean

help: ## List all targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: ## Prepare .venv (run by every other target)
	@bash scripts/setup.sh

up: setup ## Start Heliograph on this machine and process a sample image (ARGS=--detach to run in the background)
	@$(BIN)/heliograph dev up $(ARGS)

down: setup ## Stop Heliograph started with `make up ARGS=--detach`
	@$(BIN)/heliograph dev down $(ARGS)

test: setup ## Run unit, port and integration tests (ARGS=path::test to select)
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS)

recipes: setup ## Follow the recipes of CONTRIBUTING for a service, a source and a profile in a copy of the tree
	@$(BIN)/pytest -m recipe -n $(WORKERS) --dist loadgroup tests/architecture $(ARGS)

coverage: setup ## Run the tests and fail if coverage drops below the threshold
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(BIN)/coverage run -m pytest -m "not unmeasured and not recipe" -n $(WORKERS) --dist loadgroup tests/unit tests/contracts tests/architecture tests/ports tests/integration $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

conformance: setup ## Test conformance to OpenAPI, AsyncAPI, tus and HTTP (ARGS=fuzz,tokens to select)
	@$(BIN)/python -m tests.conformance $(ARGS)

check: setup ## Check style, types, import rules, lock files, generated files and charts
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@scripts/lock.sh --check
	@$(BIN)/python scripts/settings_reference.py --check
	@scripts/check_hosted.sh
	@scripts/check_charts.sh

lock: setup ## Update requirements/ from the pyproject files (ARGS=--upgrade for the latest versions)
	@scripts/lock.sh $(ARGS)

generate: setup ## Generate settings reference, chart schema and README, dashboards and message samples
	@$(BIN)/python scripts/settings_reference.py
	@$(BIN)/python scripts/chart_values.py
	@$(BIN)/python scripts/chart_dashboards.py
	@$(BIN)/python -m tests.contracts.make_samples

migration: setup ## Generate a migration from the difference of the tables (NAME="lanes of the outbox")
	@$(BIN)/python scripts/new_migration.py "$(NAME)"

format: setup ## Format the code and apply automatic fixes
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

e2e: setup ## Test on a cluster: build, install, use, break, upgrade, uninstall (uses KUBECONFIG)
	@$(BIN)/python -m tests.e2e $(ARGS)

chaos: setup ## Run fault tests: kill, stop and restart everything under load (ARGS=1,2 to select)
	@$(BIN)/python -m tests.chaos $(ARGS)

bench: setup ## Run benchmarks against comparable tools (ARGS=P1,P4 to select)
	@$(BIN)/python -m benchmarks $(ARGS) $(filter P%,$(MAKECMDGOALS))

P%: # the name of a benchmark, after `bench`
	@:

clean: ## Remove build artifacts and caches
	@rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build
