#!/usr/bin/env bash
# The benchmarks, side by side in one run, into docs/benchmarks.md: setup/bench.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lock_clone
apt_install "What the benchmarks need" wrk nmap gcc libc6-dev
run_in_foreground setup/python.sh dev
run_in_foreground setup/engine.sh start
run_in_foreground setup/compose.sh
run_in_foreground setup/images.sh
run_in_foreground .venv/bin/python -m bench "$@"
