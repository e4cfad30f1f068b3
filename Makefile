# Everything here works on a fresh clone and leaves its tools in .venv; nothing has to be activated.
# Another Python: `make test PYTHON=python3.12`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT := out

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Of one thread each. One that crashes ends the run with the name of its test: with another in its place, pytest-xdist
# 3.8 would wait for ever (https://github.com/pytest-dev/pytest-xdist/issues/1378).
TWO_PROCESSES := -n 2 --dist loadfile --max-worker-restart=0

.PHONY: help demo test coverage docs test-install lint stress fuzz screenshots bench validation weights clean
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.for-use ## register the built-in pair of synthetic pelves and write out/demo/report.html
	@$(BIN)/tell2reg demo --out $(OUT)/demo --overwrite
	@echo "Open $(CURDIR)/$(OUT)/demo/report.html"

test: lint ## the checks of `make lint`, then every test (see docs/developer-guide.md)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TWO_PROCESSES)

lint: $(VENV)/.for-tests ## style, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

coverage: lint ## the fast tests, with their coverage in out/coverage/index.html
	@$(INSTALL) -e ".[dev,networks,slicer-tests,coverage]"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TWO_PROCESSES) -m "not slow" --cov --cov-report=html:$(OUT)/coverage

test-install: ## the install flow in a scratch environment with Slicer's own packages (downloads 3 GB, needs 7 GB of disk space)
	@$(PYTHON) -m Testing.Install.run --python $(PYTHON) --folder $(OUT)/install

stress: $(VENV)/.for-tests ## kills, full disks and concurrent runs: are files lost? (STRESS="--seed 2 --kills 50", docs/reliability.md)
	@OMP_NUM_THREADS=1 $(BIN)/python -m Testing.Reliability.stress $(STRESS)

fuzz: $(VENV)/.for-tests ## damaged files of every format: crashes, hangs, wrong content? (FUZZ="--seed 2 --mutants 5000", docs/reliability.md)
	@OMP_NUM_THREADS=1 $(BIN)/python -m Testing.Reliability.fuzz $(FUZZ)

docs: $(VENV)/.for-tests ## write what is generated from the declarations in the code
	@$(BIN)/python -m Testing.settings_page
	@$(BIN)/python -m Testing.declared_texts

screenshots: $(VENV)/.for-tests ## pictures of the panel of the Slicer module for the documents
	@QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 $(BIN)/python -m Testing.screenshots

bench: $(VENV)/.for-bench ## compare with other tools and with the networks' own packages
	@$(BIN)/python -m Testing.Bench.run
	@$(BIN)/python -m Testing.Bench.networks --write

COUNT ?= 200
SEED ?= 70000
ORGANS ?= 0
validation: $(VENV)/.for-tests ## register COUNT phantoms with known truth, sound and spoilt, and write docs/validation.md
	@OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m Testing.Validation.run --count $(COUNT) --seed $(SEED) --leave-organs-out $(ORGANS) --write

weights: $(VENV)/.for-use ## train the demo networks again and score them (about four hours on one core)
	@$(INSTALL) -e ".[networks]"
	@OMP_NUM_THREADS=1 $(BIN)/python -m Tell2RegLib.training all --cache $(OUT)/training

clean: ## delete results and caches (.venv stays: delete that folder to start over)
	@rm -rf $(OUT) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find Tell2Reg Tell2RegLib Testing -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was made from, so a second call installs nothing.

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no '$(PYTHON)': install Python 3.11 or newer, or name it, as in 'make test PYTHON=python3.12'." >&2; exit 1; }
	@$(PYTHON) Testing/setup/check_python.py
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.for-use: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing Tell2Reg into $(VENV); the first time downloads PyTorch and takes some minutes."
	@$(INSTALL) -e ".[networks,plots]"
	@touch $@

$(VENV)/.for-tests: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing Tell2Reg and its test tools into $(VENV); the first time downloads PyTorch and takes some minutes."
	@$(INSTALL) -e ".[dev,networks,slicer-tests]"
	@touch $@ $(VENV)/.for-use

$(VENV)/.for-bench: $(VENV)/.for-tests
	@echo "Installing the tools to compare with into $(VENV)."
	@$(INSTALL) -e ".[bench]"
	@touch $@
