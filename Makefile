PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check format benchmark quality clean

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --upgrade pip
	$(BIN)/pip install -qq torchvision
	touch $@

# torchvision first: it pins the torch that fits it, and every later step finds both in place.
$(VENV)/.installed: $(VENV)/.made setup.cfg pyproject.toml
	$(BIN)/pip install -qq --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -qq --editable '.[dev]'
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

# Needs CIFAR-10 as a folder of images in $$ORCH_DATA/cifar10-jpeg, and about half an hour of two cores.
quality: $(VENV)/.installed
	$(BIN)/orch plan grids/cifar10-lt-quick.yaml
	$(BIN)/orch worker --gpus none --slots 2
	$(BIN)/orch report cifar10-lt-quick

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
