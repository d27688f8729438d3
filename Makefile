# Sendoff: build, try, test.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
PARTS := core store engine sdk cmd chaos console compat python package modules

.PHONY: build demo test test-short test-deps $(PARTS:%=test-%) check chaos proof-limits proof-bulk proof-schedules proof-pool proof-graphs proof-overload proof-python proof-alerts bench lint console console-shots pictures python proto dist image package clean

build: ## bin/sendoff, static
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/sendoff ./cmd/sendoff

demo: build ## see tasks accepted, delivered, retried and finished; on a terminal its console stays until Ctrl-C
	bin/sendoff demo

test: test-deps check ## everything that must hold, about ten minutes from nothing; its parts: make test-store, ...
	scripts/test

$(PARTS:%=test-%): test-%: test-deps ## one part of it, see scripts/test
	scripts/test $*

test-short: check ## what a desk needs between two edits
	go test -short -p 4 ./... # they wait more than they work

test-deps: ## PostgreSQL, PgBouncer, strace, Prometheus, Litestream, axe-core, in CI a browser, and the Python SDKs of Dispatch, installed when they are missing
	scripts/setup-test-deps
	scripts/setup-prometheus
	scripts/setup-litestream
	scripts/setup-browser
	scripts/setup-python

check: ## format and vet
	@bad=$$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l); \
		if [ -n "$$bad" ]; then echo "not formatted (gofmt -w):"; echo "$$bad"; exit 1; fi
	go vet ./...

chaos: test-deps ## the long forms: 10,000 tasks, 20 kills, 50 power cuts a mode
	SENDOFF_HEAVY=1 go test -count=1 -timeout 2h -v ./chaos/...

proof-limits: test-deps ## limits, order and dependencies, long forms: half an hour
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./chaos -run 'Keys|Limits'
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./store/postgres -run 'Storm|Forgotten|ManyDependencies'
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./store/sqlite -run ManyDependencies

proof-bulk: test-deps ## a million failed tasks retried beside others that run, how fast both are, on both floors; on a quiet machine
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./engine -run BulkRetryOfAMillion
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./chaos -run BulkRetry

proof-schedules: test-deps ## 200 one-second schedules on three nodes that are killed and stopped for 10 minutes
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./chaos -run Schedules

proof-pool: test-deps ## processes, long forms: 100 trees of them, 10,000 tasks that print, 1,000 that are poison, nodes lost
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./internal/exec/process ./internal/dispatcherd/...
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./engine -run Poison
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./chaos -run Process

proof-graphs: test-deps ## graphs of jobs, long forms: 10,000 random ones beside DoJobber itself, durable ones by the thousand, runs that are killed twenty times
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./compat -run DoJobber
	go test -count=1 -timeout 1h ./jobgraph ./graphrun -rapid.checks=2000
	SENDOFF_HEAVY=1 go test -count=1 -timeout 1h -v ./chaos -run GraphRun

proof-overload: test-deps ## three times as many submissions as a server on one core can take, and a thousand slow clients; on a quiet machine
	SENDOFF_HEAVY=1 go test -count=1 -timeout 30m -v ./chaos -run 'Overload|SlowClients'

proof-python: test-deps ## flows in Python whose apps and servers are killed in turn, and 1,000 fan-outs of 100 calls, on both floors
	SENDOFF_HEAVY=1 scripts/python -s tests/test_proof.py

proof-alerts: test-deps ## the rules for Prometheus, each fired by a fault at a real server: two minutes
	SENDOFF_HEAVY=1 go test -count=1 -timeout 10m -v ./packaging -run FireWhenFaults

dist: ## a release into dist/: archives for all platforms, Debian packages, container images, SHA256SUMS
	scripts/dist

image: ## container images for Linux in dist/, made without Docker
	scripts/image

package: ## the Debian package of this machine, checked, installed into a directory and purged; twice the same
	scripts/test-package

bench: ## side by side with others, see bench/
	cd bench && go run .

lint: ## golangci-lint with .golangci.yml, installed when it is missing
	scripts/lint

console: ## the pages of the console, from internal/server/console/pages/*.templ
	go run github.com/a-h/templ/cmd/templ@v0.3.1100 generate -path internal/server/console

console-shots: ## pictures of all pages of the console in build/console, with a browser
	mkdir -p build/console
	SENDOFF_SHOTS=$(CURDIR)/build/console go test -count=1 -timeout 5m ./internal/server/console -run NarrowScreen

pictures: ## those of the README, docs/pictures, with a browser
	scripts/pictures

python: ## the Python package: types, style, tests against the program; wheel and sdist in python/dist
	scripts/python

proto: ## gen/ from proto/; needs buf, protoc-gen-go and protoc-gen-connect-go
	cd proto && buf generate

clean:
	rm -rf bin python/dist
