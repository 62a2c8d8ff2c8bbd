#!/usr/bin/env bash
# Runs a Podman for the tests in namespaces of its own: setup/podman.sh [start|stop|run COMMAND...].
#
# It has a root directory of its own (Debian, in .cache), a mount namespace, a network namespace without a route to other
# machines, and its storage in a tmpfs. It shares the PID namespace, because a proof enters a container's network
# namespace through /proc/PID/ns/net.
#
#   CLOISON_PODMAN_SUITE   the Debian suite of the Podman: trixie (5.4, the default) or bookworm (4.3)
#
# Rules:
#   - When its processes have ended, only an empty directory and an empty cgroup are left.
#   - All of its processes, containers too, are in that cgroup, so that `stop` finds them however the service ended.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly SUITE=${CLOISON_PODMAN_SUITE:-trixie}
readonly PACKAGES=podman,crun,netavark,aardvark-dns,iptables,nftables,catatonit,python3-minimal
readonly BASE=$ROOT/.cache/podman/$SUITE
# One for each clone and suite. A hash, because the path of a Unix socket has at most 107 bytes (unix(7)).
NAME=cloison-podman-$SUITE-$(printf '%s' "$ROOT" | sha256sum | cut -c 1-8)
readonly NAME STATE=/run/$NAME
readonly SOCKET=$STATE/podman.sock
readonly ADDRESS=203.0.113.2/24       # TEST-NET-3 (RFC 5737): its address on a simulated LAN
readonly NETWORKS=198.18.0.0/16    # the benchmarking range (RFC 2544)
readonly DEFAULT_NETWORK=198.18.255.0/24

cgroup() {
  local mount
  mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
  [[ -n $mount ]] || fail "Podman for the tests needs cgroup version 2." "Mount it: mount -t cgroup2 none /sys/fs/cgroup/unified"
  printf '%s' "$mount/$NAME"
}

# ── the root directory ──────────────────────────────────────────────────────────────────────────────────────

inputs() { printf '%s %s %s' "$SUITE" "$PACKAGES" "$(sha256sum <images/build.sh)"; }

is_built() { [[ $(cat "$BASE.made" 2>/dev/null) == "$(inputs)" ]]; }

build_root() {
  rm -rf "$BASE" "$BASE.made" && mkdir -p "${BASE%/*}" && images/build.sh --root "$BASE" "$SUITE" "$PACKAGES" && inputs >"$BASE.made"
}

build() {
  is_built && return 0
  need_space "$ROOT/.cache" 1 "Podman for the tests"
  apt_install "mmdebstrap, which unpacks Debian packages," mmdebstrap
  step podman-root "Collecting Debian $SUITE with Podman" build_root || fail \
    "The root directory of Podman could not be made." "See the lines above, and check the package sources of apt; then run it again."
}

# ── in the namespaces ──────────────────────────────────────────────────────────────────────────────────────────────────

minimum() { printf '%s\n' "$@" | sort -n | head -n 1; }

# Podman lowers its own RLIMIT_NPROC to pid_max and cannot give a container more than it has (setrlimit(2)).
containers_conf() {
  local files processes
  files=$(ulimit -Hn)
  processes=$(minimum "$(ulimit -Hu | sed "s/unlimited/$(</proc/sys/kernel/pid_max)/")" "$(</proc/sys/kernel/pid_max)")
  cat <<SETTINGS
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[network]
network_backend = "netavark"
default_subnet = "$DEFAULT_NETWORK"
default_subnet_pools = [{"base" = "$NETWORKS", "size" = 24}]
SETTINGS
}

# A veth pair with both ends in this namespace: an address that stays, and no route to other machines.
add_lan_interface() {
  ip link set lo up
  ip link add lan0 type veth peer name lan1
  ip addr add "$ADDRESS" dev lan0
  ip link set lan0 up
  ip link set lan1 up
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# Runs in new mount and network namespaces, so the kernel undoes all of this after the last process.
run_in_namespaces() {
  local -r memory=$STATE/memory root=$STATE/memory/root
  local tree
  mkdir -p "$memory"
  mount -t tmpfs tmpfs "$memory"
  mkdir "$memory"/{upper,work,root,storage}
  mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$memory/upper,workdir=$memory/work" "$root"
  for tree in proc sys dev; do mount --rbind "/$tree" "$root/$tree"; done
  # crun rejects a machine with both versions of cgroups mounted.
  ! mountpoint -q "$root/sys/fs/cgroup/unified" || umount "$root/sys/fs/cgroup/unified"
  mount -t tmpfs tmpfs "$root/run"
  mkdir -p "$root$STATE" "$root/run/lock" "$root/var/lib/containers"
  mount --bind "$STATE" "$root$STATE"
  mount --bind "$memory/storage" "$root/var/lib/containers"
  containers_conf >"$root/etc/containers/containers.conf"
  echo nameserver 127.0.0.1 >"$root/etc/resolv.conf" # refuses connections at once
  add_lan_interface
  # Not `exec`: this shell keeps the network namespace. Podman's main thread may stay in a container's namespace.
  chroot "$root" podman system service --time=0 "unix://$SOCKET"
}

# ── the verbs ───────────────────────────────────────────────────────────────────────────────────────────────

answers() { DOCKER_HOST=unix://$SOCKET engine_answers; }

# The process id of the shell that stays in its network namespace while the service runs.
process() { cat "$STATE/process" 2>/dev/null; }

start_in_cgroup() { # enters the cgroup first, so that no process is ever outside; inherits no open file
  local fd group
  group=$(cgroup)
  mkdir -p "$STATE" "$group"
  (
    trap - EXIT INT TERM
    echo "$BASHPID" >"$group/cgroup.procs"
    echo "$BASHPID" >"$STATE/process"
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd <= 2)) || exec {fd}>&-
    done
    exec setsid unshare --mount --net "$ROOT/setup/podman.sh" run-in-namespaces </dev/null >"$LOGS/podman.log" 2>&1
  ) &
}

wait_for_service() {
  local tries
  for ((tries = 0; tries < 200; tries++)); do
    answers && return 0
    [[ -d /proc/$(process) ]] || return 1
    sleep 0.1
  done
  return 1
}

start() {
  need_root "Podman for the tests"
  if ! answers; then
    stop
    build
    start_in_cgroup
    wait_for_service || { stop && fail "Podman for the tests does not start." "See its log: .cache/log/podman.log"; }
  fi
  printf 'socket=%s\nprocess=%s\n' "$SOCKET" "$(process)"
}

wait_for_empty_cgroup() { # CGROUP
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    ! grep -q 'populated 1' "$1/cgroup.events" || { sleep 0.05 && continue; }
    return 0
  done
  fail "A process of Podman for the tests does not end." "Its id is in $1/cgroup.procs."
}

stop() {
  local group
  group=$(cgroup)
  if [[ -d $group ]]; then
    echo 1 >"$group/cgroup.kill"
    wait_for_empty_cgroup "$group"
    rmdir "$group"
  fi
  rm -rf --one-file-system "$STATE"
}

run() {
  answers || fail "Podman for the tests does not run." "Start it: setup/podman.sh start"
  exec nsenter --net="/proc/$(process)/ns/net" env DOCKER_HOST="unix://$SOCKET" "$@"
}

case ${1:-start} in
  start) start ;;
  stop) stop ;;
  run-in-namespaces) run_in_namespaces ;;
  run) run "${@:2}" ;;
  *) fail "setup/podman.sh has no verb \"$1\"." "Its verbs are start, stop and run." ;;
esac
