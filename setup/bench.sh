#!/usr/bin/env bash
# make bench: runs all benchmarks and writes docs/benchmarks.md.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lock_clone
apt_install "A tool of the benchmarks" wrk nmap gcc iperf3 libc6-dev
run_in_foreground setup/python.sh dev
run_in_foreground setup/engine.sh start
run_in_foreground setup/compose.sh
run_in_foreground setup/images.sh
run_in_foreground .venv/bin/python -m bench "$@"
