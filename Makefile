# The one list of commands. CI runs nothing that is not in it.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PACKAGES := -e ./protocol -e ./engine -e ./clients/python
PROJECTS := pyproject.toml protocol/pyproject.toml engine/pyproject.toml clients/python/pyproject.toml
JAVASCRIPT := clients/javascript
DASHBOARD := clients/dashboard
PAGE := streamer/ncs_streamer/web/index.html
PAGE_SOURCES := $(shell find $(DASHBOARD) $(JAVASCRIPT)/src -type f -not -path '*/node_modules/*')
WITH_NODE := PATH="$(abspath $(BIN)):$$PATH"
# Not with --prefix, which moves the place of the machine's own settings of npm too.
NPM := cd $(JAVASCRIPT) && $(WITH_NODE) npm --silent
PAGE_NPM := cd $(DASHBOARD) && $(WITH_NODE) npm --silent
KILLS ?= 200
CHAOS_SECONDS ?= 300
KERNEL := engine/setup.py $(wildcard engine/ncs_engine/native/*)

.PHONY: help demo cluster test check chaos conformance bench bench-cluster bench-quality bench-engine bench-peers bench-page check-river generate javascript page pictures screenshot format clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.installed ## Run server, gateways, dashboard and live table; Ctrl-C stops all
	@$(MAKE) --no-print-directory page || echo "the demo goes on without the dashboard" >&2
	@$(BIN)/ncs demo

cluster: $(VENV)/.installed ## The same with three nodes, Redis and a load balancer
	@sh deploy/setup/system-parts.sh redis-server haproxy
	@$(BIN)/ncs demo --nodes 3

test: check ## Run everything: lint, types, import laws, documents, all tests
	$(NPM) test
	$(PAGE_NPM) test
	$(BIN)/python -m pytest
	NCS_ENGINE_KERNEL=numpy $(BIN)/python -m pytest tests/engine

check: $(VENV)/.installed-tests $(JAVASCRIPT)/node_modules/.installed $(PAGE) ## Lint, types, import laws, generated documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --exclude plot_clusters clients/integrations
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(NPM) run check
	$(PAGE_NPM) run check

conformance: $(VENV)/.installed-tests javascript ## Hold both SDKs to clients/conformance, and print the table
	$(BIN)/python clients/conformance

chaos: $(VENV)/.installed ## Break things around a server: KILLS=200, CHAOS_SECONDS=300
	$(BIN)/ncs verify --kills $(KILLS) --seconds $(CHAOS_SECONDS)

bench: $(VENV)/.installed ## Measure this machine
	$(BIN)/ncs bench ingest
	$(BIN)/ncs bench events
	$(BIN)/ncs bench durability
	$(BIN)/ncs bench fanout

bench-cluster: $(VENV)/.installed ## Measure one to three nodes on a Redis, on this machine
	@sh deploy/setup/system-parts.sh redis-server
	$(BIN)/ncs bench cluster

bench-quality: $(VENV)/.installed-bench ## Score clusters, outliers and drift beside peers
	$(BIN)/ncs bench quality
	@echo "for a program, with every row: $(BIN)/ncs bench quality --json"

bench-engine: $(VENV)/.installed-bench ## Measure the engine alone, beside peers
	$(BIN)/ncs bench engine

bench-peers: $(VENV)/.installed-peers $(JAVASCRIPT)/node_modules/.installed ## Measure fan-out beside peers
	@sh deploy/setup/system-parts.sh nats-server
	$(WITH_NODE) $(BIN)/python tests/benchmarks/fanout_peers.py

bench-page: $(VENV)/.installed-tests $(PAGE) ## Measure the dashboard: frames and memory, for minutes
	PYTHONPATH=tests/support $(BIN)/python tests/support/page_measure.py

check-river: $(VENV)/.installed-bench $(VENV)/.installed-tests ## Run river's own checks on the adapter
	$(BIN)/python -m pytest tests/engine/test_river.py

generate: $(VENV)/.installed-tests ## Write the generated parts of the documents
	$(BIN)/python docs/generate.py

javascript: $(JAVASCRIPT)/node_modules/.installed ## Build the JavaScript SDK: clients/javascript/dist
	$(NPM) run build

page: $(PAGE) ## Build the dashboard, as the server gives it

pictures: $(VENV)/.installed ## Draw the pictures of docs/algorithm.md
	$(BIN)/python docs/pictures.py

screenshot: $(VENV)/.installed-tests $(PAGE) ## Take the picture of the dashboard in the README
	PYTHONPATH=tests/support $(BIN)/python docs/screenshot.py

format: $(VENV)/.installed-tests $(JAVASCRIPT)/node_modules/.installed $(PAGE) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(NPM) run format
	$(PAGE_NPM) run format

clean: ## Remove what was built
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf $(JAVASCRIPT)/node_modules $(JAVASCRIPT)/dist
	rm -rf $(DASHBOARD)/node_modules $(DASHBOARD)/dist $(dir $(PAGE))

$(VENV)/.made:
	@sh deploy/setup/venv.sh $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made $(PROJECTS) $(KERNEL)
	@echo "installing NCS into $(VENV)"
	@$(PIP) $(PACKAGES) -e .
	@touch $@

$(VENV)/.installed-tests: $(VENV)/.installed
	@sh deploy/setup/system-parts.sh chromium haproxy prometheus redis-server redis-sentinel mosquitto strace systemd
	@sh deploy/setup/compiler.sh $(BIN)/python
	@sh deploy/setup/kubectl.sh $(BIN)
	@echo "installing the tools of the tests"
	@$(PIP) $(PACKAGES) -e ".[test]"
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	@echo "installing the peers of the benchmarks"
	@$(PIP) $(PACKAGES) -e ".[bench]"
	@touch $@

$(VENV)/.installed-peers: $(VENV)/.installed
	@echo "installing the peers of the fan-out"
	@$(PIP) $(PACKAGES) -e ".[peers]"
	@touch $@

$(JAVASCRIPT)/node_modules/.installed: $(VENV)/.installed-tests $(JAVASCRIPT)/package-lock.json
	@sh deploy/setup/node.sh $(BIN)
	@echo "installing the tools of the JavaScript SDK"
	@$(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(PAGE): $(PAGE_SOURCES) deploy/setup/page.sh | $(VENV)/.installed
	@test -x $(BIN)/npm || sh deploy/setup/node.sh $(BIN)
	@$(WITH_NODE) sh deploy/setup/page.sh
	@touch $@
