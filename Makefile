# The only entry point, for people and for CI. `make` lists what there is.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# How long `make fuzz` spends on each target, in seconds.
SECONDS ?= 60
# Where the random numbers of `make faults` start.
SEED ?= 1
# How often `make bench` repeats each program.
ROUNDS ?= 5
# Where on this machine the shop of `make cluster` answers.
PORT ?= 8088
# How many shops `make bench-scheduler` makes.
SHOPS ?= 5000
# Which tests `make test-cluster` runs: a part of their names. Empty is all.
TEST ?=
# The version of Kubernetes in clusters, such as v1.35.4. Empty is the pinned one.
export KUBERNETES ?=
# What `make test-magento` tries: the directory of a complete tree, or our stand-in where it is
# empty; and how often it switches releases.
TREE ?=
ENGINE ?= magento1
SWITCHES ?= 20
# `make images IMAGES=--twice` builds everything twice, from nothing, and compares.
IMAGES ?=
# What else `make bench` is told, such as --docs or --shop large --place tmpfs; bench-pull --help
# lists it.
BENCH ?=
# What `make bench-stack` is told; bench-stack --help lists it.
STACK ?=

target := $(abspath $(or $(CARGO_TARGET_DIR),target))
demo_cluster := $(abspath $(or $(CLUSTER_DIR),/var/tmp/longshore-cluster))
# Clusters with different directories run beside each other.
test_cluster := $(abspath $(or $(CLUSTER_DIR),$(target)/cluster))
tools := tests/tools/tools $(target)/tools
fuzz_targets := envelope manifest trust_root entries mountinfo errors

.PHONY: help
help: ## list these targets
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' Makefile

.PHONY: tools
tools: ## install or check what is not Rust: awscli, s5cmd, moto, linters (kept outside the tree, by version)
	@$(tools)

.PHONY: go
go: tools ## build all that Go builds: Helm, MinIO, cosign, Kubernetes (half an hour on 2 cores, once for each version)
	@$(tools) chart interop cluster

# Binaries and tests in one go: apart, the tests' own dependencies change features, and half of the
# crates compile twice.
.PHONY: build
build: ## build everything, debug, tests included
	cargo build --locked --workspace --all-features --bins --tests

# Tests run the built binaries, and cargo builds only those of the tested package by itself.
.PHONY: test
test: tools build ## unit, property and end-to-end tests, with real binaries
	cargo test --locked --workspace --all-features
	tests/tools/pages $(target)/debug

# Each test has a kernel of its own and waits most of the time, so three at once are no more than
# two cores' work.
.PHONY: test-nfs
test-nfs: build ## NFS for real, client and server of a kernel in user-mode Linux (3 minutes; needs no root once installed)
	@$(tools) nfs
	cargo build --locked --workspace --all-features --example keep
	cargo test --locked --workspace --all-features --test nfs -- --ignored --test-threads=3

# `make test` leaves them out, as it does with all that are ignored.
.PHONY: test-root
test-root: build ## the tests that only root can run
	cargo test --locked --workspace --all-features --lib --test e2e -- --ignored another_user cannot_be_evicted two_file_systems

.PHONY: interop
interop: build ## the tests that need MinIO or cosign, which Go builds first (4 minutes each on 2 cores)
	@$(tools) interop
	cargo test --locked --workspace --all-features --test e2e -- --ignored interop minio

.PHONY: test-cluster
test-cluster: test-scheduler test-platform ## tests on a real Kubernetes cluster, as root (Go builds it first: 20 minutes on 2 cores)

.PHONY: test-scheduler
test-scheduler: tools build images cluster-tests ## the tests of a real API server, half of `make test-cluster`
	@$(tools) cluster
	CLUSTER_DIR=$(test_cluster) tests/cluster/cluster run --nodes 2 --kwok 3 --audit -- \
	  $(target)/cluster-tests/cluster $(TEST)

.PHONY: test-platform
test-platform: tools build images cluster-tests ## the tests of pods on real kubelets, the other half
	@$(tools) cluster accounts
	CLUSTER_DIR=$(test_cluster) tests/cluster/cluster run --nodes 2 --policies -- \
	  $(target)/cluster-tests/platform --test-threads=1 --show-output $(TEST)

