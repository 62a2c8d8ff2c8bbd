#!/usr/bin/env bash
# The benchmarks, side by side in one run, into docs/benchmarks.md: setup/bench.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

hold_clone
apt_install "What the benchmarks need" wrk nmap gcc libc6-dev
attend setup/python.sh dev
attend setup/engine.sh start
attend setup/compose.sh
attend setup/images.sh
attend .venv/bin/python -m bench "$@"
