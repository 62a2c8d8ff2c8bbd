#!/usr/bin/env bash
# make down: stops the stack and keeps its data.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lock_clone
run_in_foreground setup/watch.sh stop
if ! engine_answers; then
  print_success "The stack does not run: no engine answers."
  exit 0
fi
step down "Stopping the stack" docker compose down --remove-orphans || fail "The stack could not be stopped." \
  "See the lines above, then run make down again."
say "Its data is kept in the volume db_data; make up brings it back, make clean removes it."