# Not among what `make build` builds, since few changes need them. Both at once: each by itself
# would look at everything again. They run without cargo, which would wait for another cargo.
.PHONY: cluster-tests
cluster-tests: build
	mkdir -p $(target)/cluster-tests
	cargo test --locked --workspace --all-features --test cluster --test platform --no-run --message-format=json-render-diagnostics | \
	  sed -nE 's|.*"kind":\["test"\].*"name":"([a-z]+)".*"executable":"([^"]+)".*|\1 \2|p' | \
	  while read -r name program; do ln -sfn "$$program" $(target)/cluster-tests/$$name; done

# On the cluster of `make cluster`, where that runs; else on one of its own.
.PHONY: test-magento
test-magento: tools build images ## a complete Magento on the cluster, and a table of what works, as root (TREE=DIR ENGINE=magento1|magento2 SWITCHES=20)
	@$(tools) cluster
	@if CLUSTER_DIR=$(demo_cluster) tests/cluster/cluster exec true 2>/dev/null; then how=exec; else how='run --nodes 2 --'; fi; \
	  CLUSTER_DIR=$(demo_cluster) tests/cluster/cluster $$how $(target)/debug/test-magento $(ENGINE) "$(if $(TREE),$(abspath $(TREE)))" $(SWITCHES)

