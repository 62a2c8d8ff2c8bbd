#!/usr/bin/env bash
# A Podman for the tests, beside everything and in nobody's way: setup/podman.sh [start|stop|run COMMAND...].
#
# It lives like a second machine: a root directory of its own (Debian's, in .cache), a mount and a network namespace of
# its own with no way out, and its storage in memory. Processes are the machine's, for a proof enters containers by their
# process.
#
#   CLOISON_PODMAN_SUITE   the Debian suite whose Podman it is: trixie (5.4, the default) or bookworm (4.3)
#
# Rules:
#   - Nothing that it makes outlives its processes, but one empty directory and one empty cgroup.
#   - All of its processes are in that cgroup, containers too, so that `stop` finds them however the service ended.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly SUITE=${CLOISON_PODMAN_SUITE:-trixie}
readonly PACKAGES=podman,crun,netavark,aardvark-dns,iptables,nftables,catatonit,python3-minimal
readonly BASE=$ROOT/.cache/podman/$SUITE
# One a clone and suite; a socket's path has no room for the clone's.
NAME=cloison-podman-$SUITE-$(printf '%s' "$ROOT" | sha256sum | cut -c 1-8)
readonly NAME STATE=/run/$NAME
readonly SOCKET=$STATE/podman.sock
readonly ADDRESS=203.0.113.2/24       # TEST-NET-3 (RFC 5737): the address of the second machine
readonly NETWORKS=198.18.0.0/16    # the benchmarking range (RFC 2544)
readonly DEFAULT_NETWORK=198.18.255.0/24

cgroup() {
  local mount
  mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
  [[ -n $mount ]] || fail "Podman for the tests needs the second version of cgroups." "Mount it: mount -t cgroup2 none /sys/fs/cgroup/unified"
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
  apt_install "What unpacks a Debian" mmdebstrap
  step podman-root "Collecting Debian $SUITE with Podman" build_root || fail \
    "The root directory of Podman could not be made." "See the lines above; are the sources of apt reachable? Then run it again."
}

# ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────

minimum() { printf '%s\n' "$@" | sort -n | head -n 1; }

# Podman lowers its own limit to the largest process number, and may not give more than it has.
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

# A cable with nobody at its other end: an address that lasts, and no way out.
add_lan_interface() {
  ip link set lo up
  ip link add lan0 type veth peer name lan1
  ip addr add "$ADDRESS" dev lan0
  ip link set lan0 up
  ip link set lan1 up
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# In namespaces of its own already, so all of this goes with the last process.
run_in_namespaces() {
  local -r memory=$STATE/memory root=$STATE/memory/root
  local tree
  mkdir -p "$memory"
  mount -t tmpfs tmpfs "$memory"
  mkdir "$memory"/{upper,work,root,storage}
  mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$memory/upper,workdir=$memory/work" "$root"
  for tree in proc sys dev; do mount --rbind "/$tree" "$root/$tree"; done
  # crun refuses the two versions of cgroups side by side.
  ! mountpoint -q "$root/sys/fs/cgroup/unified" || umount "$root/sys/fs/cgroup/unified"
  mount -t tmpfs tmpfs "$root/run"
  mkdir -p "$root$STATE" "$root/run/lock" "$root/var/lib/containers"
  mount --bind "$STATE" "$root$STATE"
  mount --bind "$memory/storage" "$root/var/lib/containers"
  containers_conf >"$root/etc/containers/containers.conf"
  echo nameserver 127.0.0.1 >"$root/etc/resolv.conf" # refuses at once
  add_lan_interface
  # Not `exec`: this shell stands for the machine. Podman's own first thread may be left in a container's namespace.
  chroot "$root" podman system service --time=0 "unix://$SOCKET"
}

# ── the verbs ───────────────────────────────────────────────────────────────────────────────────────────────

answers() { DOCKER_HOST=unix://$SOCKET engine_answers; }

# The shell that stands in its network namespace for as long as the service runs.
process() { cat "$STATE/process" 2>/dev/null; }

start_in_cgroup() { # in the cgroup first, so that nothing of it is ever outside; nothing of ours stays open in it
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
    wait_for_service || { stop && fail "Podman for the tests does not start." "Its log tells why: .cache/log/podman.log"; }
  fi
  printf 'socket=%s\nprocess=%s\n' "$SOCKET" "$(process)"
}

wait_for_empty_cgroup() { # CGROUP
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    ! grep -q 'populated 1' "$1/cgroup.events" || { sleep 0.05 && continue; }
    return 0
  done
  fail "A process of Podman for the tests does not end." "cat $1/cgroup.procs names it."
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
  *) fail "setup/podman.sh has no verb \"$1\"." "It has start, stop and run." ;;
esac
