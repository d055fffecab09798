# Everything a person or a machine does with this project, by name. `make help` prints the lines with ##.
# Relative paths and `python -m` throughout: the project's own path may hold spaces.

PYTHON ?= python3
PORT ?= 8000
HUB_ENV ?= demo
ARGS ?=
export PORT HUB_ENV

VENV_PYTHON := .venv/bin/python
ENVIRONMENT = @command -v "$(PYTHON)" >/dev/null || { echo "Python is not installed: install Python 3.11 or newer, then run make again."; exit 1; }; \
	"$(PYTHON)" notify_app/environment.py

COMPILE = $(VENV_PYTHON) -m uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --quiet

.DEFAULT_GOAL := help
.PHONY: help run environment environment-dev test lint format bench screenshots chaos lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: environment ## start everything here and open one address (PORT=8001 for another port)
	@exec $(VENV_PYTHON) -m notify_app.supervisor --with-parent

# three of them on two cores: a third of what tests do is to wait
test: environment-dev ## every test, on real PostgreSQL and Valkey (ARGS="tests/policy -x" for some)
	@$(VENV_PYTHON) -m pytest -n 3 --dist loadgroup $(ARGS)

lint: environment-dev ## ruff, formatting, types, templates
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy
	@$(VENV_PYTHON) -m djlint --lint --quiet templates

format: environment-dev ## put imports in order and format
	@$(VENV_PYTHON) -m ruff check --fix --select I .
	@$(VENV_PYTHON) -m ruff format .

chaos: environment-dev ## only the tests that kill processes
	@$(VENV_PYTHON) -m pytest tests/chaos $(ARGS)

bench: environment-dev ## the benchmarks, peers beside ours (ARGS=p4 for one)
	@$(VENV_PYTHON) -m bench $(ARGS)

screenshots: environment-dev ## every page, phone and desktop, light and dark, into build/screenshots
	@$(VENV_PYTHON) -m tests.browser.screenshots $(ARGS)

lock: environment-dev ## compile requirements*.in into the pinned .txt files
	@$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(COMPILE) requirements.in -o requirements.txt
	@$(COMPILE) requirements-dev.in -c requirements.txt -o requirements-dev.txt

clean: ## remove the environment and what tools left (the data in instance/ stays)
	@rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './instance/*' -prune -exec rm -rf {} +

environment:
	$(ENVIRONMENT) requirements.txt

environment-dev:
	$(ENVIRONMENT) requirements-dev.txt
