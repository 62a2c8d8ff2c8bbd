#!/usr/bin/env bash
# Runs an engine, of another Debian suite or this machine's, in namespaces of its own: setup/second-engine.sh start|stop|enter SUITE.
#
#   start SUITE [FLAG...]     downloads the packages once, into .cache/second-engine/SUITE, and starts a new engine;
#                             flags are those of dockerd
#   enter SUITE COMMAND...    runs a command in its namespaces, where the engine answers at the usual address
#   stop SUITE                stops it and removes everything except the packages
#
#   SUITE                     a suite of Debian's, such as trixie; `installed` is the engine that this machine has, and
#                             `installed-2` is one more of it
#
#   CLOISON_DEBIAN_MIRROR     the mirror of Debian's packages; default: the apt sources of this machine if it is a
#                             Debian, else the default of mmdebstrap
#
# Rules:
#   - The machine's packages, engine, networks and firewall are not changed. The second engine has a network, a PID and a
#     mount namespace of its own. When process 1 of the PID namespace ends, the kernel kills every other process in it and
#     removes links, rules and mounts with the namespaces (pid_namespaces(7)). Only files and empty cgroups are left, and
#     the next start removes those.
#   - No packet leaves the machine: the only veth pair of the network namespace has both ends in it.
#   - runc is that of this machine: a newer suite's needs a newer C library.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly SUITE=${2:-} FLAGS=("${@:3}")
readonly SUITE_DIR=$ROOT/.cache/second-engine/$SUITE
readonly PREFIX=$SUITE_DIR/root DATA=$SUITE_DIR/data STATE=$SUITE_DIR/state LOG=$LOGS/second-engine-$SUITE.log
CGROUP=cloison-second-engine-$SUITE-$(cksum <<<"$ROOT" | cut -d ' ' -f 1) # one for each clone
readonly CGROUP
readonly PACKAGES=(docker.io docker-cli containerd tini tini-static) # a suite has some of these
# The address pool and the blackhole route of setup/engine.sh: no probe reaches a real machine.
readonly POOL=198.18.0.0/15 BRIDGE=198.19.255.1/24
readonly RESTART=/run/restart-engine
# Addresses on a simulated LAN, from the ranges for documentation (RFC 5737) and for local use (RFC 4193).
readonly LAN=(192.0.2.2/24 fd5c:c105:0::2/64) ROUTERS=(192.0.2.1 fd5c:c105:0::1)

# ── the packages ────────────────────────────────────────────────────────────────────────────────────────────

# shellcheck disable=SC2016  # $(REPO_URI) is for apt
mirror() {
  [[ -z ${CLOISON_DEBIAN_MIRROR:-} ]] || { printf '%s\n' "$CLOISON_DEBIAN_MIRROR" && return; }
  apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 2>/dev/null | head -n 1
}

sources() {
  local from
  from=$(mirror)
  [[ -z $from ]] || printf 'deb %s %s main\n' "$from" "$SUITE"
}

# mmdebstrap runs apt with separate lists and keys, also where this machine is not a Debian; nothing is installed.
fetch_debs() { # FURTHER OPTIONS
  local from
  mapfile -t from < <(sources)
  mmdebstrap --variant=custom --mode=root --format=null --aptopt='Acquire::Languages "none"' \
    --customize-hook="'$ROOT/setup/second-engine.sh' download $SUITE" "$@" "$SUITE" /dev/null "${from[@]}"
}

# The signature of a testing suite is valid for a week; see docs/adr/0005-base-images-from-debian.md.
fetch_debs_even_if_expired() {
  local log=$SUITE_DIR/collect.log
  ! fetch_debs >"$log" 2>&1 || return 0
  cat "$log"
  grep -q 'is expired' "$log" || return 1
  echo "The mirror's $SUITE was signed more than a week ago; its signature is valid, so it is used."
  fetch_debs --aptopt='Acquire::Check-Valid-Until "false"'
}

