#!/usr/bin/env bash
# Starts a container engine if none answers, and stops it again: setup/engine.sh [start|stop].
#
# Rules:
#   - An engine that answers, local or at DOCKER_HOST, is used as it is and never reconfigured or stopped.
#   - An engine that the user chose (DOCKER_HOST, a context) and that does not answer is never replaced by another.
#   - `start` records in /run/cloison/engine what it changes, and `stop` undoes exactly that.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# The range for benchmarks (RFC 2544) is not used on the Internet. A blackhole route covers all of it, so that a probe
# of an address that no container has any more never leaves the machine.
readonly POOL=198.18.0.0/15
readonly ENGINE_FLAGS=(--default-address-pool "base=$POOL,size=24" --bip 198.19.255.1/24 --log-opt max-size=10m)
readonly OLDEST_API=1.41 # Engine 20.10; also checked for Podman, which reports the API version that it implements
readonly STATE=/run/cloison/engine
readonly ENGINE_LOG=/var/log/cloison-engine.log
readonly DOCKER_RULES='DOCKER|docker0|br-[0-9a-f]{12}|^-A POSTROUTING -s ([^ ]+) -d \1 .*-j MASQUERADE$' # its firewall rules
readonly LOCAL_SOCKET=unix:///var/run/docker.sock

# ── an engine that runs already ────────────────────────────────────────────────────────────────────────────────

endpoint() { docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || printf '%s' "${DOCKER_HOST:-$LOCAL_SOCKET}"; }

engine_version() { timeout 15 docker version --format '{{.Server.APIVersion}} {{.Server.Version}}' 2>"$LOGS/engine.log"; }

last_error() { grep -v '^[[:space:]]*$' "$LOGS/engine.log" 2>/dev/null | tail -n 1 || true; }

