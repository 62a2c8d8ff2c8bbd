#!/usr/bin/env bash
# The container engine: setup/engine.sh [start|stop].
#
# Rules:
#   - An engine that answers is used as it is, local or at DOCKER_HOST, and is never reconfigured or stopped.
#   - An engine that somebody chose (DOCKER_HOST, a context) and that does not answer is never replaced by another.
#   - What `start` begins, /run/cloison/engine remembers, and `stop` takes back exactly that.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# The benchmarking range (RFC 2544) is nobody's network. The whole of it ends in a blackhole route, so that a
# probe of an address that no container holds any more never leaves the machine.
readonly POOL=198.18.0.0/15
readonly ENGINE_FLAGS=(--default-address-pool "base=$POOL,size=24" --bip 198.19.255.1/24 --log-opt max-size=10m)
readonly OLDEST_API=1.41 # Engine 20.10; Podman answers with the API it speaks, so this holds for it, too
readonly STATE=/run/cloison/engine
readonly ENGINE_LOG=/var/log/cloison-engine.log
readonly DOCKERS='DOCKER|docker0|br-[0-9a-f]{12}|^-A POSTROUTING -s ([^ ]+) -d \1 .*-j MASQUERADE$' # its firewall rules
readonly LOCAL=unix:///var/run/docker.sock

# ── the engine that is there ────────────────────────────────────────────────────────────────────────────────

endpoint() { docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || printf '%s' "${DOCKER_HOST:-$LOCAL}"; }

answer() { timeout 15 docker version --format '{{.Server.APIVersion}} {{.Server.Version}}' 2>"$LOGS/engine.log"; }

complaint() { grep -v '^[[:space:]]*$' "$LOGS/engine.log" 2>/dev/null | tail -n 1 || true; }

