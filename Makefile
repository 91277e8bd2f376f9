# ModelFleet: every task a developer or a user types. `make` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
SWIFT ?= swift
# Where a command that takes long puts what it builds; kept between runs.
BUILD := .build
RELEASE := $(BUILD)/release/modelfleet
# As in the images: a program with Swift's libraries in it needs some MiB less than one that loads them.
STATIC := --static-swift-stdlib

TRACES ?= ../shared/traces

.PHONY: help setup build release test test-drain test-rollouts soak sanitize demo bench bench-build bench-kopf bench-metrics bench-scrape bench-scaling \
  bench-judge generate format lint clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: libcurl and libyaml headers, and ONNX Runtime into .venv
	@bash scripts/setup.sh

build: setup ## Build everything for debugging
	$(SWIFT) build

release: setup ## Build the two programs optimised
	$(SWIFT) build -c release $(STATIC) --product modelfleet
	$(SWIFT) build -c release $(STATIC) --product modelfleet-server

# All tests of one run share a few threads: those that calculate for seconds run apart from those that wait for an answer.
CALCULATING := RolloutsTests|ScalingTests|TraceSimulationTests|TelemetryTests|TemplatesTests|YAMLTests|KubeModelTests
SERVING := KubeServerTests|LocalClusterTests|ContractTests

test: setup ## Run all tests (ROOM=ScalingTests for one room's)
ifdef ROOM
	MODELFLEET_ROOMS=$(ROOM) $(SWIFT) test
else
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build --filter '^($(CALCULATING))\.'
	$(SWIFT) test --skip-build --filter '^($(SERVING))\.'
	$(SWIFT) test --skip-build --skip '^($(CALCULATING)|$(SERVING)|FaultSimulationTests|EndToEndTests)\.'
	$(SWIFT) test --skip-build --filter FaultSimulationTests
	$(SWIFT) test --skip-build --filter EndToEndTests
	$(MAKE) --no-print-directory soak SEEDS=200
endif

test-drain: setup ## Take 1,000 replicas away under load and count what is lost (TERMINATIONS=n)
	$(SWIFT) build --build-tests
	MODELFLEET_TEST_TERMINATIONS=$(or $(TERMINATIONS),1000) $(SWIFT) test --skip-build --filter EndToEndTests.EndToEnd/Draining

# Optimised, as the worlds of `soak` are.
test-rollouts: setup ## Try many orders of what may happen to a rollout (SEEDS=5000 of each kind)
	MODELFLEET_ROOMS=RolloutsTests MODELFLEET_TEST_ROLLOUT_SEEDS=$(or $(SEEDS),5000) $(SWIFT) test -c release \
	  -Xswiftc -enable-testing --scratch-path $(BUILD)/rollouts --filter RolloutPropertyTests

# Optimised, since a world is some thousand requests; in a folder of its own, so that nothing else is built again.
soak: setup ## Live through simulated worlds with faults (SEEDS=10000, FIRST=1; SEED=1234 shows one with its trace)
	@MODELFLEET_ROOMS=soak $(SWIFT) build -c release --scratch-path $(BUILD)/soak --product soak
	@$(BUILD)/soak/release/soak $(if $(SEED),--seed $(SEED),--first $(or $(FIRST),1) --seeds $(or $(SEEDS),1000))

# Leaks aren't looked for: what runs to the end of the process counts as one. ThreadSanitizer has no notion of
# `Synchronization.Mutex` on Linux and takes every use of one for a race, so it says nothing here.
sanitize: setup ## Run the tests of the rooms that touch C under AddressSanitizer
	MODELFLEET_ROOMS=CurlHTTPTests,TransportSecurityTests,InferenceTests ASAN_OPTIONS=detect_leaks=0 \
	  $(SWIFT) test --sanitize=address --scratch-path $(BUILD)/sanitize-address

demo: release ## Serve a model, load it, watch it scale up and down (HOLD=1 leaves it running, LOAD_SECONDS=n)
	@$(RELEASE) demo $(if $(LOAD_SECONDS),--load-seconds $(LOAD_SECONDS),) $(if $(HOLD),--hold,)

bench: bench-build ## Measure operator and API server (minutes; make bench-NAME for one: server, create, steady, reaction, coldstart, growth, decide)
	@$(BUILD)/release/modelfleet-bench $(BENCH_OPTIONS)

bench-kopf: bench-build benchmarks/kopf/.venv/installed ## The same table for a minimal kopf operator, in Python
	@$(BUILD)/release/modelfleet-bench --operator kopf --json $(BUILD)/bench/kopf.json create steady reaction coldstart $(BENCH_OPTIONS)

bench-%: bench-build
	@$(BUILD)/release/modelfleet-bench --json $(BUILD)/bench/$*.json $* $(BENCH_OPTIONS)

bench-build: setup
	$(SWIFT) build -c release $(STATIC) --product modelfleet
	$(SWIFT) build -c release $(STATIC) --product modelfleet-bench

benchmarks/kopf/.venv/installed: benchmarks/kopf/requirements.txt
	python3 -m venv benchmarks/kopf/.venv
	benchmarks/kopf/.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench-metrics: ## Measure how fast metrics pages are read (PAGES="a.prom b.prom" adds recorded ones)
	MODELFLEET_ROOMS=telemetry-bench $(SWIFT) build -c release --scratch-path $(BUILD)/telemetry-bench --product telemetry-bench
	@$(BUILD)/telemetry-bench/release/telemetry-bench parse $(PAGES)

bench-scrape: ## Scrape 10,000 local pages every 5 s and say what that costs (SCRAPE_OPTIONS="--pods 1000")
	MODELFLEET_ROOMS=telemetry-bench $(SWIFT) build -c release --scratch-path $(BUILD)/telemetry-bench --product telemetry-bench
	@$(BUILD)/telemetry-bench/release/telemetry-bench scrape $(SCRAPE_OPTIONS)

bench-scaling: release ## Compare the scaling policies on many loads (COLD=60, HOURS=24, TUNED=1, TRAINING=3, TRACES=folder)
	@$(RELEASE) bench-scaling $(if $(COLD),--cold-start-seconds $(COLD),) $(if $(HOURS),--hours $(HOURS),) \
	  $(if $(TUNED),--tuned,) $(if $(TRAINING),--training $(TRAINING),$(if $(wildcard $(TRACES)/*.gz),--traces $(TRACES),))

bench-judge: ## Compare the canary judge with the rules of others on simulated traffic (JUDGE_OPTIONS="--runs 100")
	MODELFLEET_ROOMS=judge-bench $(SWIFT) build -c release --scratch-path $(BUILD)/judge-bench --product judge-bench
	@$(BUILD)/judge-bench/release/judge-bench $(JUDGE_OPTIONS)

generate: ## Write crds/ and the chart's copy of it from the Swift definitions
	$(SWIFT) run modelfleet crds --output crds
	cp crds/*.yaml charts/modelfleet/crds/

format: ## Format the Swift sources in place
	$(SWIFT) format --in-place --recursive Sources Tests Package.swift

lint: ## Check the format
	$(SWIFT) format lint --strict --recursive Sources Tests Package.swift

clean: ## Remove what was built (.build, .venv and .venv-clients)
	rm -rf $(BUILD) .venv .venv-clients
