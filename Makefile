# make demo       hear it: a whistle to every domain of the shipped model
# make test       all tests, two at a time
# make test-fast  those that take no longer than a moment
# make lint       ruff; make types: mypy
# All install what they need into .venv first.

PYTHON ?= python3
ARGS ?=
VENV := .venv
# Two tests at a time, one thread each: more threads only wait for each other on two cores.
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -P -m pytest -n $(WORKERS) --dist loadgroup

# MINE marks a folder that this file made; STAMP says that the installation in it was finished, and where.
MINE := $(VENV)/.made-by-make
STAMP := $(VENV)/.installed

.PHONY: help demo test test-fast coverage lint types wheel setup clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       a whistle to every domain of the shipped model; listen at demo/index.html"
	@echo "make test       all tests; ARGS=... goes to pytest, for example ARGS='-k musenet'"
	@echo "make test-fast  the tests that take no longer than a moment"
	@echo "make coverage   all tests, with the lines and branches that they reach"
	@echo "make lint       format and lint (ruff); make types: the type checker (mypy)"
	@echo "make wheel      build a wheel, install it and look at what is in it"
	@echo "make setup      only what all need first: wavecore and its libraries in $(VENV)"
	@echo "make clean      remove $(VENV), demo and what building and testing left behind"
	@echo "Another Python (3.11 or newer): make PYTHON=python3.12 demo"

demo: $(STAMP)
	$(VENV)/bin/wavecore demo -o demo --overwrite $(ARGS)

# What builds and installs a wheel has a target of its own.
test: $(STAMP)
	$(PYTEST) --ignore tests/test_wheel.py $(ARGS)

test-fast: $(STAMP)
	$(PYTEST) --ignore tests/test_wheel.py -m "not slow" $(ARGS)

coverage: $(STAMP)
	$(PYTEST) --cov --cov-branch --cov-report=term:skip-covered $(ARGS)

lint: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .

types: $(STAMP)
	$(VENV)/bin/mypy

wheel: $(STAMP)
	$(PYTEST) -n 0 tests/test_wheel.py

setup: $(STAMP)

# A virtual environment holds absolute paths: after the folder was moved it is made anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

# The stamp goes before pip starts and returns when it is done.  So a missing or foreign stamp means an
# interrupted or moved installation, which is started over, and an old one means an installation to update.
$(STAMP): setup.py pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "make: there is no $(PYTHON) here; wavecore needs Python 3.11 or newer." \
	    "Name one: make PYTHON=/path/to/python3 test" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: wavecore needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" -V 2>&1)." \
	    "Name another: make PYTHON=python3.12 test" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make virtual environments;" \
	    "on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@if [ -e $(VENV) ] && [ ! -e $(MINE) ]; then \
	  echo "make: $(VENV) is here and was not made by make. Move it away," \
	    "or go on with it: $(VENV)/bin/pip install --editable '.[dev,data]'" >&2; exit 1; fi
	@if [ "$$(cat $(STAMP) 2>/dev/null)" != "$(CURDIR)" ]; then rm -rf $(VENV); fi
	@if [ ! -e $(VENV) ]; then \
	  echo "Installing wavecore and its libraries into $(VENV): a few minutes, about 6 GB of disk."; \
	  mkdir $(VENV) && touch $(MINE) && "$(PYTHON)" -m venv $(VENV); fi
	@rm -f $(STAMP)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --editable '.[dev,data]'
	@printf '%s\n' "$(CURDIR)" > $(STAMP)

clean:
	rm -rf demo build dist wavecore.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache .coverage
	find $(wildcard wavecore kernels datasets tests benchmarks) \
	  -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -e $(MINE) ]; then echo "rm -rf $(VENV)"; rm -rf $(VENV); \
	  elif [ -e $(VENV) ]; then echo "$(VENV) stays: it was not made by make"; fi
