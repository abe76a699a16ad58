# The things one does: make build | test | test-slow | lint | docs | dist | campaigns. CONTRIBUTING.md says when.
ENGINE := build/engine
BUDGET := 600
PYTHON := python
CCACHE := $(shell command -v ccache)
export PYTHONPATH := $(CURDIR):$(CURDIR)/$(ENGINE)

.PHONY: build test test-slow lint docs dist changelog campaigns

build: $(ENGINE)/build.ninja
	ninja -C $(ENGINE)

$(ENGINE)/build.ninja:
	cmake -S zreplay/core -B $(ENGINE) -G Ninja -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE=$$(command -v $(PYTHON)) \
	      $(if $(CCACHE),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

test: build
	$(PYTHON) -m pytest -n auto

test-slow: build
	$(PYTHON) -m pytest -n auto -m slow

lint:
	ruff check .
	ruff format --check .
	mypy
	! git clang-format --diff --quiet HEAD -- zreplay/core | grep .

docs:
	mkdocs build --strict

# The wheel is tested beside its build: tests/packages.
dist:
	rm -rf dist
	$(PYTHON) -m build
	ZREPLAY_WHEEL=$$(echo dist/*.whl) $(PYTHON) -m pytest -m 'slow or not slow' tests/packages

changelog:
	towncrier build --version $$($(PYTHON) -c 'from zreplay.version import __version__; print(__version__)')

campaigns: build
	$(PYTHON) tests/campaigns.py --budget $(BUDGET)