download() { # inside mmdebstrap's hook
  local names
  export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
  mapfile -t names < <(apt-cache pkgnames | grep -xF "$(printf '%s\n' "${PACKAGES[@]}")")
  cd "$SUITE_DIR/deb"
  apt-get download "${names[@]}"
}

fetch() {
  local package
  rm -rf "$PREFIX" "$SUITE_DIR/deb"
  mkdir -p "$SUITE_DIR/deb" "$PREFIX"
  fetch_debs_even_if_expired
  for package in "$SUITE_DIR"/deb/*.deb; do dpkg -x "$package" "$PREFIX"; done
  rm -rf "$SUITE_DIR/deb"
  [[ -x $PREFIX/usr/sbin/dockerd ]]
  : >"$SUITE_DIR/fetched"
}

ensure_packages() {
  [[ $SUITE != installed* && ! -e $SUITE_DIR/fetched ]] || return 0
  has_command mmdebstrap || fail "mmdebstrap is missing: it downloads the Debian packages of the second engine." \
    "Run apt-get install mmdebstrap, then try again."
  need_space "$SUITE_DIR" 1 "The engine of $SUITE"
  step "second-engine-$SUITE-packages" "Downloading the engine of $SUITE" fetch || fail \
    "The packages of $SUITE could not be downloaded." "See the lines above, then try again."
}

# ── the namespaces ───────────────────────────────────────────────────────────────────────────────────────

# Runs as process 1 of the PID namespace, then becomes docker-init, the parent of dockerd.
run_as_init() {
  local number router path=$PREFIX/usr/sbin:$PREFIX/usr/bin:$PATH
  mount -t tmpfs -o mode=755 tmpfs /run # its own sockets, locks and pid files
  mkdir /run/lock
  ip link set lo up
  ip link add lan type veth peer name wire
  for number in "${!LAN[@]}"; do ip address add "${LAN[number]}" dev lan nodad; done
  ip link set wire up
  ip link set lan up
  # The router has a link-layer address that no interface has: the other end of the veth pair drops its packets.
  for router in "${ROUTERS[@]}"; do
    ip neighbour add "$router" lladdr 02:00:5e:00:00:01 dev lan nud permanent
    ip route add default via "$router" dev lan
  done
  ip route add blackhole "$POOL"
  echo 0 >/proc/sys/net/ipv4/ip_forward # dockerd turns it on and then sets FORWARD to DROP
  echo '{}' >/run/daemon.json # not the configuration of the machine's own engine
  PATH=$path exec docker-init -- "$BASH" "${BASH_SOURCE[0]}" run-engine "$SUITE" "${FLAGS[@]}"
}

# dockerd, and once more if it ended after somebody made $RESTART: touch it, then end the process of /run/docker.pid.
run_engine() {
  local process
  trap 'rm -f "$RESTART"; kill -TERM "$process" 2>/dev/null' TERM
  while :; do
    dockerd --config-file /run/daemon.json --data-root "$DATA" --log-opt max-size=10m \
      --default-address-pool "base=$POOL,size=24" --bip "$BRIDGE" --exec-opt native.cgroupdriver=cgroupfs \
      --cgroup-parent "$CGROUP" "${FLAGS[@]}" &
    process=$!
    while kill -0 "$process" 2>/dev/null; do wait "$process" || true; done # a signal interrupts `wait`
    rm "$RESTART" 2>/dev/null || break
  done
}

start_time() { awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null || true; } # a process id can be reused; id and start time cannot

init_pid() { # the process id of the running process 1, or nothing
  local process start
  read -r process start _ 2>/dev/null <"$STATE" || return 0
  [[ $(start_time "$process") != "$start" ]] || printf '%s' "$process"
}

start_namespaces() {
  local unshare_pid process='' tries
  mkdir -p "$DATA"
  # It inherits no open file, above all no lock.
  (
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd <= 2)) || exec {fd}>&-
    done
    exec setsid unshare --net --pid --mount --fork --kill-child --mount-proc \
      "$BASH" "${BASH_SOURCE[0]}" run-as-init "$SUITE" "${FLAGS[@]}" </dev/null >"$LOG" 2>&1
  ) &
  unshare_pid=$!
  for ((tries = 0; tries < 100; tries++)); do
    process=$(cat "/proc/$unshare_pid/task/$unshare_pid/children" 2>/dev/null || true)
    [[ -z $process ]] || break
    sleep 0.02
  done
  process=${process%% *}
  printf '%s %s %s\n' "$process" "$(start_time "$process")" "$CGROUP" >"$STATE"
}

in_namespaces() { # COMMAND...
  local process
  process=$(init_pid)
  [[ -n $process ]] || return 125
  PATH=$PREFIX/usr/bin:$PATH nsenter --target "$process" --net --pid --mount "$@"
}

# Before process 1 has become docker-init, its /run is still the machine's, and so would be the engine that answers there.
is_set_up() {
  local process
  process=$(init_pid)
  [[ -n $process && $(cat "/proc/$process/comm" 2>/dev/null) == docker-init ]]
}

wait_for_engine() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    [[ -n $(init_pid) ]] || return 1
    ! is_set_up || ! in_namespaces env -u DOCKER_HOST -u DOCKER_CONTEXT timeout 5 docker version --format ok 2>/dev/null ||
      return 0
    sleep 0.1
  done
  return 1
}

start_and_wait() { start_namespaces && wait_for_engine; }

start() {
  need_root "Starting a second engine"
  remove_engine
  ensure_packages
  if ! step "second-engine-$SUITE-start" "Starting the engine of $SUITE" start_and_wait; then
    tail -n 12 "$LOG" | sed 's/^/    | /' >&2
    remove_engine
    fail "The engine of $SUITE does not start on this machine." "Its last lines are above, all of them in $LOG."
  fi
  print_success "Engine $(in_namespaces env -u DOCKER_HOST docker version --format '{{.Server.Version}}') of $SUITE: setup/second-engine.sh enter $SUITE COMMAND"
}

# ── undo ──────────────────────────────────────────────────────────────────────────────────────────

wait_for_exit() { # PROCESS SECONDS
  timeout --foreground "$2" tail --pid="$1" -f /dev/null
}

remove_engine() {
  local process group
  process=$(init_pid)
  if [[ -n $process ]]; then
    kill -TERM "$process" 2>/dev/null || true
    wait_for_exit "$process" 20 || { kill -KILL "$process" 2>/dev/null || true && wait_for_exit "$process" 10; }
  fi
  while read -r group; do
    rmdir -- "$group" 2>/dev/null || true # a killed process may leave it a moment later
  done < <(find /sys/fs/cgroup/{,*/}"$CGROUP" -depth -type d 2>/dev/null) # cgroup version 2, and version 1
  rm -rf "$DATA" "$STATE"
}

