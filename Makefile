.DEFAULT_GOAL := help
.PHONY: help setup demo test lint constraints clean

bin := .venv/bin
code := emulator/voxemu client/voxemu_client tests

help:  ## say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

setup: .venv/.ready  ## make .venv/ with everything in it (quick when nothing changed)

# A copied or moved folder keeps its stamp, but the environment in it still points at the old place.
ifneq ($(shell cat .venv/.ready 2>/dev/null),$(CURDIR))
.PHONY: .venv/.ready
endif
.venv/.ready: pyproject.toml constraints.txt tools/setup.sh
	@PYTHON='$(PYTHON)' sh tools/setup.sh

demo: setup  ## one recorded call to each provider
	@$(bin)/python -m voxemu_client.demo

test: setup  ## every test, with coverage (90 % or more)
	@$(bin)/python -m pytest -n auto --cov --cov-report=term --cov-fail-under=90

lint: setup  ## ruff and mypy --strict
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy --strict $(code)

constraints:  ## resolve every dependency anew and write constraints.txt
	@PYTHON='$(PYTHON)' sh tools/setup.sh constraints

clean:  ## remove what the other verbs made
	rm -rf .venv dist build htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find emulator client tests -name __pycache__ -type d -prune -exec rm -rf {} +
