# Everything a developer does here is one target. All of it runs in $(VENV), which `make dev` makes.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BUILD ?= release
JOBS ?= 2
TIME ?= 300
PY := $(VENV)/bin/python
export PATH := $(abspath $(VENV))/bin:$(PATH)
export FASTGW_BUILD := $(BUILD)
export FASTGW_JOBS := $(JOBS)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

INSTALLED := $(VENV)/.installed
EDITABLE := $(VENV)/.editable
PACKAGES := $(VENV)/.packages
PRICES := fastgw/spend/data/prices.json
BUILT := fastgw/_native/_build_kind.txt
SPINE := $(filter-out fastgw/_native/%,$(wildcard fastgw/*/*.pxd))
NATIVE := $(wildcard fastgw/_native/*.pyx fastgw/_native/*.pxd) $(SPINE) $(SPINE:.pxd=.py)

.PHONY: help dev build fix lint stubs test run wheel wheel-check corpus asan fuzz cov bench bench-proxy count soak storm reload-storm budget-storm abort-storm clock-storm history-storm prices ci clean

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

# --- the environment ---------------------------------------------------------------------------------------------------------

dev: $(EDITABLE) $(PACKAGES)  ## make .venv, install what development needs, build the native modules

$(PY):
	@sh tools/make_venv.sh $(VENV)

$(INSTALLED): requirements-dev.txt | $(PY)
	@echo "pip installs into $(VENV):" $$(sed -E 's/ *#.*//; /^$$/d' requirements-dev.txt)
	@$(PY) -m pip install -q --progress-bar off -r requirements-dev.txt
	@touch $@

$(PRICES): tools/build_prices.py $(INSTALLED)
	@$(PY) tools/build_prices.py | tail -1

# Built again when a source is newer, when another kind is asked for, and for another interpreter.
ifneq ($(shell cat $(BUILT) 2>/dev/null),$(BUILD))
.PHONY: $(BUILT)
endif
$(BUILT): $(INSTALLED) setup.py $(NATIVE)
	@if [ "$$(cat $@ 2>/dev/null)" != "$(BUILD)" ]; then rm -f fastgw/*/*.so; fi
	@echo "builds the native modules ($(BUILD))"
	@$(PY) setup.py -q build_ext --inplace -j$(JOBS)
	@echo $(BUILD) > $@

# The native modules are in place already; pip would compile each a second time.
$(EDITABLE): pyproject.toml $(BUILT) $(PRICES)
	@FASTGW_ONLY=none $(PY) -m pip install -q --no-build-isolation --no-deps -e .
	@touch $@

$(PACKAGES): | $(PY)
	@missing=; \
	for need in openssl:openssl nginx:nginx-light wrk:wrk valgrind:valgrind; do \
	  PATH="$$PATH:/usr/sbin" command -v $${need%%:*} >/dev/null || missing="$$missing $${need##*:}"; \
	done; \
	if [ -z "$$missing" ] || sh tools/debian_packages.sh $$missing; then touch $@; \
	else echo "going on without; a test or benchmark that needs one of them will say so"; fi

build: $(EDITABLE)  ## build the native modules in place: [BUILD=release|debug|trace|asan]

# --- every day ---------------------------------------------------------------------------------------------------------------

fix: $(INSTALLED)  ## format, and repair what ruff can repair
	@ruff format .
	@ruff check --fix .

lint: $(INSTALLED) stubs  ## ruff, mypy, stubtest, cython-lint, floors and names, spelling
	ruff check .
	ruff format --check .
	mypy
	cython-lint fastgw
	$(PY) tools/check_tree.py
	codespell

stubs: $(EDITABLE)  ## compare the stubs of the native modules with the modules
	$(PY) -m mypy.stubtest fastgw._native --allowlist tools/stub_allow.txt

test: dev  ## all tests, or some: [T=path]
	@$(PY) -m pytest -q $(T)

run: $(EDITABLE)  ## serve the demo and send it real requests: [ONCE=1] [PORT=8787]
	@$(PY) tools/run_demo.py $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

ci: dev lint wheel-check  ## what must pass before a change goes in
	@$(MAKE) test

# --- packages ----------------------------------------------------------------------------------------------------------------

wheel: $(PRICES)  ## build the wheel into dist/
	@rm -rf dist build/lib* build/bdist*
	@FASTGW_BUILD=release $(PY) -m pip wheel -q --no-build-isolation --no-deps -w dist .
	@ls dist/*.whl

wheel-check: wheel  ## install the wheel where there is no compiler and no source, and serve from it
	@$(PY) tools/check_wheel.py dist/*.whl

reload-storm: dev  ## reload every second for a minute under load: [ARGS=--seconds N]
	@$(PY) -m tests.adversity.reload_storm $(ARGS)

abort-storm: dev  ## clients that leave at every moment: [ARGS=--calls N]
	@$(PY) -m tests.adversity.abort_storm $(or $(ARGS),--calls 10000)
	@$(PY) -m tests.adversity.abort_storm --drain $(or $(ARGS),--calls 10000)

budget-storm: dev  ## 200 clients on budgets with room for 37 calls, and again with kills: [ARGS=--rounds N]
	@$(PY) -m tests.adversity.budget_storm $(or $(ARGS),--rounds 1000)
	@$(PY) -m tests.adversity.budget_storm --kills $(or $(ARGS),--rounds 50)

clock-storm: dev  ## wall clocks that jump, a month that ends, restarts under a wrong clock: [ARGS=--seconds N]
	@$(PY) -m tests.adversity.clock_storm $(ARGS)

history-storm: dev  ## rates and slots under load and kills, judged by an order of all calls: [ARGS=--seconds N]
	@$(PY) -m tests.adversity.history_storm $(ARGS)

storm: dev  ## kill workers, everything, the bookkeeper, the supervisor under load and compare the books: [ARGS=--rounds N]
	@$(PY) -m tests.adversity.kill_storm $(or $(ARGS),--rounds 50)

prices: $(INSTALLED)  ## build the price book again: [VERSION= of genai-prices to move to]
	@if [ -n "$(VERSION)" ]; then \
	  sed -i -E 's/genai-prices==[0-9.]+/genai-prices==$(VERSION)/' pyproject.toml requirements-dev.txt; \
	  $(PY) -m pip install -q genai-prices==$(VERSION); \
	fi
	@$(PY) tools/build_prices.py

# --- proof -------------------------------------------------------------------------------------------------------------------

# Another build kind lives in a tree of its own, build/KIND, so that the one in place stays what it is.
SANITISERS = LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" PYTHONMALLOC=malloc \
  ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

.PHONY: tree-asan tree-trace
tree-asan tree-trace: tree-%: $(INSTALLED) $(PRICES)
	@mkdir -p build/$*/fastgw && rm -rf build/$*/tests
	@find build/$*/fastgw -type f \( -name '*.py' -o -name '*.py[xi]' -o -name '*.pxd' \) -delete
	@git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - $(PRICES) | tar -x -C build/$*
	@echo "builds the native modules ($*) in build/$*"
	@cd build/$* && FASTGW_BUILD=$* $(abspath $(PY)) setup.py -q build_ext --inplace -j$(JOBS)

asan: tree-asan  ## native and property tests under the address and undefined-behaviour sanitisers: [T=path]
	@cd build/asan && FASTGW_BUILD=asan $(SANITISERS) $(abspath $(PY)) -m pytest -q --timeout 600 $(or $(T),tests/unit/_native tests/property)

fuzz: tree-asan  ## every fuzzer under the sanitisers for TIME seconds: [TIME=300]
	@cd build/asan && for file in tests/fuzz/fuzz_*.py; do \
	  name=$$(basename $$file .py); echo "$$name, $(TIME) s"; \
	  $(SANITISERS) $(abspath $(PY)) -m tests.fuzz.$$name --seconds $(TIME) || exit 1; \
	done

cov: tree-trace  ## line coverage of Python and Cython by unit and property tests: [T=path]
	@cd build/trace && for c in build/cython-trace/fastgw/_native/*.c; do ln -sf "$$PWD/$$c" fastgw/_native/; done
	@cd build/trace && FASTGW_BUILD=trace $(abspath $(PY)) -m coverage run -m pytest -q --timeout 600 $(or $(T),tests/unit tests/property)
	@cd build/trace && $(abspath $(PY)) -m coverage report --skip-covered --sort=cover

corpus: $(EDITABLE)  ## judge the parsers by public corpora: CORPORA=folder
	@[ -n "$(CORPORA)" ] || { echo "make corpus CORPORA=folder"; exit 2; }
	@$(PY) tools/corpus.py $(CORPORA)

bench: $(EDITABLE)  ## wall time of the native pieces
	@$(PY) -m pytest -q bench/micro --benchmark-only $(ARGS)

bench-proxy: dev  ## nginx, an aiohttp proxy and fastgw side by side: [ARGS=--help]
	@$(PY) -m bench.proxy $(ARGS)

count: dev  ## instructions of the native operations against the recorded ones: [ARGS=--update]
	@$(PY) -m bench.count $(ARGS)

soak: dev  ## every storm; then a million requests, does it give back what it takes: [ARGS=--requests N]
	@for each in storm reload-storm budget-storm abort-storm clock-storm history-storm; do $(MAKE) $$each ARGS= || exit 1; done
	@$(PY) -m bench.soak $(ARGS)

clean:  ## remove what was built; .venv stays
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .coverage* .benchmarks $(EDITABLE)
	@rm -f fastgw/*/*.so $(BUILT) $(PRICES)
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
