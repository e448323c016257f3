# Heliograph. `make help` lists what there is; every target works from a bare checkout.
SHELL := /bin/bash
PYTHON ?= python3
ARGS ?=
NAME ?=
BIN := .venv/bin
WORKERS := $(shell nproc 2>/dev/null || echo 2)
export PYTHON

.PHONY: help setup up down test coverage conformance check lock docs migration format e2e chaos bench clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: ## Prepare .venv (every other target does so by itself)
	@bash scripts/setup.sh

up: setup ## Run everything on this machine and send a sample picture through it (ARGS=--detach returns)
	@$(BIN)/heliograph dev up $(ARGS)

down: setup ## Stop what `make up ARGS=--detach` started
	@$(BIN)/heliograph dev down $(ARGS)

test: setup ## Run the tests: unit, ports over fake and real, integration on real servers
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup tests/unit tests/contracts tests/architecture tests/ports tests/integration $(ARGS)

coverage: setup ## Run the tests and fail where they reach less of the code than before
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(BIN)/coverage run -m pytest -m "not unmeasured" -n $(WORKERS) --dist loadgroup tests/unit tests/contracts tests/architecture tests/ports tests/integration $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

conformance: setup ## Does it do what its documents and the standards say (ARGS=fuzz,tokens picks some)
	@$(BIN)/python -m tests.conformance $(ARGS)

check: setup ## Check style, types, import rules, locks and charts
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@scripts/lock.sh --check
	@$(BIN)/python scripts/settings_reference.py --check
	@scripts/check_hosted.sh
	@scripts/check_charts.sh

lock: setup ## Write requirements/ anew from the pyproject files (ARGS=--upgrade takes the newest)
	@scripts/lock.sh $(ARGS)

docs: setup ## Write the pages that are made from the code: docs/reference
	@$(BIN)/python scripts/settings_reference.py

migration: setup ## Write the next migration from the tables' difference (NAME="lanes of the outbox")
	@$(BIN)/python scripts/new_migration.py "$(NAME)"

format: setup ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

e2e: setup ## On a cluster: build, install, use, break, upgrade, uninstall (KUBECONFIG, or the lab beside the checkout)
	@$(BIN)/python -m tests.e2e $(ARGS)

chaos: setup ## Fault tests: kill, stop and restart everything while a client keeps the books (ARGS=1,2 picks some)
	@$(BIN)/python -m tests.chaos $(ARGS)

bench: setup ## Benchmarks, each beside its peer (make bench P7, or ARGS=P1,P4, picks some)
	@$(BIN)/python -m benchmarks $(ARGS) $(filter P%,$(MAKECMDGOALS))

P%: # the name of a benchmark, after `bench`
	@:

clean: ## Remove what was built
	@rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build
