# Everything runs in .venv, made from the Python at hand: `make PYTHON=python3.13 test` for another one.

PYTHON ?= python3
PICTURES ?= build/trace-uis
VENV := .venv
BIN := $(VENV)/bin
SOURCES := otel_genai_cost instrumentors exporters examples tests

# Tests start some thousand interpreters: each would compile us anew.
export PYTHONDONTWRITEBYTECODE :=

# Tests wait a good deal: three at a time keep two processors busy.

# Tests commit some ten thousand times, for which a disk takes milliseconds each. Where there is room in memory, and
# programs may be started there, their files are there.
IN_MEMORY = $(shell [ -z "$$TMPDIR" ] && grep ' /dev/shm tmpfs ' /proc/mounts 2> /dev/null | grep -vq noexec && \
	df -Pk /dev/shm | awk '$$4 > 4000000 && $$6 == "/dev/shm" { print "TMPDIR=/dev/shm" }')

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-heavy check bench bench-heavy bench-calls conformance transparency releases trace-uis mutations collector collector-versions kubernetes dashboards pages-pictures format lock docs changelog release clean faults-scale

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Run a multi-tenant application and show what each tenant cost
	$(BIN)/python tests/demo/run.py

test: $(VENV)/.test ## Run every test that needs nothing but Python
	$(IN_MEMORY) $(BIN)/pytest -n 3 -m "not service and not matrix and not environments and not trace_uis and not heavy"

test-all: $(VENV)/.test ## Run all tests: with services, and on every supported Python and SDK
	CI=true tests/services.sh
	CI=true $(BIN)/pytest -n 3 -m "not matrix and not environments and not trace_uis and not heavy"
	CI=true $(BIN)/pytest -m matrix
	CI=true $(BIN)/pytest -n 2 -m environments
	$(MAKE) test-heavy

test-heavy: $(VENV)/.test ## Run the tests that need Flink, Pulsar, Druid or Spark, which it fetches (as they are in test-all)
	CI=true tests/services.sh
	CI=true tests/streams/heavy.sh
	CI=true $(BIN)/pytest -m heavy

check: $(VENV)/.check ## Check style, types, architecture, packaging, sizes and duplication
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python tests/tidy/sizes.py
	$(BIN)/python tests/tidy/duplication.py
	$(BIN)/towncrier build --draft --version next > /dev/null
	rm -rf build/check && $(BIN)/python -m build --outdir build/check . > /dev/null
	$(BIN)/check-wheel-contents build/check/*.whl

bench: $(VENV)/.bench ## Measure speed as ratios, a call's in instructions; writes bench.json
	$(BIN)/python -m tests.bench.run

bench-heavy: $(VENV)/.bench ## Measure stores and streams that need Flink, Pulsar or large libraries, which it fetches, as `bench` does
	tests/services.sh
	tests/streams/heavy.sh flink pulsar
	$(BIN)/python -m tests.bench.run heavy-sinks streams

bench-calls: $(VENV)/.bench ## Measure what each tool adds to a call, for the tables of the README and the docs
	$(BIN)/python -m tests.bench.calls.compare

conformance: $(VENV)/.test ## Replay recorded spans of every instrumentation and compare with what was billed
	$(BIN)/python -m tests.conformance.run

transparency: $(VENV)/.test ## Run programs plain and metered, with every client and tool of the table, and compare
	$(BIN)/python -m tests.transparency.run

releases: $(VENV)/.test ## Run the oldest and newest release of every queue library through its cases of the matrix
	tests/services.sh
	$(BIN)/python -m tests.queues.releases

trace-uis: $(VENV)/.test ## Look at a priced trace in Zipkin, MLflow and Phoenix; the latter two take 2 GB
	tests/services.sh
	tests/trace_uis/install.sh
	mkdir -p $(PICTURES)
	TRACE_UIS_PICTURES=$(PICTURES) CI=true $(BIN)/pytest tests/trace_uis

mutations: $(VENV)/.test ## Break settlement, and the way that journals come by, and show which breaks the tests catch
	$(BIN)/python -m tests.ledger.mutations

faults-act: $(VENV)/.test ## Kill gates and ledgers while calls are admitted, and show that caps, sums and notices hold
	$(BIN)/python -m tests.faults.run act

faults-statements: $(VENV)/.test ## Kill who states and bills, and show that every sum is that of the entries
	$(BIN)/python -m tests.faults.run money

faults-scale: $(VENV)/.test ## Kill what feeds stores and streams, in the midst of batches that come again, and show that nothing is lost or doubled
	tests/streams/heavy.sh flink pulsar
	$(BIN)/python -m tests.faults.run scale

faults-pages: $(VENV)/.test ## Ask the live pages 10,000 times for other tenants' rows, and show that none comes back
	PAGES_REQUESTS=10000 CI=true $(BIN)/pytest -n 0 --timeout 3600 tests/pages/test_foreign_rows.py

faults: $(VENV)/.test ## Kill applications, pods, nodes, agents and ledgers while journals travel, and show what is lost (as root: all of it)
	$(BIN)/python -m tests.faults.run delivery

collector: ## Build the collector that collector-config/ is run by, once for each content of its manifest (needs Go)
	@collector-config/build.sh

collector-versions: $(VENV)/.test ## Say whether the collector could be built of newer versions (asks Go's module proxy)
	$(BIN)/python -m tests.collector.versions

kubernetes: $(VENV)/.test ## Rebuild the plain manifests from the Helm chart (builds helm, which needs Go)
	@tests/kubernetes/tools.sh > /dev/null
	$(BIN)/python -m tests.kubernetes.chart

dashboards: $(VENV)/.test ## Rebuild the dashboards for Grafana, and the tables that they read (Python 3.11 or newer)
	$(BIN)/python -m tests.monitoring.boards.build

pages-pictures: $(VENV)/.test ## Take the pictures of the live pages that docs show (needs Chromium)
	$(BIN)/python -m tests.pages.pictures docs/pictures

format: $(VENV)/.check ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: $(VENV)/.test ## Rebuild the default price book from its pinned lists and its price files
	$(BIN)/genai-cost prices import --inputs tests/pricing --left-out tests/pricing/left_out.json

docs: $(VENV)/.test ## Rebuild the generated tables in docs/
	$(BIN)/python -m tests.docs.generate

changelog: $(VENV)/.check ## Show what the next release changes
	$(BIN)/towncrier build --draft --version next

release: $(VENV)/.check ## Build what is released, twice, compare, and write digests: KEY=FILE signs them, DRAFT=1 tries it out
	$(BIN)/python -m tests.release.build $(if $(KEY),--key $(KEY)) $(if $(DRAFT),--draft)

clean: ## Remove everything that was made here
	rm -rf $(VENV) .demo build dist bench.json .mypy_cache .ruff_cache .pytest_cache .hypothesis

# --- one stamp an environment; each names the dependency groups it needs ---

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV) …"
	$(BIN)/pip install --quiet --editable '.[all]' --group demo
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV) …"
	$(BIN)/pip install --quiet --editable '.[all]' --group demo --group examples --group test
	@touch $@

$(VENV)/.bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[all]' --group demo --group test --group bench
	@touch $@

$(VENV)/.check: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV) …"
	$(BIN)/pip install --quiet --editable '.[all]' --group dev
	@touch $@
