# make demo: watch a network learn to denoise.  make test: the tests.  make test-all: the long ones too, before a release.
# make docs: the documentation, in site/.  make notebooks: runs them and keeps their results (NOTEBOOKS=… chooses some).
# PYTHON chooses the interpreter.
PYTHON ?= python3
# Each file of tests in one of two processes: much of a test is TensorFlow's tracing, which uses one processor.
WORKERS ?= -n 2 --dist loadfile
NOTEBOOKS ?= $(wildcard notebooks/*.ipynb)
BIN := .venv/bin
INSTALLED := .venv/installed
DOCS_INSTALLED := .venv/docs-installed

.PHONY: demo test test-all lint wheel docs notebooks clean

demo: $(INSTALLED)
	$(BIN)/python -m ssdn_keras.demo --output=demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not slow" $(WORKERS)

test-all: $(INSTALLED)
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .

wheel: $(INSTALLED)
	$(BIN)/python -m build --wheel

docs: $(DOCS_INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

notebooks: $(INSTALLED)
	$(BIN)/python .ci/execute_notebooks $(NOTEBOOKS)

$(DOCS_INSTALLED): $(INSTALLED) setup.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $(DOCS_INSTALLED)

$(INSTALLED): requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	@echo "Installing into .venv: some minutes, mostly TensorFlow"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $(INSTALLED)

clean:
	rm -rf .venv build dist demo site *.egg-info
