# make demo   compile the digits example for a Raspberry Pi 4 and print its accuracy
# make test   every check: lint, types, floors, tests with coverage, emulated ARM, documents
# make clean  remove what the two made
#
# Both start from a bare Debian machine: Python 3.11 or newer, pip and apt are enough. Packages of
# the system (the venv module, the ARM emulator, the ssh client) are installed only when they are
# missing and only by root.

PYTHON ?= python3
WORKERS ?= 2

# One BLAS thread a worker: two workers with two threads each get in one another's way.
export OPENBLAS_NUM_THREADS := 1

VENV := .venv
BIN := $(VENV)/bin
DEMO_OUTPUT := build/digits-rpi4-arm
COVERED := ir rewrite passes quant

.PHONY: demo test lint types floors unit coverage docs arm-root ssh-client clean

demo: $(VENV)/.runtime
	@mkdir -p build
	$(BIN)/fpc compile examples/digits/digits.onnx --target rpi4-arm --int8 \
	    --mean 127.5 --std 127.5 \
	    --calib examples/digits/calibration.npz --eval examples/digits/test.npz \
	    -o $(DEMO_OUTPUT)

test: lint types floors unit coverage docs

lint: $(VENV)/.development
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.development
	$(BIN)/basedpyright

floors: $(VENV)/.development
	$(BIN)/lint-imports

unit: $(VENV)/.development arm-root ssh-client
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=

# Each floor that decides about correctness has its own threshold: an average would hide a hole.
coverage: unit
	@for package in $(COVERED); do \
	    echo "coverage of fpc/$$package"; \
	    $(BIN)/coverage report --include="fpc/$$package/*" --fail-under=90 || exit 1; \
	done

docs: $(VENV)/.development
	$(BIN)/python docs/build.py --check

arm-root: $(VENV)/.development
	$(BIN)/python -m tests.backends.arm.setup_rootfs

ssh-client:
	@command -v ssh >/dev/null \
	    || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends openssh-client; }

clean:
	rm -rf $(VENV) .cache build .coverage .coverage.* htmlcov

$(BIN)/python:
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.development: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.runtime
