# Each target is a script in dev/make; what is missing is installed, or named with the way to get it.

.DEFAULT_GOAL := help
.PHONY: help build demo demo-down test import-fuzz simulate torture lint docs bench

help: ## what there is
	@printf 'make TARGET, with TARGET one of\n\n'
	@sed -n 's/^\([a-z-]*\): ## \(.*\)/  \1\t\2/p' Makefile | expand -t 14
	@printf '\nThe first run builds a cluster from source: allow 20 minutes and 3 GB. CONTRIBUTING.md says more.\n'
	@printf '\ndemo and test run a Kubernetes as root on this machine: they install Debian packages by apt-get, which stay,\n'
	@printf 'and change kernel settings, iptables chains and folders until the cluster is taken down.\n'
	@printf '`dev/cluster changes` lists all of it beforehand, and changes nothing.\n'

build: ## the provider, optimised; says how to use it
	@dev/make/build

demo: ## a cluster, the provider and one apply: a Redis that answers (as root, see below)
	@dev/make/demo

demo-down: ## destroy what demo made, and the cluster if demo started it; packages and cache stay
	@dev/make/demo-down

test: ## all tests, those on the real cluster too (as root, see below)
	@dev/make/test

import-fuzz: ## import COUNT random custom resources, from the seed SEED on
	@dev/make/import-fuzz

simulate: ## the simulated worlds, with SEEDS seeds; no cluster
	@dev/make/simulate

torture: ## changes and disturbances on the real cluster for MINUTES, from the seed SEED on
	@dev/make/torture

lint: ## formatting, clippy, dependencies, scripts, layout
	@dev/make/lint

docs: ## docs/ from the provider's schema, templates/ and examples/
	@dev/make/docs

bench: ## the tables of figures: speed, memory, requests, creates, rollouts
	@dev/make/bench
