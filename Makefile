# `make help` lists the targets. Nothing is needed but make and Python 3.11 or newer with its venv module.
# Options for the program behind a target go in ARGS: make test ARGS="-k fork -x"

.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

ARGS ?=
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input install --quiet

# Never a path with the checkout's own folder in it, unless in quotes: that folder may contain a space.
# $(call install,lock file,kind): leaves .venv alone while this checkout, this lock and pyproject.toml are those of the last time.
# pip's own words go to .venv/install.log, and to the screen when it fails.
define install
@set -eu; \
key="$$(cat $(1) pyproject.toml | cksum) $(CURDIR)"; \
if $(PY) -c '' 2>/dev/null && [ "$$(cat .venv/$(2).stamp 2>/dev/null)" = "$$key" ]; then exit 0; fi; \
begun=$$(date +%s); \
if ! $(PY) -c '' 2>/dev/null || [ "$$(cat .venv/root.stamp 2>/dev/null)" != "$(CURDIR)" ]; then \
  base=; \
  for name in $(if $(PYTHON),"$(PYTHON)",$(CANDIDATES)); do \
    if "$$name" -c '$(SUITABLE)' 2>/dev/null; then base="$$name"; break; fi; \
  done; \
  if [ -z "$$base" ]; then \
    echo "Clew needs Python 3.11 or newer, with the venv module (Debian: python3-venv)." >&2; \
    echo "Looked for: $(or $(PYTHON),$(CANDIDATES)). Name another one: make $@ PYTHON=/path/to/python3" >&2; \
    exit 1; \
  fi; \
  echo "setup: creating .venv with $$("$$base" -V)"; \
  "$$base" -m venv --clear .venv; \
  printf '%s\n' "$(CURDIR)" > .venv/root.stamp; \
fi; \
rm -f .venv/$(2).stamp; \
echo "setup: installing $$(grep -c == $(1)) locked packages ($(1))"; \
if ! { $(PIP) --no-deps --require-hashes -r $(1) && $(PIP) --no-deps --no-build-isolation --editable .; } > .venv/install.log 2>&1; then \
  tail -n 25 .venv/install.log >&2; \
  echo "setup: the installation failed; the whole log is in .venv/install.log" >&2; \
  exit 1; \
fi; \
printf '%s\n' "$$key" > .venv/$(2).stamp; \
echo "setup: ready in $$(( $$(date +%s) - begun )) s"
endef

# One test process more than there are cores, four at most: many tests wait for servers.
workers = $$($(PY) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')

.PHONY: help setup dev demo test check bench prove prove-transports docs lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1|\2/p' Makefile | awk -F '|' '{ printf "%-23s %s\n", $$1, $$2 }'

setup: ## install Clew and what it needs into .venv
	$(call install,requirements.lock,runtime)

dev: ## the same, with the tools for tests and checks
	$(call install,requirements-dev.lock,dev)

demo: setup ## a tour of what Clew does (DOCS=folder: your own documents)
	@$(PY) -m examples.demo $(ARGS)

test: dev ## all tests
	@$(PY) -m tests.fetch_servers
	$(PY) -m pytest -n $(workers) --dist loadgroup $(ARGS)

check: dev ## style, types, floors and the unit tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) .venv/bin/lint-imports --no-logo
	$(PY) -m pytest -q tests/unit

bench: setup ## measure it on this machine
	@$(PY) -m bench $(ARGS)

prove: dev ## the simulation, every operation, then kill -9 on real processes (SEEDS=20000 EXAMPLES=200 KILLS=50)
	$(PY) -m tests.simulation --seeds $(or $(SEEDS),20000)
	$(PY) -m tests.e2e.interface --examples $(or $(EXAMPLES),200)
	$(PY) -m tests.e2e.kills --kills $(or $(KILLS),50)

prove-transports: dev ## break what lies between the engine and its workers, over every transport (RUNS=1000)
	$(PY) -m tests.fetch_servers
	$(PY) -m tests.e2e.faults --runs $(or $(RUNS),1000)
	$(PY) -m tests.e2e.fleet

docs: dev ## write the pages of the reference that are made from the code
	$(PY) -m api.openapi > docs/reference/openapi.json
	$(PY) -m dispatch._ws_frames > docs/reference/ws-frames.json
	$(PY) -m api.cli._reference > docs/reference/cli.md
	$(PY) -m tests.behaviour > docs/reference/behaviour.md
	$(PY) -m tests.sdk.reference > docs/reference/sdk.md

# uv writes its own lock file with the addresses of all downloads, so it does that in a folder of its own.
# The exported files hold versions and hashes only.
lock: ## resolve the dependencies anew, to the newest allowed versions
	@set -eu; \
	work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	cp pyproject.toml LICENSE "$$work"; \
	if ! command -v uv > /dev/null; then \
	  for name in $(if $(PYTHON),"$(PYTHON)",$(CANDIDATES)); do "$$name" -c '$(SUITABLE)' 2>/dev/null && break; done; \
	  "$$name" -m venv "$$work/uv" && "$$work/uv/bin/python" -m pip --disable-pip-version-check install --quiet uv; \
	  PATH="$$work/uv/bin:$$PATH"; \
	fi; \
	uv lock --quiet --project "$$work"; \
	for part in "requirements.lock:--no-dev --group build" "requirements-dev.lock:--group dev"; do \
	  file=$${part%%:*}; \
	  echo "# Made by make lock from pyproject.toml. Versions and hashes, no addresses." > "$$work/$$file"; \
	  uv export --quiet --project "$$work" --frozen --format requirements-txt --no-header --no-emit-project $${part#*:} >> "$$work/$$file"; \
	  if grep -nE '://|^ *-(-index|-extra|-find|f|i)' "$$work/$$file"; then echo "lock: $$file names an address" >&2; exit 1; fi; \
	done; \
	mv "$$work/requirements.lock" "$$work/requirements-dev.lock" .; \
	grep -c == requirements.lock requirements-dev.lock

clean: ## remove everything that was made here
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
