#!/usr/bin/env bash
# make test: every check and every test, from a fresh clone. It stops everything that it has started.

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh

unset PYTHONDONTWRITEBYTECODE # to compile every module for every process takes longer than many a test
export PYTHONFAULTHANDLER=1 # a child that crashes prints where
# Lanes run side by side, started in this order. An engine's lane waits most of the time: a test of it changes an engine
# and its host's firewall, so no other test can run there meanwhile. `here` has this engine, `apart` and `beside` one each
# of the same version in namespaces of its own (without egress from the machine), and `elsewhere` engines of other versions
# and Podman. The others need no engine and compute; at a lower priority they take what the first leave of two cores, and
# make none of them late. A test runs in the lane that names it or its folder most closely; tests/unit/test_lanes.py
# checks that there is one.
readonly LANES=(here apart processor beside elsewhere database packages)
readonly AT_ONCE=5
declare -rA TESTS=(
  [apart]="tests/integration"
  [processor]="tests/unit tests/property"
  [database]="tests/ledger tests/e2e/setup"
  [packages]="tests/e2e/docs tests/e2e/distribution"
  # The stack stays up to the end.
  [here]="tests/integration/remote/test_agent_image.py tests/integration/image tests/e2e/people tests/e2e/stack"
  [beside]="tests/integration/rehearse tests/integration/remote tests/integration/enforce tests/property/engine"
  [elsewhere]="tests/integration/engine tests/integration/podman tests/property/engine/test_second_engines.py"
)
declare -rA COMMANDS=(
  [apart]="setup/second-engine.sh enter installed"
  [beside]="setup/second-engine.sh enter installed-2"
  [processor]=nice [database]=nice [packages]=nice
)
readonly ENGINES=(installed installed-2) # of the lanes `apart` and `beside`
readonly TEST_IMAGE=localhost/cloison/ledger:latest # tests/integration/compose_project.py

# The files whose branches are covered to the last one: the modules that import-linter keeps pure, so the list is one.
core() {
  .venv/bin/python -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
forbidden = [m for c in contracts if c["type"] == "forbidden" for m in c["source_modules"]]
modules = [m for m in forbidden if m.startswith("cloison.")]
paths = ["src/" + m.replace(".", "/") for m in modules]
print(",".join(f"{p}.py,{p}/*" for p in paths))'
}

# The package nodejs of other sources than Debian's brings npm along and conflicts with the package npm.
packages() {
  local name
  while read -r name; do
    [[ $name == npm ]] && has_command npm && continue
    printf '%s\n' "$name"
  done < <(sed 's/[[:space:]]*#.*//; /^$/d' setup/packages.test)
}

fail_if_stack_runs() {
  local name
  name=$(docker ps --filter "label=com.docker.compose.project=$(project_name)" --format '{{.Names}}' | paste -sd' ')
  [[ -z $name ]] || fail "The stack runs here ($name), and the tests would disturb it." "Stop it first: make down keeps its data."
}

# A run that was killed could not remove its stacks (tests/e2e/stack); they come back with the engine and hold their ports.
remove_stacks_of_tests() {
  local project projects
  mapfile -t projects < <(docker ps --all --format '{{.Label "com.docker.compose.project"}}' | sort -u)
  for project in "${projects[@]}"; do
    [[ $project == cloison-stack-tests* ]] || continue
    step stack "Removing what a killed run left ($project)" docker compose -p "$project" down --volumes --timeout 5
  done
}

# lane NAME: runs its tests, by its command; its times are in .cache/log/NAME.xml. The core has no socket and no file, so
# `processor` covers all of it, and the others are not slowed down by the measurement.
lane() {
  local -r name=$1
  local tests command ignored coverage=()
  [[ $name != processor ]] || coverage=(--cov=src/cloison --cov-branch --cov-report=)
  read -ra tests <<<"${TESTS[$name]}"
  read -ra command <<<"${COMMANDS[$name]:-}"
  mapfile -t ignored < <(named_more_closely "${tests[@]}")
  "${command[@]}" .venv/bin/pytest "${coverage[@]}" --durations=20 --junit-xml=".cache/log/$name.xml" \
    "${tests[@]}" "${ignored[@]}" 2>&1
}

