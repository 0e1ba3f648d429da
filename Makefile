# `make help` lists the targets. Needs Go, git, make and gcc; what else is missing is installed where it says so.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

GO            ?= go
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# Packages whose tests need a Docker engine, or (keystone, zunclient) other programs of the distribution; everything else is a unit test.
DOCKER_SUITES := ./zunserver/runtime/docker/... ./test/engine/... ./test/controlplane/... ./test/chaos/... ./test/keystone/... ./test/zunclient/...
E2E           := ./test/e2e/... ./test/vksuite/...
export CGO_ENABLED ?= 0

# section prints a line that is found in a long log.
section = printf '\n\033[1m=== %s\033[0m (%s)\n' "$(1)" "$$(date +%T)"
# units sets $$units to the packages whose tests need no engine; a tree that cannot be listed is an error, not no tests.
units = units=$$($(GO) list ./... | grep -v -e /zunserver/runtime/docker -e /test/engine -e /test/controlplane -e /test/e2e -e /test/bench -e /test/chaos -e /test/conformance -e /test/vksuite -e /test/keystone -e /test/zunclient)

.PHONY: help
help: ## list the targets
	@printf 'Targets:\n'
	awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: up
up: ## from a clone to a Pod and a capsule that run (installs Docker if there is none; first time takes minutes)
	@$(GO) run ./test/dev up

.PHONY: down
down: ## remove all that `up` started and made
	@$(GO) run ./test/dev down

.PHONY: build
build: ## build bin/capsulet, static
	@$(GO) build -buildvcs=false -ldflags '-s -w' -o bin/capsulet ./cmd/capsulet

.PHONY: image
image: ## import capsulet/web:dev, the example's image, and capsulet/capsulet:dev into the engine
	@$(GO) run ./test/dev image

.PHONY: test
test: tools check unit race-world suite-docker e2e conformance-fast ## everything, cheapest first; what .ci/run calls
	@$(call section,all passed)

.PHONY: tools
tools: ## install what the tests need, if it is missing
	@$(call section,tools)
	$(GO) run ./test/dev tools

.PHONY: check
check: ## gofmt and go vet
	@$(call section,gofmt and vet)
	bad=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go'))
	if [ -n "$$bad" ]; then printf 'not formatted (gofmt -w them):\n%s\n' "$$bad"; exit 1; fi
	$(GO) vet ./...

.PHONY: unit
unit: ## unit tests, no engine needed
	@$(call section,unit tests)
	$(units)
	$(GO) test -timeout 5m $$units

.PHONY: golden
golden: ## write what tests compare with anew: translate's golden files, docs/pod-support.md
	@$(call section,golden files)
	$(GO) test ./translate ./translate/status ./translate/support -update

.PHONY: fuzz
fuzz: ## look for Pods, capsules and requests that cannot be borne (FOR=30s for each target); the seeds are unit tests
	@$(call section,fuzzing)
	for target in FuzzTemplate FuzzPodDocument; do $(GO) test ./translate -run '^$$' -fuzz "^$$target$$" -fuzztime $${FOR:-30s} -fuzzminimizetime 1s; done
	$(GO) test ./translate/status -run '^$$' -fuzz '^FuzzStatus$$' -fuzztime $${FOR:-30s} -fuzzminimizetime 1s
	$(GO) test ./zunserver -run '^$$' -fuzz '^FuzzRoutes$$' -fuzztime $${FOR:-30s} -fuzzminimizetime 1s

.PHONY: race
race: ## unit tests under the race detector (needs gcc)
	@$(call section,unit tests under the race detector)
	$(units)
	CGO_ENABLED=1 $(GO) test -race -timeout 15m $$units

# The packages where goroutines meet: the whole system in one process, and what it is made of.
RACE_WORLD := ./test/world/... ./provider/... ./zunserver ./zunserver/agent/... ./zunserver/probe/... ./zunserver/runtime/fake/... ./zunserver/store ./zunserver/api
.PHONY: race-world
race-world: ## the whole system in one process under the race detector (needs gcc)
	@$(call section,the whole system under the race detector)
	CGO_ENABLED=1 $(GO) test -race -timeout 15m $(RACE_WORLD)

.PHONY: suite-docker
suite-docker: ## suites on a real Docker engine and on private ones
	@$(call section,suites on Docker)
	$(GO) test -count=1 -p 1 -timeout 30m $(DOCKER_SUITES)

.PHONY: e2e
e2e: ## scenarios on a real Kubernetes control plane (RUN=regexp chooses, KEEP=1 keeps what failed)
	@$(call section,end to end)
	CAPSULET_E2E_KEEP=$(KEEP) $(GO) test -p 1 -count=1 -timeout 40m -v -run '$(RUN)' $(E2E)

.PHONY: bench
bench: ## measure against the raw Engine API, write docs/benchmarks.md
	@$(call section,benchmarks)
	$(GO) run ./test/bench

.PHONY: conformance
conformance: ## Kubernetes' conformance suite, its pod family; writes docs/conformance.md (FOCUS=regexp chooses, PROCS=4)
	@$(call section,conformance)
	$(GO) run ./test/conformance -procs "$${PROCS:-4}" -focus "$${FOCUS:-}"

.PHONY: conformance-fast
conformance-fast: ## the part of it that takes minutes, as a test
	@$(call section,conformance in short)
	$(GO) test -count=1 -timeout 25m -v ./test/conformance

.PHONY: lint
lint: ## golangci-lint, built from its module (minutes the first time)
	@$(call section,lint)
	$(GO) run $(GOLANGCI_LINT) run ./...

.PHONY: clean
clean: ## remove what was built (not what runs: that is `make down`)
	@rm -rf bin
