# make demo   the main job, shown on a private engine and registry in about half a minute
# make test   every check and test        make lint   style and types only
# make test-crash   a kill at every engine call and every write, 200 random schedules: most of an hour
# make soak   random schedules for SOAK=600 seconds       make schedules SEEDS=17,18   those of these seeds
# make test-matrix the core story on every engine, SDK and Python: a quarter of an hour; docs/compatibility.md
# make test-compose an import beside what Compose v2 makes of the same file: minutes
# make test-vm     a virtual machine from power-on, rebooted, cut off and changed: a quarter of an hour
# make bench  measurements                make clean  remove what make made here
#
# Needs Python 3.9 or newer, git, make, and Debian or Ubuntu (other systems: install what it names).
# PYTHON chooses the interpreter: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HOST_READY := $(VENV)/.host-ready
# Where the root file systems of the boot tests are kept from run to run.
CACHE ?= $(if $(DOCKERUP_TESTBED_CACHE),$(DOCKERUP_TESTBED_CACHE),$(HOME)/.cache/dockerup-testbed)
SYSTEMS := $(CACHE)/bookworm.tar $(CACHE)/trixie.tar
STOCK := $(CACHE)/bookworm-stock.tar
ENGINES := $(addprefix $(CACHE)/,trixie-docker forky-docker trixie-podman forky-podman)

# The private host needs root; its own environment must not be the caller's home or caches.
ifeq ($(shell id -u),0)
AS_ROOT :=
else
AS_ROOT := $(shell command -v sudo 2>/dev/null)
endif
PRIVATE := $(AS_ROOT) env PYTHONDONTWRITEBYTECODE=1 DOCKERUP_TESTBED_CACHE=$(CACHE) $(BIN)/python -m tests.testbed.namespace
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider

PARTS := part-boot part-faults part-examples part-engine-1 part-engine-2 part-engine-3 part-engine-4 part-core part-pure
.PHONY: possible compiled private-host demo test test-matrix test-crash test-vm test-compose schedules soak lint bench clean $(PARTS)
.PHONY: crash-calls crash-writes crash-schedules-1 crash-schedules-2
.DEFAULT_GOAL := test

# By who owns the tree, since the private host writes nothing in it: else each of some thousand runs compiles all.
compiled: $(READY)
	@$(BIN)/python -m compileall -q cc_dockerup dockerup tests

# Says at once what is missing, before anything long is done: first whether a private host can be at all.
possible:
	@$(AS_ROOT) env PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m tests.testbed.namespace --possible

private-host: compiled $(HOST_READY)
	@$(PRIVATE) true

demo: private-host
	@$(PRIVATE) $(BIN)/python -m tests.demo

# The parts wait for engines and boots most of their time: side by side, each in a namespace of its own, all
# about as long.
FAULTS := $(wildcard tests/engine/test_*faults.py)
part-boot: TESTS := tests/boot
part-faults: TESTS := $(FAULTS)
part-examples: TESTS := tests/examples
part-engine-1: TESTS := $(filter-out $(FAULTS),$(wildcard tests/engine/test_[a-c]*.py))
part-engine-2: TESTS := $(filter-out $(FAULTS),$(wildcard tests/engine/test_[d-l]*.py))
part-engine-3: TESTS := $(filter-out $(FAULTS),$(wildcard tests/engine/test_[o-s]*.py))
part-engine-4: TESTS := $(filter-out $(FAULTS),$(wildcard tests/engine/test_[m-nt-z]*.py))
# Docker 29 as a client meets it: containerd's image store, and no API under 1.44.
part-core: TESTS := tests/core
part-core: PYTEST := env DOCKERUP_TESTBED_ENGINE=forky,containerd,api1.44 $(PYTEST)
part-pure: TESTS := tests/unit tests/plan

# Set-up and tests at once: each part begins as soon as what it needs is there. Of several that fail, all are told.
SET_UP := $(READY) $(HOST_READY) $(SYSTEMS) $(STOCK) $(CACHE)/forky-docker
test: possible
	$(MAKE) --jobs=$(words $(SET_UP) lint $(PARTS)) --keep-going --output-sync=target lint $(PARTS)

$(PARTS): private-host
	$(PRIVATE) $(PYTEST) -q --durations=10 $(TESTS)

part-boot: $(SYSTEMS)
part-examples: $(SYSTEMS) $(STOCK)
part-core: $(CACHE)/forky-docker

# The schedules in two halves, each on an engine of its own.
test-crash: private-host
	$(MAKE) --jobs=2 --output-sync=target crash-calls crash-schedules-1 crash-schedules-2 crash-writes

crash-calls:
	$(PRIVATE) $(PYTEST) -q -rP -m crash_all tests/engine/test_crash.py tests/engine/test_held_back.py

crash-writes:
	$(PRIVATE) $(PYTEST) -q -rP -m crash_all tests/engine/test_state_writes.py

SCHEDULES := tests/engine/test_schedules.py
crash-schedules-1 crash-schedules-2:
	$(PRIVATE) env SCHEDULES=100 $(PYTEST) -q -m schedules_all --durations=10 $(SCHEDULES)

schedules: private-host
	$(PRIVATE) env SEEDS=$(SEEDS) SHRINK=$(SHRINK) $(PYTEST) -q -m schedules_all $(SCHEDULES)

soak: private-host
	$(PRIVATE) env SOAK=$(SOAK) SHRINK=$(SHRINK) $(PYTEST) -q -s -m soak $(SCHEDULES)

test-matrix: private-host $(ENGINES)
	$(PRIVATE) $(PYTEST) -q tests/matrix
	$(AS_ROOT) env PYTHONDONTWRITEBYTECODE=1 DOCKERUP_TESTBED_CACHE=$(CACHE) $(BIN)/python -m tests.matrix

# Beside the Compose that is in each run of the tests, the one of Debian 13, which the script gets.
test-compose: private-host
	DOCKERUP_TESTBED_CACHE=$(CACHE) tests/benchmarks/peers.sh
	$(PRIVATE) $(PYTEST) -q -m compose_2 tests/engine/test_moving_in.py

# The script installs QEMU and the like, and makes the disk, where they are missing.
test-vm: private-host
	DOCKERUP_TESTBED_CACHE=$(CACHE) tests/vm/image.sh
	$(PRIVATE) $(PYTEST) -q -s tests/vm

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Beside what people would run instead, which the script gets where it is missing; PARTS_OF_BENCH="quiet update"
# measures only these.
bench: private-host
	DOCKERUP_TESTBED_CACHE=$(CACHE) tests/benchmarks/peers.sh
	@$(PRIVATE) $(BIN)/python -m tests.benchmarks --json bench.json $(PARTS_OF_BENCH)

# `python -m venv` needs ensurepip, which Debian has in a package of its own.
$(READY): setup.py pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || tests/testbed/packages.sh python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(HOST_READY): tests/testbed/packages.sh | possible
	tests/testbed/packages.sh
	@mkdir -p $(VENV) && touch $@

# Made where there are none, never anew: a newer script makes the same systems.
$(SYSTEMS): | $(HOST_READY)
	DOCKERUP_TESTBED_CACHE=$(CACHE) tests/testbed/systems.sh $(basename $(notdir $@))

$(STOCK): | $(HOST_READY)
	DOCKERUP_TESTBED_CACHE=$(CACHE) tests/examples/stock.sh

# The engines of other releases, each in a root file system of its own.
$(ENGINES): | $(HOST_READY)
	DOCKERUP_TESTBED_CACHE=$(CACHE) tests/testbed/engines.sh $(notdir $@)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