is_older() { # A B: version A is older than B
  [[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]
}

accept_engine() { # "API VERSION"
  local api=${1% *} version=${1#* }
  ! is_older "$api" "$OLDEST_API" || fail \
    "The engine at $(endpoint) is $version, and Cloison needs 20.10 or newer." \
    "It was left as it is: upgrade it, or name another one in DOCKER_HOST, then run make $GOAL again."
  done_with "Engine $version at $(endpoint)${2:-, already there and used as it is}"
}

refuse_chosen() {
  local where socket
  where=$(endpoint)
  socket=${where#unix://}
  if [[ -S $socket && ! -w $socket ]]; then
    fail "The engine's socket $socket is not open to $(id -un)." \
      "Run sudo make $GOAL, or join its group (sudo usermod -aG $(stat -c %G -- "$socket") $(id -un)) and log in again."
  fi
  [[ $where == "$LOCAL" ]] || fail \
    "The engine at $where, chosen by DOCKER_HOST or a Docker context, does not answer: $(complaint)." \
    "Start it, or unset DOCKER_HOST and run docker context use default, then run make $GOAL again."
}

# ── the engine that is not there yet ────────────────────────────────────────────────────────────────────────

# Where no systemd runs, the package's own start script would start an engine with other networks before we can.
without_service_start() {
  local -r policy=/usr/sbin/policy-rc.d
  need_root "Installing the engine's packages"
  if [[ -d /run/systemd/system || -e $policy ]]; then
    "$@"
    return
  fi
  allow_services() { rm -f /usr/sbin/policy-rc.d; }
  at_exit allow_services
  hold_machine
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  "$@"
  allow_services
}

# From Debian 13 on the client is a package of its own, and docker.io only recommends it.
install_client() {
  have docker && return 0
  local package=docker.io
  ! apt_has docker-cli || package=docker-cli
  [[ -z ${DOCKER_HOST:-} || $package == docker-cli ]] || fail \
    "DOCKER_HOST names an engine, and there is no docker command to talk to it." \
    "Install the docker command, then run make $GOAL again."
  without_service_start apt_install "The docker command" "$package"
}

install_engine() {
  have dockerd && have iptables && have ip && return 0
  need_space /var/lib/docker "${CLOISON_SPACE:-3}" "The engine"
  without_service_start apt_install "A container engine" docker.io iptables iproute2 ca-certificates
  have dockerd || fail "docker.io is installed, and there is no dockerd command in PATH." "Add /usr/sbin to PATH and run make $GOAL again."
}

lives() { [[ $(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null) == [!Z] ]]; } # one that died may wait for its parent

await_engine() { # PROCESS (0: of systemd)
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    docker version --format ok >/dev/null 2>&1 && return 0
    (($1 == 0)) || lives "$1" || return 1
    sleep 0.1
  done
  return 1
}

by_systemd() { systemctl start docker && await_engine 0; }

start_by_systemd() {
  step engine "Starting the engine (systemctl start docker)" by_systemd || fail \
    "systemd could not start docker." "journalctl -u docker tells why; mend it and run make $GOAL again."
}

route_of_others() { ip -o route show root "$POOL" 2>/dev/null | grep -vE '^blackhole|dev (docker|br-)' || true; }

remember_machine() { # what was so before us
  mkdir -p "${STATE%/*}"
  cat >"$STATE" <<STATE
clone=$ROOT
route=$(ip -o route show root "$POOL" | grep -c "^blackhole $POOL" || true)
forward=$(cat /proc/sys/net/ipv4/ip_forward)
policy=$(iptables -S FORWARD 2>/dev/null | sed -n 's/^-P FORWARD //p')
rules=$(iptables -S FORWARD 2>/dev/null | grep -c '^-A' || true)
STATE
}

remember_process() { printf 'process=%s\nbegan=%s\n' "$1" "$(began "$1")" >>"$STATE"; }

remembered() { sed -n "s/^$1=//p" "$STATE" 2>/dev/null || true; }

began() { awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null || true; } # guards against a process number used again

launch_engine() { # its process number on stdout; nothing of ours stays open in it, a lock least of all
  local fd flags=("${ENGINE_FLAGS[@]}")
  # A flag that daemon.json also sets stops dockerd; where there is such a file, its owner has decided.
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

# dockerd keeps neighbours from the containers' addresses (FORWARD DROP) only where it turns forwarding on itself.
# Where forwarding was on, and nobody had a rule about it, we do what it would have done; `stop` puts it back.
fence_forwarding() {
  [[ $(remembered policy) == ACCEPT && $(remembered rules) == 0 && $(remembered forward) == 1 ]] || return 0
  iptables -P FORWARD DROP
  say "Forwarding was on and open to all: only what Docker allows is forwarded now (iptables -P FORWARD DROP)."
}

start_directly() {
  local taken process
  taken=$(route_of_others)
  [[ -z $taken ]] || fail "The networks of the engine would be taken from $POOL, and this machine already uses it: ${taken%%$'\n'*}." \
    "Start an engine yourself with other networks (dockerd --default-address-pool …), then run make $GOAL again."
  remember_machine
  process=$(launch_engine)
  remember_process "$process"
  ip route add blackhole "$POOL" 2>/dev/null || true
  if ! step engine "Starting the engine" await_engine "$process"; then
    tail -n 12 "$ENGINE_LOG" | sed 's/^/    | /' >&2
    take_back
    fail "dockerd does not start on this machine." \
      "Its last lines are above, all of them in $ENGINE_LOG; mend what they name, or name another engine in DOCKER_HOST."
  fi
  fence_forwarding
}

start() {
  local version how=', started now'
  install_client
  if version=$(answer); then accept_engine "$version" && return; fi
  refuse_chosen
  need_root "Starting an engine"
  hold_machine
  if version=$(answer); then accept_engine "$version" && return; fi # another run was faster
  install_engine
  if [[ -d /run/systemd/system ]]; then start_by_systemd; else start_directly; fi
  version=$(answer) || fail "The engine was started and does not answer: $(complaint)." "Its log tells why: $ENGINE_LOG"
  accept_engine "$version" "$how"
}

# ── taking it back ──────────────────────────────────────────────────────────────────────────────────────────

runs_still() {
  local process
  process=$(remembered process)
  [[ -n $process ]] && lives "$process" && [[ $(began "$process") == "$(remembered began)" ]]
}

# Everything Docker wrote into the tables names its chains or its bridges, but for one rule a published port: it lets a
# container reach itself there, and outlives an engine that is stopped with containers on it. All other rules stay, in
# their order. Of the policies it sets one: that of FORWARD in the table filter, over IPv4.
forget_rules() {
  local tables policy
  for tables in iptables ip6tables; do
    have "$tables-save" || continue
    "$tables-save" 2>/dev/null | grep -vE "$DOCKERS" | "$tables-restore" 2>/dev/null || true
  done
  policy=$(remembered policy)
  iptables -P FORWARD "${policy:-ACCEPT}" 2>/dev/null || true
}

take_back() {
  local process link
  process=$(remembered process)
  if runs_still; then
    kill -TERM "$process" 2>/dev/null || true
    timeout --foreground 30 tail --pid="$process" -f /dev/null || kill -KILL "$process" 2>/dev/null || true
  fi
  forget_rules
  for link in $(ip -o link show type bridge 2>/dev/null | sed -nE 's/^[0-9]+: (docker0|br-[0-9a-f]{12}):.*/\1/p'); do
    ip link del "$link" || true
  done
  (($(remembered route))) || ip route del blackhole "$POOL" 2>/dev/null || true
  [[ $(remembered forward) != 0 ]] || echo 0 >/proc/sys/net/ipv4/ip_forward
  rm -f "$STATE" /var/run/docker.pid
}

stop() {
  local clone running
  [[ -f $STATE ]] || return 0
  clone=$(remembered clone)
  [[ $clone == "$ROOT" || ! -d $clone ]] || { say "The engine was started from $clone and stays." && return 0; }
  if runs_still; then
    running=$(docker --host "$LOCAL" ps --format '{{.Names}}' 2>/dev/null | head -n 3 | paste -sd' ' || true)
    [[ -z $running ]] || { say "The engine stays: containers of others run on it ($running)." && return 0; }
  fi
  need_root "Stopping the engine"
  hold_machine
  step engine "Stopping the engine that was started here" take_back
}

hold_clone
case ${1:-start} in
  start) start ;;
  stop) stop ;;
  *) fail "setup/engine.sh has no verb \"$1\"." "It has start and stop." ;;
esac
