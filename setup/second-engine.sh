#!/usr/bin/env bash
# An engine of another Debian suite beside the one of this machine: setup/second-engine.sh start|stop|enter SUITE.
#
#   start SUITE [FLAG...]     fetches the packages once, into .cache/second-engine/SUITE, and starts a fresh engine;
#                             flags are dockerd's
#   enter SUITE COMMAND...    runs a command on its machine: the engine answers there at the usual address
#   stop SUITE                stops it and removes everything but the packages
#
#   CLOISON_DEBIAN_MIRROR     where Debian's packages come from; default: the machine's own apt sources where it is a
#                             Debian, else what mmdebstrap knows
#
# Rules:
#   - The machine's packages, engine, networks and firewall are not touched. The other engine lives in a network, a
#     process and a mount namespace of its own: its first process holds all three, so whatever kills that one takes
#     every container, link, rule and mount away. Only files and empty cgroups are left, and the next start removes
#     those.
#   - Nothing leaves: the other machine's only wire ends in the same namespace, where nobody listens.
#   - runc is the installed one: a newer suite's wants a newer C library.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly SUITE=${2:-} FLAGS=("${@:3}")
readonly SUITE_DIR=$ROOT/.cache/second-engine/$SUITE
readonly PREFIX=$SUITE_DIR/root DATA=$SUITE_DIR/data STATE=$SUITE_DIR/state LOG=$LOGS/second-engine-$SUITE.log
CGROUP=cloison-second-engine-$SUITE-$(cksum <<<"$ROOT" | cut -d ' ' -f 1) # of this clone
readonly CGROUP
readonly PACKAGES=(docker.io docker-cli containerd tini tini-static) # suites differ in how they cut these
# The networks of setup/engine.sh, and its blackhole: nothing that a probe asks for reaches a real machine.
readonly POOL=198.18.0.0/15 BRIDGE=198.19.255.1/24
# The machine's place on a LAN, from the ranges for documentation (RFC 5737) and for local use (RFC 4193).
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

# mmdebstrap has apt with lists and keys of its own, also where this machine is no Debian; nothing is installed.
fetch_debs() { # FURTHER OPTIONS
  local from
  mapfile -t from < <(sources)
  mmdebstrap --variant=custom --mode=root --format=null --aptopt='Acquire::Languages "none"' \
    --customize-hook="'$ROOT/setup/second-engine.sh' download $SUITE" "$@" "$SUITE" /dev/null "${from[@]}"
}

# A testing suite is signed for a week at a time; see docs/adr/0005-stand-ins-from-debian.md.
fetch_debs_even_if_expired() {
  local log=$SUITE_DIR/collect.log
  ! fetch_debs >"$log" 2>&1 || return 0
  cat "$log"
  grep -q 'is expired' "$log" || return 1
  echo "The mirror's $SUITE was signed more than a week ago; using it all the same."
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
  [[ ! -e $SUITE_DIR/fetched ]] || return 0
  has_command mmdebstrap || fail "An engine beside this one is made of Debian's packages, and mmdebstrap is missing." \
    "apt-get install mmdebstrap, then try again."
  need_space "$SUITE_DIR" 1 "The engine of $SUITE"
  step "second-engine-$SUITE-packages" "Fetching the engine of $SUITE" fetch || fail \
    "The packages of $SUITE could not be fetched." "The lines above name what is wrong; mend it and try again."
}

# ── the other machine ───────────────────────────────────────────────────────────────────────────────────────