is_older() { # A B: version A is older than B
  [[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]
}

accept_engine() { # "API VERSION"
  local api=${1% *} version=${1#* }
  ! is_older "$api" "$OLDEST_API" || fail \
    "The engine at $(endpoint) is $version, and Cloison needs 20.10 or newer." \
    "It was left as it is: upgrade it, or name another one in DOCKER_HOST, then run make $GOAL again."
  print_success "Engine $version at $(endpoint)${2:-, already there and used as it is}"
}

fail_if_engine_was_chosen() {
  local where socket
  where=$(endpoint)
  socket=${where#unix://}
  if [[ -S $socket && ! -w $socket ]]; then
    fail "$socket: $(id -un) may not use the socket of the engine." \
      "Run sudo make $GOAL, or add the user to its group (sudo usermod -aG $(stat -c %G -- "$socket") $(id -un)) and log in again."
  fi
  [[ $where == "$LOCAL_SOCKET" ]] || fail \
    "The engine at $where, chosen by DOCKER_HOST or a Docker context, does not answer: $(last_error)." \
    "Start it, or unset DOCKER_HOST and run docker context use default, then run make $GOAL again."
}

# ── a new engine ────────────────────────────────────────────────────────────────────────

# Without systemd, the package's start script would start an engine with other networks first. policy-rc.d(5) stops it.
without_service_start() {
  local -r policy=/usr/sbin/policy-rc.d
  need_root "Installing the engine's packages"
  if [[ -d /run/systemd/system || -e $policy ]]; then
    "$@"
    return
  fi
  remove_policy() { rm -f /usr/sbin/policy-rc.d; }
  at_exit remove_policy
  lock_machine
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  "$@"
  remove_policy
}

# From Debian 13 on the client is a package of its own, and docker.io only recommends it.
install_client() {
  has_command docker && return 0
  local package=docker.io
  ! is_installable docker-cli || package=docker-cli
  [[ -z ${DOCKER_HOST:-} || $package == docker-cli ]] || fail \
    "DOCKER_HOST names an engine, but the docker command is not installed." \
    "Install the docker command, then run make $GOAL again."
  without_service_start apt_install "The docker command" "$package"
}

install_engine() {
  has_command dockerd && has_command iptables && has_command ip && return 0
  need_space /var/lib/docker "${CLOISON_SPACE:-3}" "The engine"
  without_service_start apt_install "A container engine" docker.io iptables iproute2 ca-certificates
  has_command dockerd || fail "docker.io is installed, but dockerd is not in PATH." "Add /usr/sbin to PATH and run make $GOAL again."
}

is_running() { [[ $(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null) == [!Z] ]]; } # a zombie (Z) waits for its parent

wait_for_engine() { # PROCESS (0: of systemd)
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    docker version --format ok >/dev/null 2>&1 && return 0
    (($1 == 0)) || is_running "$1" || return 1
    sleep 0.1
  done
  return 1
}

start_with_systemd() { systemctl start docker && wait_for_engine 0; }

start_by_systemd() {
  step engine "Starting the engine (systemctl start docker)" start_with_systemd || fail \
    "systemd could not start docker." "See journalctl -u docker for the reason, then run make $GOAL again."
}

foreign_routes() { ip -o route show root "$POOL" 2>/dev/null | grep -vE '^blackhole|dev (docker|br-)' || true; }

save_machine_state() { # the state before the start, for `undo`
  mkdir -p "${STATE%/*}"
  cat >"$STATE" <<STATE
clone=$ROOT
route=$(ip -o route show root "$POOL" | grep -c "^blackhole $POOL" || true)
forward=$(cat /proc/sys/net/ipv4/ip_forward)
policy=$(iptables -S FORWARD 2>/dev/null | sed -n 's/^-P FORWARD //p')
rules=$(iptables -S FORWARD 2>/dev/null | grep -c '^-A' || true)
STATE
}

save_process() { printf 'process=%s\nbegan=%s\n' "$1" "$(start_time "$1")" >>"$STATE"; }

saved() { sed -n "s/^$1=//p" "$STATE" 2>/dev/null || true; }

start_time() { awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null || true; } # a process id can be reused; id and start time cannot

launch_engine() { # prints its process id; the engine inherits no open file, above all no lock
  local fd flags=("${ENGINE_FLAGS[@]}")
  # dockerd rejects a flag that daemon.json also sets; with such a file, its settings are used.
  [[ ! -e /etc/docker/daemon.json ]] || flags=()
  (
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd <= 2)) || exec {fd}>&-
    done
    exec setsid dockerd "${flags[@]}" </dev/null >"$ENGINE_LOG" 2>&1
  ) >/dev/null &
  printf '%s' "$!"
}

# dockerd sets the policy of FORWARD to DROP, which protects the containers' addresses from other machines, only when it
# turns ip_forward on itself. Where ip_forward was on and FORWARD had no rule, this does the same; `stop` restores it.
# https://docs.docker.com/engine/network/packet-filtering-firewalls/
drop_forwarding_by_default() {
  [[ $(saved policy) == ACCEPT && $(saved rules) == 0 && $(saved forward) == 1 ]] || return 0
  iptables -P FORWARD DROP
  say "IP forwarding was on without any rule; now only what Docker allows is forwarded (iptables -P FORWARD DROP)."
}

start_directly() {
  local taken process
  taken=$(foreign_routes)
  [[ -z $taken ]] || fail "The networks of the engine would be taken from $POOL, and this machine already uses it: ${taken%%$'\n'*}." \
    "Start an engine yourself with other networks (dockerd --default-address-pool …), then run make $GOAL again."
  save_machine_state
  process=$(launch_engine)
  save_process "$process"
  ip route add blackhole "$POOL" 2>/dev/null || true
  if ! step engine "Starting the engine" wait_for_engine "$process"; then
    tail -n 12 "$ENGINE_LOG" | sed 's/^/    | /' >&2
    undo
    fail "dockerd does not start on this machine." \
      "Its last lines are above, all of them in $ENGINE_LOG; fix what they report, or name another engine in DOCKER_HOST."
  fi
  drop_forwarding_by_default
}

start() {
  local version how=', started now'
  install_client
  if version=$(engine_version); then accept_engine "$version" && return; fi
  fail_if_engine_was_chosen
  need_root "Starting an engine"
  lock_machine
  if version=$(engine_version); then accept_engine "$version" && return; fi # another run was faster
  install_engine
  if [[ -d /run/systemd/system ]]; then start_by_systemd; else start_directly; fi
  version=$(engine_version) || fail "The engine was started and does not answer: $(last_error)." "See its log: $ENGINE_LOG"
  accept_engine "$version" "$how"
}

# ── undo ──────────────────────────────────────────────────────────────────────────────────────────

is_own_engine_running() {
  local process
  process=$(saved process)
  [[ -n $process ]] && is_running "$process" && [[ $(start_time "$process") == "$(saved began)" ]]
}

# Every rule of Docker names one of its chains or bridges, except one rule for each published port (MASQUERADE, for a
# container that connects to its own port), which stays when an engine stops with running containers. All other rules
# stay, in their order. Docker sets one policy: FORWARD in the table filter, for IPv4.
remove_docker_rules() {
  local tables policy
  for tables in iptables ip6tables; do
    has_command "$tables-save" || continue
    "$tables-save" 2>/dev/null | grep -vE "$DOCKER_RULES" | "$tables-restore" 2>/dev/null || true
  done
  policy=$(saved policy)
  iptables -P FORWARD "${policy:-ACCEPT}" 2>/dev/null || true
}

undo() {
  local process link
  process=$(saved process)
  if is_own_engine_running; then
    kill -TERM "$process" 2>/dev/null || true
    timeout --foreground 30 tail --pid="$process" -f /dev/null || kill -KILL "$process" 2>/dev/null || true
  fi
  remove_docker_rules
  for link in $(ip -o link show type bridge 2>/dev/null | sed -nE 's/^[0-9]+: (docker0|br-[0-9a-f]{12}):.*/\1/p'); do
    ip link del "$link" || true
  done
  (($(saved route))) || ip route del blackhole "$POOL" 2>/dev/null || true
  [[ $(saved forward) != 0 ]] || echo 0 >/proc/sys/net/ipv4/ip_forward
  rm -f "$STATE" /var/run/docker.pid
}

stop() {
  local clone running
  [[ -f $STATE ]] || return 0
  clone=$(saved clone)
  [[ $clone == "$ROOT" || ! -d $clone ]] || { say "The engine was started from $clone and was not stopped." && return 0; }
  if is_own_engine_running; then
    running=$(docker --host "$LOCAL_SOCKET" ps --format '{{.Names}}' 2>/dev/null | head -n 3 | paste -sd' ' || true)
    [[ -z $running ]] || { say "The engine was not stopped: other containers run on it ($running)." && return 0; }
  fi
  need_root "Stopping the engine"
  lock_machine
  step engine "Stopping the engine that was started here" undo
}

lock_clone
case ${1:-start} in
  start) start ;;
  stop) stop ;;
  *) fail "setup/engine.sh has no verb \"$1\"." "Its verbs are start and stop." ;;
esac
