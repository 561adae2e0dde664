# The two commands a newcomer needs: `make search` and `make test`. Each makes what it lacks first.
# ARGS passes more options to the search: make search ARGS='--trials 50 --data fashion-mnist'

SHELL := /bin/bash
VENV := .venv
# The first interpreter that runs, is new enough and can make environments; PYTHON=... names another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
PACKAGES := nas controllers latency search_spaces
ARGS ?=

.PHONY: help search test test-system lint types layers check system clean

help:
	@echo 'make search   set up if needed, then nas search --space msd $$(ARGS)'
	@echo 'make test     set up if needed, then the default test suite'
	@echo 'make check    lint, types and layers (each also alone)'
	@echo 'make system   Debian packages of the tests marked browser and postgres (as root)'
	@echo 'make test-system  those tests'
	@echo 'make clean    remove the environment and the caches'

search: $(VENV)/ready
	$(VENV)/bin/nas search --space msd $(ARGS)

test: $(VENV)/ready-test
	@echo 'Left out by selection: tests marked slow, browser, postgres (run one kind with: $(VENV)/bin/pytest -m slow)'
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadgroup $(ARGS)

lint: $(VENV)/ready-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/ready-test
	$(VENV)/bin/mypy

layers: $(VENV)/ready-test
	$(VENV)/bin/lint-imports

check: lint types layers

# Chromium draws the page, PostgreSQL keeps the trials; nothing is asked of the network if both are here.
system:
	@command -v chromium >/dev/null && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
		apt-get update && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-dejavu-core postgresql; }

test-system: $(VENV)/ready-test
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadgroup -m '(browser or postgres) and not slow' $(ARGS)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

# The stamps are written last: an installation that was interrupted is done again.
$(VENV)/python-ready:
	@test -n '$(PYTHON)' || { echo 'error: no Python 3.11 or newer with venv found; install python3.11 and python3.11-venv, or name one: make PYTHON=/path/to/python' >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

# torch alone first: its pinned version is settled before anything that would ask for another build.
$(VENV)/ready: pyproject.toml constraints.txt | $(VENV)/python-ready
	$(PIP) install --quiet -c constraints.txt torch
	$(PIP) install --quiet -c constraints.txt -e '.[all]'
	touch $@

$(VENV)/ready-test: $(VENV)/ready
	$(PIP) install --quiet -c constraints.txt -e '.[test]'
	touch $@
