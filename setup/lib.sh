# shellcheck shell=bash
# Functions for all scripts of setup/: messages, progress, errors, signals, locks, packages. Sourced, not run.
#
# Rules:
#   - An error is one sentence for the cause and one for the remedy, on stderr; the exit code is 1.
#   - A step that takes longer than two seconds shows progress; its own output goes to .cache/log/NAME.log.
#   - A child runs in its own process group, so that a SIGINT or SIGTERM reaches all of its processes at once
#     (bash runs a trap only after the foreground child has ended: bash(1), SIGNALS).
#   - A script undoes an unfinished step when it exits (at_exit).

set -euo pipefail
shopt -s inherit_errexit

# Before LC_ALL is overwritten: the terminal's character set decides which marks it can show.
case "${LC_ALL:-${LC_CTYPE:-${LANG:-}}}" in
  *[Uu][Tt][Ff]*) OK_MARK='✓' FAIL_MARK='✗' ;;
  *) OK_MARK='ok' FAIL_MARK='!!' ;;
esac
export LC_ALL=C.UTF-8

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
readonly ROOT LOGS=$ROOT/.cache/log
readonly GOAL=${CLOISON_GOAL:-up}
mkdir -p "$LOGS"

# ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────

if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  GREEN=$'\e[32m' RED=$'\e[31m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
  GREEN='' RED='' DIM='' PLAIN=''
fi

say() { printf '%s\n' "  $*" >&2; }
print_success() { printf '%s\n' "$GREEN$OK_MARK$PLAIN $*" >&2; }

# fail CAUSE REMEDY
fail() {
  printf '%s\n' "$RED$FAIL_MARK$PLAIN $1 $2" >&2
  exit 1
}

# ── children and signals ────────────────────────────────────────────────────────────────────────────────────

CHILD_PID='' LAUNCHING='' PENDING_SIGNAL=''
EXIT_HOOKS=()

at_exit() { EXIT_HOOKS=("$1" "${EXIT_HOOKS[@]}"); }

stop_child() {
  [[ -n $CHILD_PID ]] || return 0
  kill -s "$1" -- "-$CHILD_PID" 2>/dev/null || true
  wait "$CHILD_PID" 2>/dev/null || true
  kill -s TERM -- "-$CHILD_PID" 2>/dev/null || true # background children of a shell ignore SIGINT
  CHILD_PID=''
}

on_signal() { # SIGNAL EXIT_CODE
  if [[ -n $LAUNCHING ]]; then # the child runs, but CHILD_PID is not set yet: handle the signal after the start
    PENDING_SIGNAL="$*"
    return
  fi
  trap 'kill -s KILL -- "-$CHILD_PID" 2>/dev/null || true' INT TERM # a second signal kills
  clear_line
  say "Stopping …"
  stop_child "$1"
  exit "$2"
}

on_exit() {
  local code=$? work
  trap '' INT TERM
  stop_child TERM
  for work in "${EXIT_HOOKS[@]}"; do "$work" || true; done
  exit "$code"
}

trap on_exit EXIT
trap 'on_signal INT 130' INT
trap 'on_signal TERM 143' TERM

# start_in_process_group COMMAND...: starts it in its own process group; CHILD_PID is its process id.
start_in_process_group() {
  LAUNCHING=1
  set -m
  "$@" &
  CHILD_PID=$!
  set +m
  LAUNCHING=''
  # shellcheck disable=SC2086  # two words: a signal and an exit code
  [[ -z $PENDING_SIGNAL ]] || on_signal $PENDING_SIGNAL
}

# run_in_foreground COMMAND...: runs it with its output unchanged, and forwards SIGINT and SIGTERM to it.
run_in_foreground() {
  local code=0
  start_in_process_group "$@"
  wait "$CHILD_PID" || code=$?
  CHILD_PID=''
  return "$code"
}

# ── progress ────────────────────────────────────────────────────────────────────────────────────────────────

clear_line() { [[ ! -t 2 ]] || printf '\r\e[K' >&2; }

run_logged() { # FILE COMMAND...
  local log=$1
  shift
  exec </dev/null >"$log" 2>&1
  "$@"
}

# Until the child ends: a spinner on a terminal; elsewhere one line after two seconds, then one every 30 s.
show_progress() { # TITLE
  local title=$1 since=$SECONDS last_report=0 frame=0 spent
  # shellcheck disable=SC1003  # the last one is a backslash
  local -r spinner='|/-\'
  while kill -0 "$CHILD_PID" 2>/dev/null; do
    spent=$((SECONDS - since))
    if [[ -t 2 ]]; then
      printf '\r\e[K%s %s %s%s%s' "${spinner:frame++ % 4:1}" "$title" "$DIM" "${spent} s" "$PLAIN" >&2
    elif ((spent >= 2 && (last_report == 0 || spent >= last_report + 30))); then
      say "$title … ${spent} s"
      last_report=$spent
    fi
    sleep 0.1
  done
}

# try_step NAME TITLE COMMAND...: a step with progress that may fail; returns its exit code.
try_step() {
  local log=$LOGS/$1.log title=$2 code=0 since=$SECONDS
  shift 2
  start_in_process_group run_logged "$log" "$@"
  show_progress "$title"
  wait "$CHILD_PID" || code=$?
  CHILD_PID=''
  clear_line
  ((code)) || print_success "$title$(elapsed "$since")"
  return "$code"
}

