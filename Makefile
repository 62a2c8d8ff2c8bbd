# Two commands matter: make up, make test. All of the work is in setup/, one room a file.

.DEFAULT_GOAL := help
.PHONY: help up down clean prove test test-fast soak lint fmt bench

export CLOISON_GOAL = $@

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

up: ## engine, images, stack, proof, and the address to open
	@setup/up.sh

down: ## stop the stack and keep its data
	@setup/down.sh

clean: ## remove everything that was made, after asking (YES=1: without asking)
	@setup/clean.sh

prove: ## prove the running stack again
	@setup/prove.sh

test: ## every check and every test, from a fresh clone
	@setup/test.sh $(ARGS)

test-fast: ## every check, and every test that needs neither engine nor browser, in a minute
	@setup/test-fast.sh $(ARGS)

soak: ## what nobody chose, for longer: make soak SEED=1000 DOCUMENTS=100000 COUNT=300
	@setup/soak.sh both '$(or $(SEED),1000)' '$(or $(DOCUMENTS),100000)' '$(or $(COUNT),100)'

lint: ## what can be said about the code without running it
	@setup/lint.sh

fmt: ## put the code into shape
	@setup/python.sh dev
	@.venv/bin/ruff check --fix --quiet || true
	@.venv/bin/ruff format

bench: ## the benchmarks, into docs/benchmarks.md
	@setup/bench.sh
