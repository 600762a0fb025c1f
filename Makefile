# make train    everything from a Python to a trained NiN
# make test     the same set-up with the tools, then the tests
#
# EXTRA=cu112   for an NVIDIA GPU
# ARGS="..."    flags of examples/train_nin.py, instead of --quick
# PYTHON=...    a Python 3.8 to 3.12; found by itself where it is on the PATH, or known to uv or pyenv

EXTRA ?= cpu
ARGS ?= --quick
VENV := .venv$(if $(filter-out cpu,$(EXTRA)),-$(EXTRA))
BIN := $(VENV)/bin

.PHONY: train test lint clean

train: $(VENV)/.installed
	$(BIN)/gluon-cnn data
	$(BIN)/python examples/train_nin.py $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/gluon-cnn data
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

clean:
	rm -rf .venv .venv-* build *.egg-info

$(VENV)/.installed: setup.py pyproject.toml | $(VENV)
	$(BIN)/python -m pip install --quiet -e ".[$(EXTRA)]"
	touch $@

$(VENV)/.installed-dev: setup.py pyproject.toml | $(VENV)
	$(BIN)/python -m pip install --quiet -e ".[$(EXTRA),dev]"
	touch $@

# The first Python that is 3.8 to 3.12 and can make a virtual environment: the one in PYTHON, those on the
# PATH, those of pyenv, what uv knows, and finally one that uv installs.
$(VENV):
	@fits() { "$$@" -c 'import sys, venv, ensurepip; sys.exit(not (3, 8) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }; \
	set -- "$(PYTHON)"; \
	if [ -z "$(PYTHON)" ]; then \
	  set -- python3.11 python3.10 python3.9 python3.8 python3.12 python3 python \
	    "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.*/bin/python "$$(uv python find '>=3.8,<3.13' 2>/dev/null)"; \
	fi; \
	for python in "$$@"; do \
	  if [ -n "$$python" ] && fits "$$python"; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found$(PYTHON)" ] && command -v uv >/dev/null && uv python install 3.11; then found=$$(uv python find 3.11); fi; \
	if [ -z "$$found" ]; then \
	  echo "$(if $(PYTHON),$(PYTHON) is no,There is no) Python 3.8 to 3.12 with venv: install one, or name it with PYTHON=..." >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import platform, sys; sys.exit(sys.platform == "darwin" and platform.machine() == "arm64")'; then \
	  echo "MXNet 1.9.1 has no wheel for Apple silicon: docs/platforms.md has what runs there" >&2; exit 1; \
	fi; \
	echo "$$("$$found" --version) in $@"; \
	"$$found" -m venv $@ || { rm -rf $@; exit 1; }
