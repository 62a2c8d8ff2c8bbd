#!/usr/bin/env bash
# Keeps the policy of the running stack enforced: setup/watch.sh start|stop.
#
#   start   begins `cloison watch --enforce` in the background, and waits until the rules stand
#   stop    ends it and takes the rules away
#
# Rule: whoever enforces also watches. A container that restarts is closed until it is known, so rules without a watcher
# would cut the stack off with the first restart. After a reboot neither is there; make up ENFORCE=1 brings both back.

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh

readonly WATCHER=$ROOT/.cache/watch.pid COMMAND=$ROOT/.venv/bin/cloison
readonly TRIES=60

watcher_runs() { [[ -s $WATCHER ]] && grep -qs cloison "/proc/$(<"$WATCHER")/cmdline"; }

# The locks of this run are open files, which would stay locked as long as the watcher has them.
begin() { # in the background
  local number
  for number in /proc/self/fd/*; do
    number=${number##*/}
    ((number <= 2)) || eval "exec $number<&-"
  done
  exec setsid "$COMMAND" watch --enforce </dev/null >"$LOGS/watch.log" 2>&1
}

rules_stand() {
  local try
  for ((try = 0; try < TRIES; try++)); do
    kill -0 "$(<"$WATCHER")" 2>/dev/null || break
    ! "$COMMAND" enforce --status || return 0
    sleep 0.5
  done
  tail -n 3 "$LOGS/watch.log"
  return 1
}

# The proxy's health check asks through the published port once that has answered (proxy/healthcheck.sh), which is closed
# for the proxy itself from now on.
forget_published_port() { docker compose exec -T proxy rm -f /tmp/published-port-answered >/dev/null 2>&1 || true; }

start() {
  stop
  begin &
  printf '%s\n' $! >"$WATCHER"
  step enforce "Enforcing the policy" rules_stand && forget_published_port && return 0
  stop
  fail "The policy is not enforced; the stack runs as its file says." "See the lines above and .cache/log/watch.log."
}

stop() {
  [[ -e $WATCHER ]] || return 0
  ! watcher_runs || kill -s TERM "$(<"$WATCHER")" 2>/dev/null || true
  while watcher_runs; do sleep 0.1; done
  step enforce-off "Taking the rules away" "$COMMAND" enforce --off --project-name "$(project_name)" || fail \
    "The rules could not be taken away." "See the lines above; sudo nft list tables shows what stands."
  rm -f "$WATCHER"
}

case ${1:-} in
  start | stop) "$1" ;;
  *) fail "setup/watch.sh does not know \"${1:-}\"." "It takes start or stop." ;;
esac
