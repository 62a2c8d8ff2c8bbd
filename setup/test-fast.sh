#!/usr/bin/env bash
# Every check and every quick test that needs no engine: setup/test-fast.sh [PYTEST_ARGUMENT...].
#
# Rules:
#   - It installs no package of the distribution and starts no engine. A tool that is missing is named.
#   - No slow test runs: none that starts programs or a browser, none that is too large. tests/conftest.py marks them.
#   - Properties are tried on a few examples; make test takes them all, and measures the coverage.
#   - Two halves of the tests run side by side, in a process each: pytest-xdist would collect all of them twice.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

unset PYTHONDONTWRITEBYTECODE # to compile every module for every process takes longer than many a test
readonly HALF=(tests/unit/plan tests/unit/reports tests/unit/docs tests/ledger/unit)
readonly OTHER_HALF=(tests/unit tests/property/test_*.py)

tests() {
  .venv/bin/pytest --quiet --hypothesis-profile=fast -m 'not slow' -p no:schemathesis "$@"
}

both_halves() {
  local code=0 half
  tests "${HALF[@]}" >"$LOGS/fast.log" 2>&1 &
  half=$!
  tests "${OTHER_HALF[@]}" "${HALF[@]/#/--ignore=}" || code=$?
  wait "$half" || code=$?
  cat "$LOGS/fast.log"
  return "$code"
}

checks_and_tests() {
  local code=0 lint
  setup/lint.sh >"$LOGS/lint.log" 2>&1 &
  lint=$!
  if (($#)); then tests "$@" || code=$?; else both_halves || code=$?; fi
  wait "$lint" || code=$?
  cat "$LOGS/lint.log" >&2
  ((code == 0)) || fail "A check or a test failed." "The lines above name it; make test-fast ARGS=PATH runs some alone."
}

lock_clone
run_in_foreground setup/python.sh dev
run_in_foreground checks_and_tests "$@"