# The cluster has a network of its own; `platform open` carries connections into it, and ends with
# it.
.PHONY: cluster
cluster: tools build images ## the whole platform on this machine, as root: a cluster, MinIO, the scheduler, the edge, a shop and the console (PORT=8088)
	@$(tools) cluster accounts
	CLUSTER_DIR=$(demo_cluster) tests/cluster/cluster up --nodes 2
	@CLUSTER_DIR=$(demo_cluster) setsid tests/cluster/cluster exec $(target)/debug/platform accounts $(PORT) >$(demo_cluster)/logs/accounts 2>&1 </dev/null &
	CLUSTER_DIR=$(demo_cluster) tests/cluster/cluster exec $(target)/debug/platform up $(PORT)
	@CLUSTER_DIR=$(demo_cluster) setsid $(target)/debug/platform open $(PORT) >$(demo_cluster)/logs/open 2>&1 </dev/null &
	@# Whatever answers there must be the shop: the port may be another program's.
	@page=$$(curl --silent --show-error --fail --retry 20 --retry-all-errors --retry-delay 1 --cacert $(demo_cluster)/platform/authority.pem https://demo.localhost:$(PORT)/) && [[ $$page == entry=*asset=* ]] || \
	  { printf 'https://demo.localhost:%s/ is not the shop; %s/logs/open says:\n' $(PORT) $(demo_cluster); cat $(demo_cluster)/logs/open; exit 1; } >&2
	@printf 'open https://demo.localhost:%s/ (its certificate is of %s/platform/authority.pem) and look with: CLUSTER_DIR=%s tests/cluster/cluster kubectl get shops\n' $(PORT) $(demo_cluster) $(demo_cluster)
	@printf 'the console: https://console.localhost:%s/ (its certificate and that of its provider, at port %s, are of %s/platform/console-authority.pem); log in as anna, who may do everything, or as boris, who looks on, with any password\n' $(PORT) $$(($(PORT) + 1)) $(demo_cluster)

.PHONY: cluster-down
cluster-down: ## end what `make cluster` started
	CLUSTER_DIR=$(demo_cluster) tests/cluster/cluster down

# Only what it runs, as a newcomer waits for it; `make build` goes on from there.
.PHONY: demo
demo: ## the main job on real PHP sources: publish, pull, change, roll back, refuse
	cargo build --locked --workspace --all-features --bin longshore --bin longshore-init --bin demo
	$(target)/debug/demo

.PHONY: bench
bench: tools release ## an idle agent's cost; pulls against awscli, s5cmd, git and the machine's limit (ROUNDS=5, BENCH="--shop large", BENCH=--docs)
	@$(tools) bench
	images/binaries $(target)/images/binaries
	$(target)/release/bench-agent --image $(target)/images/binaries
	cargo run --locked --release --quiet --package render --example render_speed -- 5000
	$(target)/release/bench-pull --rounds $(ROUNDS) --out $(target)/bench $(BENCH)

.PHONY: bench-scheduler
bench-scheduler: tools release ## 5,000 shops on a real API server whose pods kwok plays, as root (SHOPS=5000)
	@$(tools) cluster
	CLUSTER_DIR=$(test_cluster) tests/cluster/cluster run --nodes 0 --kwok 4 -- $(target)/release/bench-scheduler --shops $(SHOPS)

.PHONY: bench-console
bench-console: tools release ## longshore-console with 5,000 shops on a real API server, and 200 open pages, as root (SHOPS=5000)
	@$(tools) cluster console
	CLUSTER_DIR=$(test_cluster) tests/cluster/cluster run --nodes 0 --kwok 4 -- $(target)/release/bench-console --shops $(SHOPS)

# A pod more or less is what a busy machine decides, too.
.PHONY: test-scaling
test-scaling: tools build images cluster-tests ## shops that grow with their visitors, as root (6 minutes, on a machine that does nothing else)
	@$(tools) cluster
	CLUSTER_DIR=$(test_cluster) tests/cluster/cluster run --nodes 2 --policies -- \
	  $(target)/cluster-tests/platform --ignored --test-threads=1 --show-output scale:: busy::

.PHONY: test-outage
test-outage: tools build images cluster-tests ## the edge under load while the API server is away for ten minutes, as root
	@$(tools) cluster
	CLUSTER_DIR=$(test_cluster) tests/cluster/cluster run --nodes 2 --policies -- \
	  $(target)/cluster-tests/platform --ignored --show-output ten_minutes

.PHONY: test-stack
test-stack: tools build images cluster-tests ## the chart's own logs, Prometheus and Alertmanager on a real cluster, as root (half an hour, and 9 minutes of Go the first time; STACK_AWAY_SECONDS=600)
	@$(tools) cluster chart stack
	cargo test --locked --workspace --all-features --test e2e -- --ignored silence:: targets::
	CLUSTER_DIR=$(test_cluster) tests/cluster/cluster run --nodes 2 --policies -- \
	  $(target)/cluster-tests/platform --ignored --test-threads=1 --show-output stack::

.PHONY: test-browser
test-browser: tools build ## what a real browser and testssl.sh say of the edge (4 minutes)
	@$(tools) browser
	cargo test --locked --workspace --all-features --test edge -- --ignored

# Screenshots go to docs/console, which the README and docs/console.md show.
.PHONY: test-console
test-console: tools build cluster-tests ## the console in a real browser, and under a scanner, beside a real API server, as root (15 minutes)
	@$(tools) cluster console
	CLUSTER_DIR=$(test_cluster) tests/cluster/cluster run --nodes 2 --kwok 3 --audit -- \
	  $(target)/cluster-tests/cluster --ignored --test-threads=1 --show-output a_browser_shows people_log_in two_people a_scanner

.PHONY: test-warming
test-warming: tools build ## a warmed pool and a cold one with all scripts of Debian's PHP programs (some minutes)
	cargo test --locked --workspace --all-features --test e2e -- --ignored all_of_the_corpus

.PHONY: test-all
test-all: test test-root test-nfs interop test-cluster test-warming test-scaling test-outage test-browser test-console test-stack ## every test, also those that CI leaves out, before you call something done (some two hours once all is built, by the sum of its parts)

.PHONY: bench-watch
bench-watch: build ## longshore-watch of the images with 10,000 domains, with 1,000 agents, and with two lost packets in a hundred; an agent with visitors and errors; as root (10 minutes, and the images' binaries)
	images/binaries $(target)/images/binaries
	WATCH_IMAGE=$(target)/images/binaries \
	  cargo test --locked --workspace --all-features --test watch -- --ignored --nocapture --test-threads 1
	$(target)/debug/bench-agent --image $(target)/images/binaries

.PHONY: bench-stack
bench-stack: release ## the chart's Prometheus with 5,000 shops that are played, and VictoriaLogs with a million lines (an hour; STACK="--pods 10000")
	@$(tools) stack
	TMPDIR=/dev/shm $(target)/release/bench-stack $(STACK)

.PHONY: bench-edge
bench-edge: release ## an HAProxy with 10,000 domains and 5,000 shops, beside plain ones and Caddy, and what a shop in trouble costs others (half an hour)
	@$(tools) peers
	@# In memory, as in the pod.
	TMPDIR=/dev/shm $(target)/release/bench-edge

.PHONY: images
images: ## the images, from Debian's packages, with buildah, as root; target/images/images.txt has sizes and digests (IMAGES=--twice)
	@$(tools) images
	images/build $(target)/images $(IMAGES)

.PHONY: release
release: ## build the binaries, optimised
	cargo build --locked --release --workspace --bins

.PHONY: fuzz
fuzz: ## run every fuzz target (SECONDS=60 each)
	@$(tools) fuzz
	@# What libFuzzer finds on the way goes to the first directory; the seeds in the tree stay as they are.
	for name in $(fuzz_targets); do \
	  mkdir -p $(target)/fuzz/corpus/$$name; \
	  PATH="$(target)/tools/bin:$$PATH" cargo +nightly fuzz run --fuzz-dir fuzz --target-dir $(target)/fuzz/build $$name \
	    $(target)/fuzz/corpus/$$name fuzz/corpus/$$name -- -max_total_time=$(SECONDS) -rss_limit_mb=1024 -timeout=10; \
	done

.PHONY: faults
faults: tools build ## every fault loop at full counts, as root; writes target/faults/faults.md (SEED=1)
	@$(tools) nfs
	cargo build --locked --workspace --all-features --example keep
	$(target)/debug/faults --seed $(SEED) --out $(target)/faults

# Their rows go into the same table.
.PHONY: faults-cluster
faults-cluster: tools build images cluster-tests ## the fault classes that need a cluster, on a real one, as root (SEED=1)
	@$(tools) cluster
	CLUSTER_DIR=$(test_cluster) tests/cluster/cluster run --nodes 2 --kwok 3 --audit --policies -- \
	  $(target)/debug/faults --cluster --seed $(SEED) --out $(target)/faults

.PHONY: lint
lint: lint-files lint-rust ## formatting, clippy, docs, shell scripts, Dockerfiles, YAML, the Helm chart (Go builds Helm first)

.PHONY: lint-files
lint-files: tools ## half of `make lint`: what needs no compiler
	@$(tools) chart
	tests/tools/lint files $(target)/tools/bin

.PHONY: lint-rust
lint-rust: ## the other half: formatting, clippy, documentation
	tests/tools/lint rust

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml

.PHONY: doc
doc: ## build the crates' documentation
	cargo doc --locked --workspace --all-features --no-deps --document-private-items --lib --bins --example keep

.PHONY: reference
reference: ## write docs/reference.md, docs/metrics.md, docs/crds.md, and what is generated under manifests/
	cargo run --locked --quiet --package runtime --example reference > $(target)/reference.md
	mv $(target)/reference.md docs/reference.md
	cargo run --locked --quiet --package agent --example metrics > $(target)/metrics.md
	mv $(target)/metrics.md docs/metrics.md
	cargo run --locked --quiet --package cli -- reference > $(target)/crds.md
	mv $(target)/crds.md docs/crds.md
	cargo run --locked --quiet --package scheduler --example metrics > $(target)/metrics-scheduler.md
	mv $(target)/metrics-scheduler.md docs/metrics-scheduler.md
	cargo run --locked --quiet --package edge --example edge_metrics > $(target)/metrics-edge.md
	mv $(target)/metrics-edge.md docs/metrics-edge.md
	cargo run --locked --quiet --package watch --example watch_metrics > $(target)/metrics-watch.md
	mv $(target)/metrics-watch.md docs/metrics-watch.md
	cargo run --locked --quiet --manifest-path crates/console/Cargo.toml --example console_metrics > $(target)/metrics-console.md
	mv $(target)/metrics-console.md docs/metrics-console.md
	cargo run --locked --quiet --manifest-path crates/console/Cargo.toml --example console_dashboard > $(target)/console.json
	mv $(target)/console.json manifests/chart/files/dashboards/console.json
	cargo run --locked --quiet --package edge --example edge_dashboard > $(target)/edge.json
	mv $(target)/edge.json manifests/chart/files/dashboards/edge.json
	cargo run --locked --quiet --package edge --example issuer_dashboard > $(target)/issuer.json
	mv $(target)/issuer.json manifests/chart/files/dashboards/issuer.json
	cargo run --locked --quiet --package scheduler --example fleet_dashboard > $(target)/fleet.json
	mv $(target)/fleet.json manifests/chart/files/dashboards/fleet.json
	cargo run --locked --quiet --package watch --example watch_dashboard > $(target)/shops.json
	mv $(target)/shops.json manifests/chart/files/dashboards/shops.json
	cargo run --locked --quiet --package cli -- crd --out manifests/chart/files/crds
	@$(tools) chart
	tests/tools/chart $(target)/tools/bin --update

.PHONY: ci
ci: ## what CI runs
	.ci/run

.PHONY: clean
clean: ## remove what was built; the tools' cache stays
	cargo clean