stop() {
  [[ -e $STATE ]] || return 0
  need_root "Stopping the engine of $SUITE"
  step "second-engine-$SUITE-stop" "Stopping the engine of $SUITE" remove_engine
}

enter() {
  [[ -n $(init_pid) ]] || fail "The engine of $SUITE does not run." "Start it: setup/second-engine.sh start $SUITE"
  PATH=$PREFIX/usr/bin:$PATH exec nsenter --target "$(init_pid)" --net --pid --mount \
    env -C "$PWD" -u DOCKER_HOST -u DOCKER_CONTEXT "$@"
}

[[ -n $SUITE ]] || fail "setup/second-engine.sh needs the name of a Debian suite, such as trixie." "setup/second-engine.sh start SUITE"
[[ $SUITE =~ ^([a-z]+|installed-[0-9]+)$ ]] || fail "\"$SUITE\" is not a Debian suite: a suite has a name of lower-case letters." \
  "Name one, such as bookworm, trixie or sid, or installed, the engine of this machine: setup/second-engine.sh start SUITE"
case ${1:-} in
  start) start ;;
  stop) stop ;;
  enter) enter "${@:3}" ;;
  download) download ;;
  run-as-init) run_as_init ;;
  run-engine) run_engine ;;
  *) fail "setup/second-engine.sh has no verb \"${1:-}\"." "Its verbs are start, enter and stop." ;;
esac
