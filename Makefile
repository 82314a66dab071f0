# `make` alone prints what there is. Everything is built into .venv; nothing else is written to,
# except that root gets the missing Debian packages of debian-packages.txt for tests.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PYTHON_HERE := $(VENV)/bin/python
READY := $(VENV)/.ready

# More for the tests: make test ARGS="-k flags -x"
ARGS ?=
# How many examples `make fuzz` tries a property with; where each is dear, fewer in proportion
FUZZ_EXAMPLES ?= 5000
# How long `make fuzz` mutates recorded texts afterwards
FUZZ_SECONDS ?= 600

.PHONY: help demo test test-fast check format bench fuzz fuzz-quick screenshots pins setup packages clean

help: ## Print this list
	@echo "Keepline: make TARGET"
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' \
		$(firstword $(MAKEFILE_LIST))

$(READY): pyproject.toml constraints.txt scripts/setup
	@scripts/setup

setup: $(READY) ## Build .venv with the product and its tools

packages:
	@scripts/debian-packages

demo: $(READY) ## Start the whole product with a small company, and open it in the browser
	@exec $(VENV)/bin/keepline demo $(ARGS)

test: $(READY) packages ## Run every test; those whose server or browser is missing say so
	@$(PYTHON_HERE) -m pytest -n 3 --dist worksteal $(ARGS)

test-fast: $(READY) ## Run the tests that need no server, browser or second database
	@$(PYTHON_HERE) -m pytest -m "not walk and not browser and not postgres and not imap" $(ARGS)

check: $(READY) ## Check style, types and what may import what
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@PYTHONPATH=. $(VENV)/bin/lint-imports --no-cache

format: $(READY) ## Write the files as `make check` wants them
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

bench: $(READY) ## Measure what docs/performance.md promises, in full
	@for file in benchmarks/[a-z]*.py; do \
		name=$$(basename "$$file" .py); echo "==> $$name"; \
		$(PYTHON_HERE) -m "benchmarks.$$name" $(ARGS); \
	done

fuzz: $(READY) ## Try every property test and every reader with much more (FUZZ_EXAMPLES, FUZZ_SECONDS)
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PYTHON_HERE) -m pytest -m hypothesis \
		--hypothesis-profile=fuzz --timeout=0 $(ARGS)
	@$(PYTHON_HERE) -m tests.fuzzing --seconds $(FUZZ_SECONDS)

fuzz-quick: $(READY) ## Mutate what was recorded against every reader, for a minute
	@$(PYTHON_HERE) -m tests.fuzzing --seconds 60

screenshots: $(READY) packages ## Take the pictures in docs/screenshots from the running demo
	@$(PYTHON_HERE) scripts/screenshots.py $(ARGS)

pins: $(READY) ## Write constraints.txt from what .venv holds
	@$(PYTHON_HERE) scripts/pin.py > constraints.txt.new && mv constraints.txt.new constraints.txt

clean: ## Remove .venv and everything that tools left behind
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