# Runs as the first process of the namespaces, and becomes the engine's parent.
run_as_init() {
  local number router path=$PREFIX/usr/sbin:$PREFIX/usr/bin:$PATH
  mount -t tmpfs -o mode=755 tmpfs /run # sockets, locks and process numbers of its own
  mkdir /run/lock
  ip link set lo up
  ip link add lan type veth peer name wire
  for number in "${!LAN[@]}"; do ip address add "${LAN[number]}" dev lan nodad; done
  ip link set wire up
  ip link set lan up
  # The router is a card that nobody has: what goes there reaches the other end of the wire and is thrown away.
  for router in "${ROUTERS[@]}"; do
    ip neighbour add "$router" lladdr 02:00:5e:00:00:01 dev lan nud permanent
    ip route add default via "$router" dev lan
  done
  ip route add blackhole "$POOL"
  echo 0 >/proc/sys/net/ipv4/ip_forward # dockerd turns it on, and then forwards nothing of others (FORWARD DROP)
  echo '{}' >/run/daemon.json # the machine's own configuration is for its own engine
  PATH=$path exec docker-init -- dockerd --config-file /run/daemon.json --data-root "$DATA" --log-opt max-size=10m \
    --default-address-pool "base=$POOL,size=24" --bip "$BRIDGE" --exec-opt native.cgroupdriver=cgroupfs \
    --cgroup-parent "$CGROUP" "${FLAGS[@]}"
}

start_time() { awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null || true; } # guards against a process number used again

init_pid() { # of the machine that runs, or nothing
  local process start
  read -r process start _ 2>/dev/null <"$STATE" || return 0
  [[ $(start_time "$process") != "$start" ]] || printf '%s' "$process"
}

start_namespaces() {
  local unshare_pid process='' tries
  mkdir -p "$DATA"
  # Nothing of ours stays open in it, a lock least of all.
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

wait_for_engine() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    [[ -n $(init_pid) ]] || return 1
    in_namespaces env -u DOCKER_HOST -u DOCKER_CONTEXT timeout 5 docker version --format ok 2>/dev/null && return 0
    sleep 0.1
  done
  return 1
}

start_and_wait() { start_namespaces && wait_for_engine; }

start() {
  need_root "Starting an engine beside this one"
  remove_engine
  ensure_packages
  if ! step "second-engine-$SUITE-start" "Starting the engine of $SUITE" start_and_wait; then
    tail -n 12 "$LOG" | sed 's/^/    | /' >&2
    remove_engine
    fail "The engine of $SUITE does not start on this machine." "Its last lines are above, all of them in $LOG; mend what they name."
  fi
  print_success "Engine $(in_namespaces env -u DOCKER_HOST docker version --format '{{.Server.Version}}') of $SUITE: setup/second-engine.sh enter $SUITE COMMAND"
}

# ── taking it back ──────────────────────────────────────────────────────────────────────────────────────────

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
    rmdir -- "$group" 2>/dev/null || true # a process that was killed may take a moment to leave it
  done < <(find /sys/fs/cgroup/{,*/}"$CGROUP" -depth -type d 2>/dev/null) # of version 2, and of version 1
  rm -rf "$DATA" "$STATE"
}

stop() {
  [[ -e $STATE ]] || return 0
  need_root "Stopping the engine of $SUITE"
  step "second-engine-$SUITE-stop" "Stopping the engine of $SUITE" remove_engine
}

enter() {
  [[ -n $(init_pid) ]] || fail "The engine of $SUITE does not run." "setup/second-engine.sh start $SUITE starts it."
  PATH=$PREFIX/usr/bin:$PATH exec nsenter --target "$(init_pid)" --net --pid --mount \
    env -C "$PWD" -u DOCKER_HOST -u DOCKER_CONTEXT "$@"
}

[[ -n $SUITE ]] || fail "setup/second-engine.sh needs the name of a Debian suite, such as trixie." "setup/second-engine.sh start SUITE"
[[ $SUITE =~ ^[a-z]+$ ]] || fail "\"$SUITE\" is not a Debian suite: their names are lower-case letters alone." \
  "Name one, such as bookworm, trixie or sid: setup/second-engine.sh start SUITE"
case ${1:-} in
  start) start ;;
  stop) stop ;;
  enter) enter "${@:3}" ;;
  download) download ;;
  run-as-init) run_as_init ;;
  *) fail "setup/second-engine.sh has no verb \"${1:-}\"." "It has start, enter and stop." ;;
esac
