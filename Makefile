# Two commands do everything on a fresh machine: `make results` and `make test`.
PYTHON ?= python3
PRESET ?=
VENV := .venv
CONFIG := $(if $(PRESET),--configfile $(PRESET:%=workflow/presets/%.yaml))

# Jobs call `python`: the one of the virtual environment.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Plots are drawn without a screen.
export MPLBACKEND := Agg

.PHONY: help install results publish test test-all lint lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12
	@echo 'PRESET=images make results   runs workflow/presets/images.yaml, any preset likewise;'
	@echo '                             several, such as PRESET="images extensions/architectures", are merged'

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --no-deps --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/python -m pip install --no-deps --no-build-isolation --disable-pip-version-check -e .
	touch $@

install: $(VENV)/.installed ## create .venv with the locked versions

results: install ## run the study and write results/<study>/report.html
	$(VENV)/bin/python workflow/run_study.py $(CONFIG)

# A worker per core. A file stays on one worker, since its tests share a server, a study or kernels;
# those that run studies come first, as the long ones they are.
SIDE_BY_SIDE := --numprocesses auto --dist loadfile --no-loadscope-reorder

# To count the lines that tests run costs a fifth of their time.
COVERAGE ?=

test: install ## run the tests; COVERAGE=1 counts the lines that they run
	$(VENV)/bin/python -m pytest $(SIDE_BY_SIDE) -m "not slow" \
		$(if $(COVERAGE),--cov=equimorph --cov-report=term --cov-fail-under=85)

test-all: install ## run all tests, also the slow ones: Slurm, torchrun, every group and shape
	EQUIMORPH_TEST_ALL=1 $(VENV)/bin/python -m pytest $(SIDE_BY_SIDE)

publish: install ## refresh the published results in .dvc/store (docs/sharing.md)
	$(VENV)/bin/python workflow/dvc_publish.py

lint: install ## check style, formatting, types and the workflow
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/mypy
	$(VENV)/bin/snakemake --lint

lock: install ## resolve requirements.lock anew from pyproject.toml
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --extra equivariant --extra workflow --extra tracking \
		--extra search --extra export --extra sky --extra serve --extra s3 --extra slurm --extra dev --no-header --no-annotate \
		--no-emit-package lie-learn --no-emit-package py3nj --upgrade -o requirements.lock pyproject.toml

clean: ## remove what runs leave behind; keeps data/, results/ and .venv
	rm -rf work logs benchmarks .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