# step NAME TITLE COMMAND...: a step that should succeed; when it fails, shows the end of its log.
step() {
  local code=0
  try_step "$@" || code=$?
  ((code)) || return 0
  printf '%s\n' "$RED$FAIL_MARK$PLAIN $2 (.cache/log/$1.log)" >&2
  tail -n 12 "$LOGS/$1.log" | sed 's/^/    | /' >&2
  return "$code"
}

elapsed() { # SINCE: " (12 s)", nothing when it was quick
  local spent=$((SECONDS - $1))
  ((spent < 2)) || printf ' (%s s)' "$spent"
}

# ── locks ───────────────────────────────────────────────────────────────────────────────────────────

# lock_directory DIRECTORY NAME: flock(2) on the directory until this process ends; scripts that it calls inherit it.
# Not a lock file in it: one run could remove that file while another waits for it.
lock_directory() {
  exec {LOCK_FD}<"$1"
  flock -n "$LOCK_FD" || step lock "Waiting for another run to release $2" flock "$LOCK_FD"
}

lock_clone() {
  [[ -z ${CLOISON_HELD:-} ]] || return 0
  lock_directory "$ROOT" "this clone"
  export CLOISON_HELD=1
}

# The lock for engine and packages, which all clones on this machine share; only root changes them.
lock_machine() {
  [[ -z ${CLOISON_MACHINE_HELD:-} ]] || return 0
  mkdir -p /run/cloison
  lock_directory /run/cloison "this machine's engine and packages"
  MACHINE_LOCK_FD=$LOCK_FD
  export CLOISON_MACHINE_HELD=1
}

# For a long script that is done with engine and packages.
unlock_machine() {
  [[ -n ${MACHINE_LOCK_FD:-} ]] || return 0
  exec {MACHINE_LOCK_FD}<&-
  unset MACHINE_LOCK_FD CLOISON_MACHINE_HELD
}

# ── requirements of the machine ────────────────────────────────────────────────────────────────────────────────

has_command() { command -v "$1" >/dev/null 2>&1; }

engine_answers() { timeout --foreground 15 docker version --format ok >/dev/null 2>&1; }

need_root() { # STEP
  ((EUID == 0)) || fail "$1 needs root." "Run it as root: sudo make $GOAL"
}

# need_space DIRECTORY GIGABYTES PURPOSE: checks the file system of the nearest parent that exists.
need_space() {
  local dir=$1 free
  while [[ ! -d $dir ]]; do dir=$(dirname -- "$dir"); done
  free=$(df -Pk -- "$dir" | awk 'NR == 2 { print $4 }')
  ((free >= $2 * 1024 * 1024)) || fail \
    "$3 needs $2 GB in $1, and $((free / 1024 / 1024)) GB are free." \
    "Free space there (for example with docker system prune), then run make $GOAL again."
}

# ── packages of Debian and Ubuntu ───────────────────────────────────────────────────────────────────────────

readonly APT_LOCKS=(/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock)

# The process that holds a lock of apt's, "NAME (process ID)", or nothing. They are POSIX locks (fcntl(2)), which flock(1) cannot test.
apt_lock_owner() {
  local lock inode pid
  for lock in "${APT_LOCKS[@]}"; do
    [[ -e $lock ]] || continue
    inode=$(stat -c %i -- "$lock")
    pid=$(awk -v inode=":$inode\$" '$2 == "POSIX" && $6 ~ inode { print $5; exit }' /proc/locks)
    [[ -z $pid ]] || { printf '%s (process %s)' "$(cat "/proc/$pid/comm" 2>/dev/null || echo unknown)" "$pid" && return 0; }
  done
}

wait_for_apt() {
  local max_wait=${CLOISON_APT_WAIT:-120} holder since=$SECONDS
  holder=$(apt_lock_owner)
  [[ -n $holder ]] || return 0
  say "$holder is using apt; waiting up to $max_wait s for it."
  while holder=$(apt_lock_owner) && [[ -n $holder ]]; do
    ((SECONDS - since < max_wait)) || fail \
      "apt is still held by $holder after $max_wait s." \
      "Wait for that process or stop it, then run make $GOAL again."
    sleep 1
  done
}

missing_packages() { # PACKAGE...: those that are not installed
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
  done
}

# Old lists may be enough, so a failure here is not an error: the installation decides.
apt_refresh() {
  ((EUID == 0)) || return 0
  [[ -z $(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -720 2>/dev/null | head -n 1) ]] || return 0
  lock_machine
  wait_for_apt
  step apt-update "Reading the lists of packages" apt-get update || true
}

# apt_candidate PACKAGE: the version that apt would install, or nothing. A new machine needs apt-get update first.
apt_candidate() {
  has_command apt-cache || return 0
  apt_refresh
  apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([^(].*\)/\1/p'
}

is_installable() { [[ -n $(apt_candidate "$1") ]]; }

# apt_install NAME PACKAGE...: NAME is the subject of the error message
apt_install() {
  local why=$1 missing
  shift
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  has_command apt-get || fail \
    "$why is missing, and this script can install it only with apt-get (Debian, Ubuntu)." \
    "Install it yourself, then run make $GOAL again."
  need_root "Installing ${missing[*]}"
  apt_refresh
  lock_machine
  wait_for_apt
  step apt-install "Installing ${missing[*]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}" || fail \
    "apt-get could not install ${missing[*]}." \
    "See the lines above; check the network and the package sources of apt. Then run make $GOAL again."
  printf '%s\n' "${missing[@]}" >>"$ROOT/.cache/installed"
}
