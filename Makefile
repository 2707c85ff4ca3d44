# Two commands to begin with:  make capture URL=https://example.org   and   make test
# Everything installs itself into .venv, .venv-tools and .tools; running a target again is cheap.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

STORE ?= captures
ARGS ?=
PYTEST_ARGS ?=
DIST ?= dist
# Processes that run tests. A test with a browser waits for a third of its time and a test of the
# queue for two thirds, so two cores carry three; with four, more tests need a second try.
WORKERS ?= 3

BIN := .venv/bin
SOURCES := snapshotter tests scripts

# The address as it was typed: neither make nor the shell may read a "$" or a quote in it.
export SNAPSHOTTER_MAKE_URL := $(value URL)

.PHONY: help
help: ## List the targets
	@echo "usage: make TARGET"; echo
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: setup setup-test setup-dev setup-tools dev
setup: ## Install what captures need: .venv, Chromium, fonts
	@scripts/setup.sh capture

setup-test: setup-dev setup-tools ## Install what the tests need in addition: test tools, an S3 server, readers of other projects

setup-dev: # our own: what lint, types and the tests are run with
	@scripts/setup.sh dev

setup-tools: # other people's: what the tests hold our bundles against
	@scripts/setup.sh tools

dev: setup-test ## The same as setup-test

.PHONY: capture
capture: ## Capture a page: make capture URL=https://example.org [STORE=captures] [ARGS=…]
	@if [ -z "$$SNAPSHOTTER_MAKE_URL" ]; then \
	  echo "make capture: no URL was given" >&2; \
	  echo "make capture: try: name a URL:" >&2; \
	  echo "  make capture URL=https://example.org" >&2; exit 2; fi
	@scripts/setup.sh capture
	@code=0; $(BIN)/snapshotter capture --store "$(STORE)" $(ARGS) -- "$$SNAPSHOTTER_MAKE_URL" || code=$$?; \
	if [ $$code -ne 0 ]; then \
	  echo "make capture: the exit code of snapshotter is $$code (docs/reference/exit-codes.md); make itself ends with 2" >&2; fi; \
	exit $$code

.PHONY: demo
demo: ## Show a whole take-down case, without a network: make demo [ARGS=--keep DIR]
	@scripts/setup.sh capture
	@$(BIN)/snapshotter demo $(ARGS)

# The demo is made once, and kept until `make distclean`. Without its proof it is incomplete.
demo_store := .tools/demo

.PHONY: console
console: ## Use the console in your browser: make console [STORE=…] [DEMO=1] [ARGS=--port 9000]
	@scripts/setup.sh capture
	@store=(); if [ "$(origin STORE)" != file ]; then store=(--store "$(STORE)"); fi; \
	if [ -n "$(DEMO)" ]; then \
	  if [ ! -e $(demo_store)/proof.html ]; then \
	    rm -rf $(demo_store); $(BIN)/snapshotter demo --keep $(demo_store) --no-open; fi; \
	  store=(); export SNAPSHOTTER_CONFIG="$$PWD/$(demo_store)/snapshotter.toml"; fi; \
	exec $(BIN)/snapshotter serve "$${store[@]}" $(ARGS)

.PHONY: test test-unit test-e2e pytest collect check
# Two at a time until the tests begin, which need both cores for themselves. The tests do not
# begin if one of them fails.
test: ## Run all checks of CI: lint, types, imports, all tests
	@$(MAKE) -j2 setup-dev setup-tools lint types collect imports
	@$(MAKE) pytest

# It leaves bytecode behind, asserts and all, even where Python is told to write none: without it
# each of the workers translates 500 files for itself, 10 s of both cores.
collect: setup-dev
	@scripts/stage.sh "test files" scripts/collect.sh

pytest: setup-test
	@scripts/stage.sh "tests" $(BIN)/pytest -n $(WORKERS) --dist loadgroup --again 3 $(PYTEST_ARGS)

test-unit: setup-test ## Run the tests that need no browser, no server and no other tool
	@scripts/stage.sh "unit tests" $(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not e2e and not interop and not s3" $(PYTEST_ARGS)

test-e2e: setup-test ## Run the tests with a real browser, a real S3 server and readers of other projects
	@scripts/stage.sh "end-to-end tests" $(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "e2e or interop or s3" $(PYTEST_ARGS)

check: lint types imports test-unit ## Run all checks but the end-to-end tests, before each commit

.PHONY: fmt lint types imports
fmt: setup-dev ## Format the code, and fix what ruff can fix
	@$(BIN)/ruff format $(SOURCES) && $(BIN)/ruff check --fix $(SOURCES)

lint: setup-dev ## Check the format and the rules of ruff
	@scripts/stage.sh "lint" $(BIN)/ruff check $(SOURCES)
	@scripts/stage.sh "format" $(BIN)/ruff format --check --quiet $(SOURCES)

types: setup-dev ## Check the types with mypy --strict
	@scripts/stage.sh "types" $(BIN)/mypy

imports: setup-dev ## Check the import rules of pyproject.toml
	@scripts/stage.sh "imports" $(BIN)/lint-imports --no-logo

.PHONY: lock bench docs vectors vectors-check fuzz dist image image-check clean distclean
lock: ## Write the lock files again (UPGRADE=1 takes newer versions)
	@scripts/lock.sh

bench: setup-test ## Measure the time of captures by stage, on local pages (docs/performance.md)
	@$(BIN)/python scripts/bench_capture.py

docs: setup-tools ## Build the documentation site, with search, into site/ (no server needed)
	@$(BIN)/python scripts/build_docs.py

vectors: setup-test ## Write the test vectors again (tests/vectors)
	@$(BIN)/python scripts/make_vectors.py

vectors-check: setup-test ## Make hundreds of altered bundles, and verify them with both verifiers
	@scripts/stage.sh "both verifiers" $(BIN)/pytest -n $(WORKERS) tests/unit/verify/test_tamper_suite.py \
	  tests/unit/verify/test_minimal_verifier.py tests/unit/verify/test_seeded_edits.py

# As SECONDS is bash's own clock, it is not passed on by the environment.
fuzz: setup-test ## Try 50 times as many generated inputs as the tests, then both verifiers (SECONDS=600 SEED=20261124)
	@SNAPSHOTTER_FUZZ=$(or $(FACTOR),50) scripts/stage.sh "tests with generated inputs" \
	  $(BIN)/pytest -n $(WORKERS) --dist loadgroup -m fuzz --timeout 3600 $(PYTEST_ARGS)
	@$(BIN)/python scripts/fuzz_verifiers.py --seconds $(or $(SECONDS),600) --seed $(or $(SEED),20261124) $(ARGS)

dist: setup ## Build the wheel into dist/ (DIST=… for another folder)
	@$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$(DIST)" .
	@ls -t "$(DIST)"/*.whl | head -n 1

image: ## Build the container image, with docker or podman (IMAGE=… BASE=… ENGINE=…)
	@scripts/image.sh build

image-check: setup-test ## Build the image from Debian's packages with podman, and capture a page in it (root, Debian)
	@scripts/image.sh check

clean: ## Remove caches and build results; captures and installations stay
	@rm -rf dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find snapshotter tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Also remove what set-up installed in this folder
	@rm -rf .venv .venv-tools .tools
