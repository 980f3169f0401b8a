# Everything that a developer or CI runs. `make help` lists it.
SHELL := /bin/bash
GO ?= go
BIN := bin/inkwell
# Goroutines that are not preempted leave fewer orders of events to chance.
SIM := GODEBUG=asyncpreemptoff=1 $(GO) test
VERSION ?= $(shell git describe --tags --always 2>/dev/null || echo dev)

.PHONY: help build run test check fmt vet lint tools bench bench-latency bench-metadata bench-jobs bench-day chaos soak acceptance sim crashes damage fuzz docs clean

help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 22

build: $(BIN)    ## build bin/inkwell

.PHONY: $(BIN)
$(BIN):
	@command -v $(GO) >/dev/null || { echo "missing: go 1.26 or newer (https://go.dev/dl)"; exit 1; }
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $@ ./cmd/inkwell

run: build       ## build and start a one-process cluster at 127.0.0.1:9092, data in ./data
	exec $(BIN) dev

tools:           ## install what the tests need below .cache, or say what is missing
	test/tools/install.sh

test: tools      ## every test, with the race detector, then 210 simulated systems without it
	$(GO) test -race -timeout 30m ./...
	$(SIM) -count=1 -timeout 30m -run 'TestSeeds|TestDamage' ./sim

check: fmt vet lint test ## what a change must pass

fmt:             ## fails where gofmt would change something
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt -w these:"; echo "$$out"; exit 1; }

vet:             ## go vet
	$(GO) vet ./...

lint:            ## staticcheck
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./...

bench: build     ## compare with Apache Kafka on this machine, then bench-metadata, bench-jobs and bench-day; saves tables in bench/results
	$(GO) run ./bench -readme README.md
	$(MAKE) bench-metadata FLAGS=
	$(MAKE) bench-jobs FLAGS=
	$(MAKE) bench-day

bench-latency: build ## acks, readers and pipelining against a store with 100 ms PUTs, and the CPU of an idle process
	INKWELL_TEST_BINARY=$(CURDIR)/$(BIN) $(GO) run ./bench/latency -results bench/results -readme README.md

bench-metadata: build ## three metadata nodes: commits, failover, idle clusters, start, neighbours; about 4 minutes. FLAGS=-only=commits measures a part
	INKWELL_TEST_BINARY=$(CURDIR)/$(BIN) $(GO) run ./bench/metadata -results bench/results -readme README.md $(FLAGS)

bench-jobs: build ## merging: its speed and memory, what producers feel of it, reading merged history; about 10 minutes
	INKWELL_TEST_BINARY=$(CURDIR)/$(BIN) $(GO) run ./bench/jobs -results bench/results -readme README.md $(FLAGS)

bench-day:       ## what merging makes of a simulated day of small objects; a quarter of an hour
	$(GO) run ./bench/day -results bench/results -readme README.md

chaos: tools build ## three metadata nodes and two clusters through every fault; twenty kills of one process; SEED=n repeats the faults of a run
	INKWELL_TEST_CHAOS=long INKWELL_TEST_KILLS=20 INKWELL_TEST_LEADER_KILLS=20 $(if $(SEED),INKWELL_TEST_SEED=$(SEED)) $(GO) test -count=1 -timeout 60m -v ./test/chaos/...

soak: tools build ## MINUTES=60 of load under faults and kills with all jobs on; says each minute how it stands
	INKWELL_TEST_BINARY=$(CURDIR)/$(BIN) INKWELL_TEST_SOAK_MINUTES=$(or $(MINUTES),60) $(GO) test -count=1 -timeout $$(( $(or $(MINUTES),60) + 60 ))m -v -run TestSoak ./test/soak

acceptance: tools ## a million lines through a kill -9, on a folder and on an S3 server
	INKWELL_TEST_LINES=1000000 $(GO) test -count=1 -timeout 30m -v ./test/acceptance

sim:             ## whole systems in virtual time: SEEDS=1000 of them, from SEED=1 on
	INKWELL_TEST_SIM_SEEDS=$(or $(SEEDS),1000) INKWELL_TEST_SIM_SEED=$(or $(SEED),1) $(SIM) -count=1 -timeout 10h -v -run TestSeeds ./sim

crashes:         ## brokers die CRASHES=10000 times; no object is orphaned and no coordinate dangles after the sweeps
	INKWELL_TEST_SIM_CRASHES=$(or $(CRASHES),10000) INKWELL_TEST_SIM_SEED=$(or $(SEED),1) $(SIM) -count=1 -timeout 10h -v -run TestCrashes ./sim

damage:          ## states of replicas and logs of nodes are damaged: DAMAGES=100 systems of each kind, from SEED=1 on
	INKWELL_TEST_SIM_DAMAGES=$(or $(DAMAGES),100) INKWELL_TEST_SIM_SEED=$(or $(SEED),1) $(SIM) -count=1 -timeout 10h -v -run TestDamage ./sim

fuzz:            ## each fuzz target for half a minute
	@for pkg in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
	  echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 30s $$pkg || exit 1; done; done

docs:            ## rewrite the generated table in the README
	$(GO) test ./broker/api -run SupportTable -update

clean:           ## remove what the targets above made, but not ./data
	rm -rf bin .cache bench/work
