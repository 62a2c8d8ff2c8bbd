#!/usr/bin/env bash
# Every check and every test, from a fresh clone: setup/test. What it starts, it stops, however it ends.

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh

readonly MEASURED=(--cov=src/cloison --cov-branch --cov-report=)
# Three lanes run at the same time. `here` takes what is in no other lane: those tests change this engine and this host's
# firewall, one after the other, and wait most of the time. `processor` needs no engine but for one database, and
# `elsewhere` brings engines and networks of its own.
readonly PROCESSOR=(tests/unit tests/ledger tests/property/test_documents.py tests/e2e/setup)
readonly ELSEWHERE=(tests/integration/engine tests/integration/podman tests/property/engine/test_second_engines.py)
readonly LANES=(processor elsewhere here)

# The files whose branches are covered to the last one: the modules that import-linter keeps pure, so the list is one.
core() {
  .venv/bin/python -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
modules = [m for c in contracts if c["type"] == "forbidden" for m in c["source_modules"]]
paths = ["src/" + m.replace(".", "/") for m in modules]
print(",".join(f"{p}.py,{p}/*" for p in paths))'
}

packages() { sed 's/[[:space:]]*#.*//; /^$/d' setup/packages.test; }

refuse_a_running_stack() {
  local name
  name=$(docker ps --filter "label=com.docker.compose.project=$(project_name)" --format '{{.Names}}' | paste -sd' ')
  [[ -z $name ]] || fail "The stack runs here ($name), and the tests would disturb it." "Stop it first: make down keeps its data."
}

# lane NAME PYTEST_ARGUMENT...: its output is also in .cache/log/NAME.log, its times in .cache/log/NAME.xml.
lane() {
  COVERAGE_FILE=.cache/coverage.$1 .venv/bin/pytest "${MEASURED[@]}" --durations=20 --junit-xml=".cache/log/$1.xml" "${@:2}" 2>&1
}

all_lanes() {
  local code=0 processor elsewhere
  lane processor "${PROCESSOR[@]}" >.cache/log/processor.log &
  processor=$!
  lane elsewhere "${ELSEWHERE[@]}" >.cache/log/elsewhere.log &
  elsewhere=$!
  lane here "${PROCESSOR[@]/#/--ignore=}" "${ELSEWHERE[@]/#/--ignore=}" | kept here || code=$?
  wait "$elsewhere" || code=$?
  cat .cache/log/elsewhere.log
  wait "$processor" || code=$?
  cat .cache/log/processor.log
  .venv/bin/coverage combine --quiet "${LANES[@]/#/.cache/coverage.}"
  ((code == 0)) || what_failed
}

# kept NAME: pass on what comes and keep it, to its end: a signal that ends the others would cut off their last words.
kept() (
  trap '' INT TERM
  exec tee ".cache/log/$1.log"
)

# The last lines are the ones that are read, and where logs are cut off, the only ones.
what_failed() {
  local -r logs=("${LANES[@]/#/.cache/log/}")
  grep -hE '^(FAILED|ERROR) |^Fatal Python error' "${logs[@]/%/.log}" | cut -c -300 >&2 || true
  fail "Tests failed." "The lines above name them; here.log, processor.log and elsewhere.log in .cache/log say how. make test ARGS=PATH runs some alone."
}

stop_engine() { setup/engine.sh stop; }

core_is_covered() {
  step core "The core is covered to the last branch" .venv/bin/coverage report --include="$(core)" --fail-under=100 || fail \
    "A branch of the core is not covered." "The lines above name it; every branch of the core has a test."
}

# Where systemd runs, Debian starts docker-registry on port 5000 as soon as it is installed, and the tests want nobody
# there; one that was here before is its owner's business.
install_wanted() {
  local was_here=1
  have docker-registry || was_here=0
  apt_install "What the tests need (setup/packages.test)" "$@"
  ((was_here)) || [[ ! -d /run/systemd/system ]] || systemctl disable --now --quiet docker-registry
}

hold_clone
engine_answers || at_exit stop_engine
mapfile -t wanted < <(packages)
install_wanted "${wanted[@]}"
release_machine # the tests of setup/ run its rooms as anybody would, and those wait for nobody's packages
attend setup/lint.sh
attend setup/engine.sh start
attend setup/compose.sh
refuse_a_running_stack
attend setup/images.sh
if (($#)); then
  attend .venv/bin/pytest "${MEASURED[@]}" "$@"
else
  attend all_lanes
  core_is_covered # a part of the tests covers a part of the code
fi
