.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench bench-check soak fuzz constraints livekit-server clean

bin := .venv/bin
code := emulator/voxemu client/voxemu_client tests

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: .venv/.ready  ## make .venv/ with everything in it (quick when nothing changed)
	@sh tools/livekit-server/build.sh

# A copied or moved folder keeps its stamp, but the environment in it still points at the old place.
ifneq ($(shell cat .venv/.ready 2>/dev/null),$(CURDIR))
.PHONY: .venv/.ready
endif
.venv/.ready: pyproject.toml constraints.txt tools/setup.sh
	@PYTHON='$(PYTHON)' sh tools/setup.sh

livekit-server: .venv/.ready  ## build the real LiveKit server into .venv/bin/ (needs Go 1.26)
	@sh tools/livekit-server/build.sh

demo: setup  ## one recorded call to each provider
	@$(bin)/python -m voxemu_client.demo

workers ?= auto
test: setup  ## every test, with coverage (90 % or more); workers=N at a time
	@$(bin)/python -m pytest -n 2 --dist loadgroup --cov --cov-report= tests/rooms/contract; rooms=$$?; \
	$(bin)/python -m pytest -n $(workers) --dist loadgroup --cov --cov-append --cov-report= \
	    --cov-fail-under=90 --ignore tests/rooms/contract; all=$$?; \
	if [ $$rooms != 0 ]; then echo "make test: the contract of rooms failed, see the first run above" >&2; fi; \
	exit $$((rooms | all))

bench: setup  ## how fast it is, beside baselines of the same run, in 20 minutes (quick=1 pipecat=1 json=FILE)
	@$(bin)/python -m benchmarks.bench $(if $(quick),--quick) $(if $(pipecat),--pipecat) $(if $(json),--json $(json)) $(if $(markdown),--markdown $(markdown))

bench-check: setup  ## whether it takes more instructions than it did (valgrind), and a minute of ratios
	@$(bin)/python -m benchmarks.check

minutes ?= 10
sessions ?= 100
soak: setup  ## a hundred callers without manners for ten minutes (minutes=1 sessions=30)
	@$(bin)/python -m benchmarks.soak --minutes $(minutes) --sessions $(sessions)

seconds ?= 600
fuzz: setup  ## whatever reads what strangers send, with atheris (pip install atheris), for seconds=600
	@$(bin)/python -m tools.fuzz -max_total_time=$(seconds)

lint: setup  ## ruff and mypy --strict
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy --strict $(code)

constraints:  ## resolve every dependency anew and write constraints.txt
	@PYTHON='$(PYTHON)' sh tools/setup.sh constraints

clean:  ## remove what the other verbs made
	rm -rf .venv dist build htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find emulator client tests -name __pycache__ -type d -prune -exec rm -rf {} +
