#!/usr/bin/env bash
# Every check and every test that needs neither an engine nor a browser, in a minute: setup/test-fast.sh [PYTEST_ARGUMENT...].
#
# Rules:
#   - It installs no package of the distribution and starts no engine. A tool that is missing is named.
#   - Properties are tried on a few examples; make test takes them all, and measures the coverage.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

unset PYTHONDONTWRITEBYTECODE # to compile every module for every process takes longer than many a test
readonly TESTS=(tests/unit tests/ledger/unit tests/property/test_*.py)

tests() {
  .venv/bin/pytest --quiet --numprocesses=2 --dist=worksteal --hypothesis-profile=fast -m 'not browser' "$@" "${TESTS[@]}"
}

# One core checks the code while the other one begins with the tests.
checks_and_tests() {
  local code=0 lint
  setup/lint.sh >"$LOGS/lint.log" 2>&1 &
  lint=$!
  tests "$@" || code=$?
  wait "$lint" || code=$?
  cat "$LOGS/lint.log" >&2
  ((code == 0)) || fail "A check or a test failed." "The lines above name it; make test-fast ARGS=PATH runs some alone."
}

lock_clone
run_in_foreground setup/python.sh dev
run_in_foreground checks_and_tests "$@"
