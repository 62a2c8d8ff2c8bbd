#!/usr/bin/env bash
# make soak: long runs of the property tests with random inputs.
#
#   setup/soak.sh documents --seed 1000 --count 100000   random Compose documents, without an engine
#   setup/soak.sh projects --seed 1000 --count 300       random projects on the engine, predicted and observed
#   setup/soak.sh both SEED DOCUMENTS COUNT              both, one after the other
#   setup/soak.sh proofs --count 10000                   one project, proven again and again

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# First of all: a wrong number must not be found only after minutes of other work.
check_number() { # NAME VALUE
  [[ $2 =~ ^[0-9]{1,9}$ ]] || fail "$1 is not a number: \"$2\"." "make soak SEED=1000 DOCUMENTS=100000 COUNT=300"
}

if [[ ${1:-} == both ]]; then
  check_number SEED "${2:-}"
  check_number DOCUMENTS "${3:-}"
  check_number COUNT "${4:-}"
  "${BASH_SOURCE[0]}" documents --seed "$2" --count "$3"
  exec "${BASH_SOURCE[0]}" projects --seed "$2" --count "$4"
fi
lock_clone
run_in_foreground setup/python.sh dev
case ${1:-} in
  documents) run_in_foreground .venv/bin/python -m tests.property.soak_documents "${@:2}" ;;
  projects)
    run_in_foreground setup/engine.sh start
    run_in_foreground setup/compose.sh
    run_in_foreground .venv/bin/python -m tests.property.engine.soak_projects "${@:2}"
    ;;
  proofs)
    run_in_foreground setup/engine.sh start
    run_in_foreground setup/compose.sh
    run_in_foreground .venv/bin/python -m tests.integration.observe.soak_proofs "${@:2}"
    ;;
  *) fail "setup/soak.sh takes documents, projects or proofs, and then their options." "make soak does the first two (both)." ;;
esac
