# Sluice: two commands for people, the rest for those who work on it.
#
#   make demo    installs what is missing, builds, runs a pipeline and shows its result
#   make test    installs what is missing, builds and runs every test

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Looked up when a rule runs, after setup had its say about a missing toolchain.
SWIFT = $(shell scripts/find-swift)
# Progress for people, silence for logs.
BUILD = "$(SWIFT)" build $$([ -t 1 ] || echo --quiet)
# The Swift runtime goes into the binary, which then runs where there is no toolchain.
RELEASE = $(BUILD) -c release --static-swift-stdlib

# Homebrew keeps these three out of pkg-config's way.
ifeq ($(shell uname -s),Darwin)
export PKG_CONFIG_PATH := $(shell brew --prefix curl 2>/dev/null)/lib/pkgconfig:$(shell brew --prefix expat 2>/dev/null)/lib/pkgconfig:$(shell brew --prefix openssl@3 2>/dev/null)/lib/pkgconfig:$(PKG_CONFIG_PATH)
endif

.PHONY: help setup build demo test lint format bench bench-rank bench-rank-scale bench-plan bench-commit bench-stores bench-wordindex clean

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1	\2/p' Makefile | expand -t 16

setup: ## installs the system packages and DuckDB that building needs
	@scripts/setup build

build: ## a release binary in .build/release/sluice
	@scripts/setup build
	@[ -x .build/release/sluice ] || echo "building a release; the first time takes minutes" >&2
	@$(RELEASE)

demo: build ## three hours of sample page views, all the way to the result
	@scripts/demo

# Everything in one debug build; the integration tests run the command that lies beside them.
# FILTER=name runs the tests whose names match.
test: ## every test
	@scripts/setup test
	@scripts/test $(if $(FILTER),--filter "$(FILTER)")

# The build has its own folder, so that its stricter flags do not undo the others' work.
lint: ## formatting, compiler warnings, shell scripts
	@scripts/setup build lint
	@scripts/lint

format: ## formats the Swift files
	@"$(SWIFT)" format --in-place --recursive Sources Tests Benchmarks Package.swift

# BENCH_LINES sets the size of the hour, BENCH_RUNS how often each contestant runs.
bench: bench-rank bench-plan ## bench-rank and bench-plan

# BENCH_HOURS=24 makes it a day, BENCH_ONLY=sluice,twin,duckdb,polars,spark chooses who takes part,
# BENCH_MEMORY limits Sluice.
bench-rank: build ## the hourly job against DuckDB's command, Polars and PySpark; then the kernels
	@scripts/setup bench
	@.deps/venv-bench/bin/python Benchmarks/bench.py
	@.build/release/rank-kernels $$(find .bench/dumps-* -name '*.gz' | head -1)

# SCALE_ONLY and SCALE_RUNS as in Benchmarks/rank_scale.py.
bench-rank-scale: build ## how rank scales over files, cores, memory and single giant files
	@scripts/setup bench
	@BENCH_HOURS=$${BENCH_HOURS:-24} .deps/venv-bench/bin/python Benchmarks/rank_scale.py

# BENCH_OBJECTS and BENCH_CHANGED set other numbers.
bench-plan: build ## planning over a million objects of which a hundred changed
	@rm -rf .bench/planning && mkdir -p .bench/planning
	@.build/release/bench-planning prepare .bench/planning
	@.build/release/bench-planning plan .bench/planning

# COMMIT_SNAPSHOTS and COMMIT_FILES set the size of the table. The build has its own folder, as its
# flags would undo the release's.
bench-commit: ## publishing one more batch to a large table, against pyiceberg's append
	@scripts/setup test
	@SLUICE_BENCH_COMMIT=$${PWD}/.bench/commit "$(SWIFT)" test -c release -Xswiftc -enable-testing \
	  --scratch-path .build/testing --disable-xctest --filter CommitCostTests 2>&1 | grep -E "commit:|error|✘"

# BENCH_RUNS, BENCH_MEGABYTES, BENCH_OBJECTS and BENCH_ONLY=large,small,put as in Benchmarks/stores.py.
bench-stores: build ## fetching against curl and awscli
	@scripts/setup stores
	@.deps/venv/bin/python Benchmarks/stores.py

# BENCH_FILES, BENCH_RUNS and BENCH_ONLY as in Benchmarks/wordindex.py.
bench-wordindex: build ## the word index against tantivy, Polars, DuckDB and PySpark
	@scripts/setup bench
	@.deps/venv-bench/bin/python Benchmarks/wordindex.py

clean: ## removes what was built and what the demo made; keeps .deps
	@rm -rf .build .bench .sluice demo
