# The two commands of the README are `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# A full test run uses every core; a shared or small machine can say `make test JOBS=1`.
JOBS   ?= auto
BENCHES := $(or $(ONE),$(basename $(notdir $(wildcard benchmarks/[a-z]*.py))))

.DEFAULT_GOAL := help
.PHONY: help demo test check types imports unit deps bench benchcheck lock wheel clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

# pip itself is part of what a virtual environment gives; the stamp files make a second run quick. --no-deps: the files name
# all that is needed, and older pips resolve an extra, as in coverage[toml], to a newer version than the hashed one.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv does not work here; on Debian: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/.runtime: requirements.txt pyproject.toml | $(BIN)/python
	@echo "installing what monitor needs into $(VENV) (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "installing what the tests need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

# The test of the built wheel installs from here, so that tests contact nothing outside the machine.
$(VENV)/.wheels: requirements.txt $(VENV)/.dev
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt -w $(VENV)/wheels
	@touch $@

demo: $(VENV)/.runtime ## the whole loop on this machine in under two minutes; KEEP=1 keeps it running
	@$(BIN)/monitor demo $(if $(KEEP),--keep)

test: deps check types imports unit ## install what the tests need, and run them all

deps: $(VENV)/.wheels ## install the Debian packages and Python packages that the tests need
	@tests/debian-packages.sh

check: $(VENV)/.dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

imports: $(VENV)/.dev
	@$(BIN)/lint-imports --no-cache | tail -n 12

unit: $(VENV)/.dev
	@$(BIN)/pytest -q -n $(JOBS) --cov --cov-report=json:$(VENV)/coverage.json --cov-report=
	@$(BIN)/python tests/coverage_floor.py $(VENV)/coverage.json

bench: deps ## run the benchmarks, or that of ONE=name, and print their tables (12 minutes)
	@set -e; for bench in $(BENCHES); do $(BIN)/python -m benchmarks.$$bench; done

benchcheck: deps ## let the benchmarks check themselves against errors and costs that are known
	@set -e; for bench in probe_cost ttfb_error fleet_10000 pager_latency; do \
	    echo "== $$bench"; $(BIN)/python -m benchmarks.$$bench --self-check; \
	done

lock: $(VENV)/.dev ## write the hashed requirements anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt

wheel: $(VENV)/.dev ## build the wheel into dist/
	@$(BIN)/python -m build --wheel --outdir dist .

clean: ## remove what was built; the virtual environment too
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
