# Each target sets up what it needs. The Python environment is .venv, made with $(PYTHON).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
unexport PYTHONDONTWRITEBYTECODE  # some images of Python set it; each of the hundreds of processes of a test run would compile the package anew

.PHONY: help demo test lint check fuzz bench caffe chromium docs site golden experiment evidence
.DEFAULT_GOAL := demo

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed; name one: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e '.[dev]'
	@touch $@

help:  ## what each target does
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP)  ## both splits of a small real net, proven
	$(BIN)/split-surgery demo

test: $(STAMP)  ## the whole test suite; what needs real Caffe runs where `make caffe` was run
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(STAMP)  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test  ## ruff, mypy --strict, then the tests

SECONDS := 60
FUZZ := prototxt caffemodel solverstate hdf5 logs options scores inputs convert surgery images editing
fuzz: $(STAMP)  ## every reader and editing verb against strange files, SECONDS each, two at a time ; FUZZ names harnesses, FUZZFLAGS are libFuzzer's
	$(BIN)/python -m pip install -q -e '.[fuzz]'
	printf '%s\n' $(FUZZ) | xargs -P 2 -I NAME $(BIN)/python -m fuzz NAME $(SECONDS) $(FUZZFLAGS)

golden: $(STAMP)  ## write the golden derived nets anew, to be reviewed as a diff
	$(BIN)/python -m tests.support.golden_cases

docs: $(STAMP)  ## what the pages show, made again: pictures, the reference, and what commands print
	$(BIN)/python docs/draw.py
	$(BIN)/python docs/make_reference.py
	$(BIN)/python -m tests.support.doc_blocks

site: $(STAMP)  ## the documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q

bench: $(STAMP)  ## every verb on large nets beside cp and pycaffe; growth with the layers; 50 snapshots; forward passes
	$(BIN)/python benchmarks/table.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/rank_snapshots.py
	$(BIN)/python benchmarks/forward.py

CONFIG := examples/experiment/fashion.yaml
CAFFE_BIN := $(or $(SPLIT_SURGERY_CAFFE_ROOT),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/split-surgery/caffe)/bin
experiment: $(STAMP) caffe  ## the notes' experiment with its controls in real Caffe, small; CONFIG names another, FLAGS are Snakemake's
	$(BIN)/python -m pip install -q -e '.[experiment]'
	PATH="$(CURDIR)/$(BIN):$(CAFFE_BIN):$$PATH" OPENBLAS_NUM_THREADS=1 \
	  snakemake -s examples/experiment/Snakefile --configfile $(CONFIG) --cores 2 --rerun-incomplete --quiet $(FLAGS)

evidence: $(STAMP)  ## the page on the experiment, from its tables in docs/evidence
	$(BIN)/python examples/experiment/scripts/evidence.py docs/evidence docs/evidence.md docs/evidence/curves.png

caffe:  ## real Caffe 1.0 in a private root (Linux x86-64), Debian's or a wheel: SPLIT_SURGERY_CAFFE_BY=debian|pip
	scripts/get-caffe

chromium:  ## a browser for the tests of report.html, where there is none (Debian's)
	scripts/get-chromium
