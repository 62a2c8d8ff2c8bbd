# The main targets are up and test. Each target runs a script in setup/.

.DEFAULT_GOAL := help
.PHONY: help up down clean prove test test-fast soak lint fmt bench docs dist image

export CLOISON_GOAL = $@

help: ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

up: ## start the stack, prove it, and print its address
	@setup/up.sh

down: ## stop the stack and keep its data
	@setup/down.sh

clean: ## remove everything that make has created, after a question (YES=1: without)
	@setup/clean.sh

prove: ## prove the running stack again
	@setup/prove.sh

test: ## run every check and every test, from a fresh clone
	@setup/test.sh $(ARGS)

test-fast: ## run every check, and the quick tests, which need no engine
	@setup/test-fast.sh $(ARGS)

soak: ## run the property tests for longer: make soak SEED=1000 DOCUMENTS=100000 COUNT=300
	@setup/soak.sh both '$(or $(SEED),1000)' '$(or $(DOCUMENTS),100000)' '$(or $(COUNT),100)'

lint: ## run the static checks
	@setup/lint.sh

fmt: ## format the code
	@setup/python.sh dev
	@.venv/bin/ruff check --fix --quiet || true
	@.venv/bin/ruff format

bench: ## run the benchmarks and write docs/benchmarks.md
	@setup/bench.sh

docs: ## build the documentation as a site, into site/
	@setup/docs.sh

dist: ## build wheel, source distribution, SBOM and provenance into dist/
	@setup/dist.sh

image: ## build the command as an image, localhost/cloison
	@setup/image.sh
