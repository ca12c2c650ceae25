PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check format verify soak soak-nfs benchmark quality quality-long-tail clean

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --upgrade pip
	$(BIN)/pip install -qq torchvision
	touch $@

# torchvision first: it pins the torch that fits it, and every later step finds both in place.
$(VENV)/.installed: $(VENV)/.made setup.cfg pyproject.toml
	$(BIN)/pip install -qq --config-settings editable_mode=compat --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -qq --config-settings editable_mode=compat --editable '.[dev]'
	touch $@

$(VENV)/.installed-lab: $(VENV)/.installed-dev
	$(BIN)/pip install -qq --config-settings editable_mode=compat --editable '.[lab]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/orch plan grids/quickstart.yaml
	$(BIN)/orch worker
	$(BIN)/orch status
	$(BIN)/orch report quickstart

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Slower than the tests; what they gave last stands in docs/measured.md.
benchmark: $(VENV)/.installed
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/status_scale.py
	$(BIN)/python benchmarks/claims.py calls
	$(BIN)/python benchmarks/claims.py lost
	$(BIN)/python benchmarks/takeover.py
	$(BIN)/python benchmarks/durability.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/fixed_cost.py
	$(BIN)/python benchmarks/calibration.py

# What the model checker explores without bounds on accidents: an hour or more. MINUTES bounds each world, and each says
# whether it was explored to its end or cut; a search that was cut goes on from its file at the next call.
MINUTES ?= 60
WORLDS := 2x1x3 2x1x3-two-commands 2x1x2-slots 3x1x2 3x1x2-two-operators 2x2x2 2x1x3-late-puts
verify: $(VENV)/.installed-dev
	$(BIN)/python -m tests.jobs.checker --config 2x1x3 --sessions 0 --unbounded --minutes $(MINUTES)
	mkdir -p build
	for world in $(WORLDS); do \
	    $(BIN)/python -m tests.jobs.checker --config $$world --unbounded --minutes $(MINUTES) \
	        --resume build/$$world.search || exit; \
	done
	$(BIN)/python -m tests.jobs.checker --config 3x2x3-walks --unbounded --minutes $(MINUTES)

# Real workers under every fault that this machine can make; SEED=n repeats a run's choices.
soak: $(VENV)/.installed-lab
	$(BIN)/python -m tests.soak --minutes 10 $(if $(SEED),--seed $(SEED))

# The same over four guests with NFS clients of their own: needs root and user-mode-linux.
soak-nfs: $(VENV)/.installed-lab
	$(BIN)/python -m tests.soak.nfs --versions 3,4.2 $(if $(SEED),--seed $(SEED))

# Needs CIFAR-10 as a folder of images in $$ORCH_DATA/cifar10-jpeg, and about half an hour of two cores.
quality: $(VENV)/.installed
	$(BIN)/orch plan grids/cifar10-lt-quick.yaml
	$(BIN)/orch worker --gpus none --slots 2
	$(BIN)/orch report cifar10-lt-quick

# The same for every loss and rule for long tails: about two hours of two cores.
quality-long-tail: $(VENV)/.installed
	$(BIN)/orch plan grids/long-tail-quick.yaml
	$(BIN)/orch worker --gpus none --slots 2
	$(BIN)/orch report long-tail-quick

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
