# `make` alone prints this menu. Everything needs Go 1.26, make and git, and nothing else.
.DEFAULT_GOAL := help
.PHONY: help demo test stories check race lint fuzz draws bench generate build image release clean

# The toolchain that is installed is the one that is used; nothing is fetched behind your back.
export GOTOOLCHAIN := local

BIN := bin

# Packages that do not reach Kubernetes' own sources: quick to build, and built a second time for -race.
LIGHT := ./api/... ./cloudprovider/... ./cycle/... ./doctor/... ./internal/world/... ./internal/kube/... ./internal/okesim/... ./manifests/...

help: ## print this menu
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: build ## tell the whole story on a cluster of its own; with CI=true it ends by itself
	@$(BIN)/playground demo --tidemill $(BIN)/tidemill $(if $(CI),--ci) $(DEMO_FLAGS)

# The properties draw the same each time: a test of a change fails because of the change.
# Go's fuzzer alone cannot be seeded; what it finds in its few inputs was there before.
test race: export RAPID_SEED ?= 1

test: ## run every test, play HISTORIES=200 more of the simulation, and try 100 new inputs with most fuzz targets
	go test -timeout 40m ./...
	go test -timeout 40m ./internal/sim -run 'TestSeeds$$' -from 41 -seeds $(HISTORIES)
	$(MAKE) --no-print-directory fuzz FUZZTIME=100x FUZZ="'*_test.go' ':!cmd' ':(exclude,glob)scale/*'"
	cd manifests/charttest && go test ./...
	cd manifests/alerttest && go test ./...
	cd internal/tools && go test ./...

HISTORIES ?= 200

check: lint race ## what a change must pass beside the tests

lint: ## gofmt, vet, staticcheck, gosec, generated files up to date
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these" >&2; exit 1; }
	go vet ./...
	go tool -modfile=internal/tools/go.mod staticcheck ./...
	@mkdir -p $(BIN)
	go build -C internal/tools/gosec -o ../../../$(BIN)/gosec . && $(BIN)/gosec .
	$(MAKE) --no-print-directory generate
	git diff --exit-code -- api manifests/base/crd manifests/chart/files cloudprovider/externalgrpc/wire

# The seeds of every target run with the other tests; this looks for new ones. Each
# package is built once for all its targets.
FUZZTIME := 10s
FUZZ := '*_test.go'
fuzz: ## look for new bad input, FUZZTIME=10s or FUZZTIME=100x inputs for each target; what is found is kept in testdata/fuzz
	@mkdir -p $(BIN)
	@git grep -l '^func Fuzz' -- $(FUZZ) | xargs -n1 dirname | sort -u | while read -r dir; do \
	go test -c -fuzz=Fuzz -o $(BIN)/fuzz.test "./$$dir" || exit 1; \
	for target in $$(git grep -h '^func Fuzz' -- ":(glob)$$dir/*_test.go" | sed -E 's|^func (Fuzz[A-Za-z0-9]*).*|\1|'); do \
	echo "$$dir $$target"; ( cd "$$dir" && $(CURDIR)/$(BIN)/fuzz.test -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) \
	-test.fuzzcachedir "$$(go env GOCACHE)/fuzz/$$dir" ) >$(BIN)/fuzz.log 2>&1 || { cat $(BIN)/fuzz.log; exit 1; }; tail -n 2 $(BIN)/fuzz.log | head -n 1; \
	done || exit 1; done

draws: ## the properties with draws of their own, which may find what nobody has looked for
	go test -count 1 $$(git grep -l pgregory.net/rapid -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|')

race: ## the light packages under the race detector
	go test -race -timeout 15m $(LIGHT)

stories: ## the hard cases of a turn-over, with twenty nodes
	go test -timeout 60m -run 'TestHardCases|TestOutage' ./internal/e2e -v -args -long

bench: ## print figures, one a line: workload, metric, value, unit
	@go run ./bench $(if $(RUN),-run '$(RUN)')

generate: ## deep copies and the CRD from api/, dashboards, alerts, references, the plugin's messages
	go tool -modfile=internal/tools/go.mod controller-gen object paths=./api/...
	go tool -modfile=internal/tools/go.mod controller-gen crd paths=./api/... output:crd:dir=manifests/base/crd
	cp manifests/base/crd/tidemill.dev_pools.yaml manifests/chart/files/crd.yaml
	cp manifests/base/rbac.yaml manifests/base/admission.yaml manifests/chart/files/
	cd manifests/charttest && go test -run TestRendered -update . >/dev/null
	go test ./manifests/monitoring -run TestGenerated -update
	go test ./cmd/tidemill -run 'Test[A-Za-z]*(Is|Are)Documented' -update
	cd internal/tools && go run ./protogen ../../cloudprovider/externalgrpc/wire/externalgrpc.proto
	cd internal/tools && go run ./protogen ../../cloudprovider/externalgrpc/wire/expander.proto

build: ## bin/tidemill and bin/playground
	@mkdir -p $(BIN)
	@start=$$(date +%s); echo "building tidemill and the playground (about 6 minutes the first time on 2 cores, seconds afterwards)" >&2; \
	go build -o $(BIN)/ ./cmd/tidemill ./cmd/playground && echo "built in $$(( $$(date +%s) - start )) s" >&2

image: ## an OCI layout for linux/amd64 and linux/arm64 in bin/image; VERSION=1.2.3, PLATFORMS=...
	rm -rf $(BIN)/image
	cd internal/tools && go run ./ship image -out ../../$(BIN)/image $(SHIP)

release: ## everything that a version consists of but the image in bin/release; publishes nothing; VERSION=1.2.3, PLATFORMS=...
	rm -rf $(BIN)/release
	cd internal/tools && go run ./ship release -out ../../$(BIN)/release $(SHIP)

SHIP = $(if $(VULNCHECK),-vulnerabilities $(abspath $(VULNCHECK))) $(if $(VERSION),-version $(VERSION)) $(if $(REVISION),-revision $(REVISION)) $(if $(PLATFORMS),-platforms $(PLATFORMS))

clean: ## remove what build made
	rm -rf $(BIN)

SEEDS ?= 100
FROM ?= 1
JOBS ?= 2
.PHONY: sim
sim: ## simulate: SEEDS=100 histories from FROM=1 in JOBS=2 processes, a line for each, and one for the ledger
	@mkdir -p $(BIN)
	go test -c -o $(BIN)/sim.test ./internal/sim
	cd internal/sim && ../../$(BIN)/sim.test -test.run 'TestSeeds$$' -test.timeout 0 -test.v -seeds $(SEEDS) -from $(FROM) -jobs $(JOBS) \
		-ledger testdata/ledger.txt -commit $(shell git describe --always --dirty --exclude '*')

.PHONY: planted
planted: ## have the simulation look for planted bugs for BUDGET=30m, and put the table into docs/reliability.md; PLANTED='-again -run NAME'
	go run ./internal/sim/planted/hunt -jobs $(JOBS) -budget $(BUDGET) $(PLANTED)
BUDGET ?= 30m

DURATION ?= 1h
.PHONY: soak
soak: ## trouble of every kind in a whole cluster for DURATION=1h, then rest; SEED=7 draws it again
	go test ./internal/e2e -run 'TestSoak$$' -timeout 0 -v -args -soak $(DURATION) $(if $(SEED),-seed $(SEED)) $(if $(REPORT),-soak-report $(REPORT))
