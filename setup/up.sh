#!/usr/bin/env bash
# make up: installs what is missing, starts the stack, proves it, and prints its address. With ENFORCE=1 it is enforced, too.

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh source=ledger.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh
source setup/ledger.sh

# The stack first: the ledger must run before a proof can be sent to it.
start_stack() {
  step stack "Starting the stack" docker compose up -d --build --wait || fail "The stack did not become healthy." \
    "See the lines above and docker compose logs, then run make up again."
  first_administrator
  if [[ -n ${ENFORCE:-} ]]; then
    run_in_foreground setup/watch.sh start || exit 3
    run_and_send_proof prove "$address" --strict
  else
    run_and_send_proof up "$address"
  fi
}

# Others reach the port, and a password that they send to it can be read on the way.
warn_of_clear_text() {
  local bind url
  bind=$(setting CLOISON_BIND 0.0.0.0) url=$(setting CLOISON_PUBLIC_URL)
  [[ $bind != 127.* && $bind != ::1 && $url != https://* ]] || return 0
  say "On other machines a password would cross the network in clear. One command gives HTTPS:"
  say "  CLOISON_PUBLIC_URL=https://${HOSTNAME:-HOST}:8443 make up"
}

print_addresses() {
  local url
  url=$(setting CLOISON_PUBLIC_URL)
  warn_of_clear_text
  [[ -z $url ]] || say "Its public address is $url."
  print_success "The stack runs: $address"
}

running() { docker compose ps --quiet --status running proxy 2>/dev/null; }

lock_clone
run_in_foreground setup/python.sh run
run_in_foreground setup/engine.sh start
run_in_foreground setup/compose.sh
address=$(setup/check-port.sh)
run_in_foreground setup/images.sh
run_in_foreground setup/https.sh
code=0
start_stack || code=$?
case $code in
  0) print_addresses ;;
  1 | 3) [[ -n $(running) ]] && say "The stack runs at $address; see the result of its proof above." ;;
esac
exit "$code"