named_more_closely() { # PATH...: prints options that leave out what a lane names below these
  local own path
  for own; do
    # shellcheck disable=SC2048  # a lane has several paths
    for path in ${TESTS[*]}; do [[ $path != "$own"/* ]] || printf -- '--ignore=%s\n' "$path"; done
  done
}

# Without egress nothing can be pulled there, so they get the images of their tests from this engine.
start_engines_apart() {
  local agent engine
  docker image inspect "$TEST_IMAGE" >/dev/null 2>&1 || step test-image "Building the image of the tests" docker compose build app
  agent=$(agent_image)
  at_exit stop_engines_apart
  for engine in "${ENGINES[@]}"; do
    setup/second-engine.sh start "$engine"
    docker save "$TEST_IMAGE" "$agent" | setup/second-engine.sh enter "$engine" docker load --quiet >/dev/null
  done
}

agent_image() { # builds the image of the agent, and prints its name
  .venv/bin/python -c '
from cloison.engine import connection
from cloison.remote import agent_image
with connection.engine_connection() as engine:
    print(agent_image.image(engine.api, lambda _: None))'
}

stop_engines_apart() {
  local engine
  for engine in "${ENGINES[@]}"; do setup/second-engine.sh stop "$engine"; done
}

# The checks of the code run while the engine starts and the images are built.
start_checks() {
  setup/lint.sh >"$LOGS/lint.log" 2>&1 &
  readonly CHECKS=$!
  at_exit stop_checks
}

stop_checks() { kill "$CHECKS" 2>/dev/null || true; }

checks_pass() {
  local code=0
  wait "$CHECKS" || code=$?
  cat "$LOGS/lint.log" >&2
  ((code == 0)) || fail "The code does not pass its checks." "The lines above name what fails; make fmt formats the code."
}

all_lanes() {
  local code=0 name running=0
  for name in "${LANES[@]}"; do
    if ((running == AT_ONCE)); then wait -n || code=$?; else running=$((running + 1)); fi
    if [[ $name == here ]]; then lane here | tee_log here & else lane "$name" >".cache/log/$name.log" & fi
  done
  while ((running--)); do wait -n || code=$?; done
  for name in "${LANES[@]}"; do [[ $name == here ]] || cat ".cache/log/$name.log"; done
  ((code == 0)) || list_failures
}

# tee_log NAME: pass on what comes and keep it, to its end: a signal that ends the others would cut off their last words.
tee_log() (
  trap '' INT TERM
  exec tee ".cache/log/$1.log"
)

# The last lines are the ones that are read, and where logs are cut off, the only ones.
list_failures() {
  local -r logs=("${LANES[@]/#/.cache/log/}")
  grep -hE '^(FAILED|ERROR) |^Fatal Python error' "${logs[@]/%/.log}" | cut -c -300 >&2 || true
  fail "Tests failed." "The lines above name them; ${LANES[*]/%/.log} in .cache/log say how. make test ARGS=PATH runs some alone."
}

stop_engine() { setup/engine.sh stop; }

core_is_covered() {
  step core "The core is covered to the last branch" .venv/bin/coverage report --include="$(core)" --fail-under=100 || fail \
    "A branch of the core is not covered." "The lines above name it; every branch of the core has a test."
}

# Where systemd runs, Debian starts docker-registry on port 5000 as soon as it is installed, and the tests need that port.
# A registry that was installed before is not stopped.
install_test_packages() {
  local was_here=1
  has_command docker-registry || was_here=0
  apt_install "What the tests need (setup/packages.test)" "$@"
  ((was_here)) || [[ ! -d /run/systemd/system ]] || systemctl disable --now --quiet docker-registry
}

lock_clone
engine_answers || at_exit stop_engine
mapfile -t wanted < <(packages)
install_test_packages "${wanted[@]}"
unlock_machine # the tests of setup/ run its scripts, which wait for this lock
run_in_foreground setup/python.sh dev
start_checks
run_in_foreground setup/engine.sh start
run_in_foreground setup/compose.sh
remove_stacks_of_tests
fail_if_stack_runs
run_in_foreground setup/images.sh
if (($#)); then
  checks_pass
  run_in_foreground .venv/bin/pytest "$@"
else
  start_engines_apart
  checks_pass
  run_in_foreground all_lanes
  core_is_covered # a part of the tests covers a part of the code
fi
