# Everything here works from a fresh clone: what is missing is installed into .venv and .sandbox.
.PHONY: help demo test test-demo unit coverage tapes long faults soak fuzz check format bench sandbox sandbox-down image pin-images sbom
.PHONY: charts charts-package clean dashboards reference version-check
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python

# Tests on a cluster mostly wait: six processes fill two cores, four of them with a folder of tests/exclusive each at first.
# Those of tests/cluster share one cluster, each folder of tests/exclusive has one of its own. What comes when, and what
# stays together, is in tests/support/schedule.py.
SIDE_BY_SIDE := -n 6
FAST := tests/unit tests/contract
TESTS := $(FAST) tests/charts tests/cluster tests/exclusive

# The tests start hundreds of Python processes, which should find our modules compiled; and in a fresh clone one process
# compiles the tests meanwhile, or all six of them would.
COMPILED := [ -d tests/__pycache__ ]
unexport PYTHONDONTWRITEBYTECODE

# PINNED, from `make pin-images`.
-include images.mk

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

.venv/.ready: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version 2>&1). Set PYTHON=python3.x"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

# What the demo tells of the way to the first promoted canary: when `make` began, and from what. Cold is a fresh clone, where
# all has to be installed and built first; warm is one where nothing has.
BUILT := $(or $(SERIN_SANDBOX_BIN),.sandbox/bin)
WANTED := .venv/.ready $(BUILT)/.cluster.built $(BUILT)/.prometheus.built $(if $(HELM),$(BUILT)/.helm4.built)
FOUND := $(wildcard $(WANTED))
demo: export SERIN_DEMO_BEGAN_AT_S := $(shell date +%s)
demo: export SERIN_DEMO_START := $(if $(FOUND),$(if $(filter-out $(FOUND),$(WANTED)),partly cold,warm),cold)

demo: .venv/.ready ## Play the guide on a cluster inside this machine (GUIDE=1: at its own pace, HELM=1: by the charts, KEEP=1: leave it up)
	@$(RUN) -m sandbox build $(if $(HELM),helm4)
	@$(RUN) -m sandbox.demo $(if $(GUIDE),--guide) $(if $(HELM),--helm) $(if $(KEEP),--keep)

test: .venv/.ready ## Run the tests: unit, contract, on a cluster (but for those of make long)
	@$(COMPILED) || $(BIN)/pytest --collect-only -qq $(TESTS) > /dev/null & \
		$(RUN) -m sandbox build helm3 helm4 registry actionlint promtool && $(RUN) -m sandbox browser; \
		built=$$?; wait; exit $$built
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not long" --durations=30 $(TESTS)

unit: .venv/.ready ## Run the tests that need no cluster
	$(BIN)/pytest -n 2 $(FAST)

test-demo: .venv/.ready ## Play the demo as its test does, and hold it to the guide line by line
	@$(RUN) -m sandbox build
	$(BIN)/pytest tests/demo

coverage: .venv/.ready ## Show which lines and branches of canary/ and render/ the unit tests miss
	@mkdir -p build
	$(BIN)/pytest -n 2 --cov --cov-report=term-missing tests/unit

tapes: .venv/.ready ## Play ten thousand new tapes of crashes, failures and revisions to the state machine
	SERIN_NEW_TAPES=1 $(BIN)/pytest -o timeout=0 tests/unit/canary/test_tapes.py tests/unit/canary/test_tapes_supervised.py

long: .venv/.ready ## Kill agents in runs of every strategy, and play what else takes minutes (SERIN_KILLS_SEED=...: again)
	@$(RUN) -m sandbox build
	$(BIN)/pytest -m long --ignore=tests/exclusive/faults

faults: .venv/.ready ## Play each fault around the agents for a minute, under load, with a run under way (build/faults.json)
	@$(RUN) -m sandbox build
	$(BIN)/pytest -m long tests/exclusive/faults

soak: .venv/.ready ## Let runs start and fail for an hour with faults at random, and see that nothing grows (SERIN_SOAK_S=...: seconds)
	@$(RUN) -m sandbox build
	@mkdir -p build
	$(RUN) -m tests.soak

fuzz: .venv/.ready ## Fuzz admission, the agent's reading and metrics servers' answers for an hour (SERIN_FUZZ_S=...: seconds)
	$(RUN) -m tests.fuzz

# What the chart has of manifests/: the same files, for Helm packs only what is in a chart's own folder.
IN_CHART := agent config-tracking-watch crds grafana guard high-availability keptn monitoring-operator page-token prometheus \
	rbac webhook webhook-cert-manager webhook-request-rights
IN_LOADTESTER_CHART := loadtester

charts: ## Copy into the charts what they have of manifests/; their tests fail where a copy is stale
	rm -rf charts/serin/files/manifests charts/loadtester/files/manifests
	mkdir -p charts/serin/files/manifests charts/loadtester/files/manifests
	cp -r $(IN_CHART:%=manifests/%) charts/serin/files/manifests/
	cp -r $(IN_LOADTESTER_CHART:%=manifests/%) charts/loadtester/files/manifests/

check: .venv/.ready ## Format, lint, types, import contracts, dead code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

format: .venv/.ready ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: .venv/.ready ## Write docs/reference/ anew, from the code
	$(RUN) -m tests.support.reference

dashboards: .venv/.ready ## Write Grafana's dashboards anew, from dashboards/
	$(RUN) -m dashboards

bench: .venv/.ready ## Measure; the figures go to build/bench.json (BENCH="core scale": these keys alone)
	@$(RUN) -m sandbox build
	$(RUN) -m benchmarks $(BENCH)

sandbox: .venv/.ready ## Bring up the sandbox cluster with Serin on it
	@$(RUN) -m sandbox build
	@$(RUN) -m sandbox up

sandbox-down: .venv/.ready ## Take the sandbox cluster down
	@$(RUN) -m sandbox down

image: ## Build the two images with docker
	$(if $(PINNED),,@echo "The images that ours are built on are named by tags. To pin them by digests: make pin-images")
	docker build $(PINNED) --target serin --tag serin:0.2.0 .
	docker build $(PINNED) --target serin-loadtester --tag serin-loadtester:0.2.0 .

pin-images: ## Ask the registry for the digests of the images that ours are built on, and keep them in images.mk
	@sed -nE 's/^ARG ([A-Z]+_IMAGE)=(.*)/\1 \2/p' Dockerfile | while read -r name tag; do \
		digest=$$(docker buildx imagetools inspect "$$tag" --format '{{.Manifest.Digest}}') || exit 1; \
		echo "PINNED += --build-arg $$name=$$tag@$$digest"; \
	done > images.mk.new && mv images.mk.new images.mk && cat images.mk

sbom: ## List what the two images have of Python packages, as CycloneDX, in build/
	$(PYTHON) -m venv build/sbom
	build/sbom/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-sbom.txt
	build/sbom/bin/cyclonedx-py requirements --output-reproducible -o build/serin.cdx.json requirements.txt
	build/sbom/bin/cyclonedx-py requirements --output-reproducible -o build/serin-loadtester.cdx.json loadtester/requirements.txt

version-check: .venv/.ready ## Fail unless everything in the tree has the version VERSION=0.2.0
	@$(RUN) .ci/release.py check "$(VERSION)"

charts-package: .venv/.ready ## Package the charts into dist/, for images in REGISTRY= with the digests in the folder DIGESTS=
	@$(RUN) -m sandbox build helm4
	$(RUN) .ci/release.py package --registry "$(REGISTRY)" --digests "$(DIGESTS)"

clean: ## Remove everything that was built or installed here
	rm -rf .venv .sandbox build dist
