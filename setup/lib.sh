# shellcheck shell=bash
# What every room of setup/ shares: talk, progress, failure, locks, packages.
#
# Rules:
#   - A failure is one sentence that says what is wrong and one that says what to do, on stderr, exit 1.
#   - Whatever takes longer than two seconds shows that it lives; its own output goes to .cache/log/NAME.log.
#   - A child runs in a process group of its own, so that an interrupt or a TERM reaches all of it at once
#     (bash defers its traps while it waits for a foreground child, and would let it run to its end).
#   - What a room begins and cannot finish, it takes away again (at_exit).

set -euo pipefail
shopt -s inherit_errexit

# Taken before anything is forced: the terminal's own character set decides about the marks.
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

# ── talk ────────────────────────────────────────────────────────────────────────────────────────────────────

if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  GREEN=$'\e[32m' RED=$'\e[31m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
  GREEN='' RED='' DIM='' PLAIN=''
fi

say() { printf '%s\n' "  $*" >&2; }
print_success() { printf '%s\n' "$GREEN$OK_MARK$PLAIN $*" >&2; }

# fail WHAT_IS_WRONG WHAT_TO_DO
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
  kill -s TERM -- "-$CHILD_PID" 2>/dev/null || true # grandchildren of a shell ignore an INT
  CHILD_PID=''
}

on_signal() { # SIGNAL EXIT_CODE
  if [[ -n $LAUNCHING ]]; then # the child is there and its number is not known yet: after the launch
    PENDING_SIGNAL="$*"
    return
  fi
  trap 'kill -s KILL -- "-$CHILD_PID" 2>/dev/null || true' INT TERM # asked twice, it is meant
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

# start_in_process_group COMMAND...: in a process group of its own, its process id in CHILD_PID.
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

# run_in_foreground COMMAND...: run with its output as it is, and reach it with every signal we get.
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

# Until the child ends: a turning line on a terminal; elsewhere one line after two seconds, then one each half minute.
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

# try_step NAME TITLE COMMAND...: one visible piece of work whose failure is an answer, too.
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

# step NAME TITLE COMMAND...: one that ought to succeed; on failure the tail of its log is shown.
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

# ── one at a time ───────────────────────────────────────────────────────────────────────────────────────────

# lock_directory DIRECTORY WHAT: its lock, until this process ends. A room called by another one inherits its caller's.
# The directory itself is locked: a lock file could be removed by one run while another waits for it.
lock_directory() {
  exec {LOCK_FD}<"$1"
  flock -n "$LOCK_FD" || step lock "Waiting for another run to leave $2" flock "$LOCK_FD"
}

lock_clone() {
  [[ -z ${CLOISON_HELD:-} ]] || return 0
  lock_directory "$ROOT" "this clone"
  export CLOISON_HELD=1
}

# Engine and packages belong to the machine, and only root changes them.
lock_machine() {
  [[ -z ${CLOISON_MACHINE_HELD:-} ]] || return 0
  mkdir -p /run/cloison
  lock_directory /run/cloison "this machine's engine and packages"
  MACHINE_LOCK_FD=$LOCK_FD
  export CLOISON_MACHINE_HELD=1
}

# For whoever has done with engine and packages and goes on for long.
unlock_machine() {
  [[ -n ${MACHINE_LOCK_FD:-} ]] || return 0
  exec {MACHINE_LOCK_FD}<&-
  unset MACHINE_LOCK_FD CLOISON_MACHINE_HELD
}

# ── what a machine must have ────────────────────────────────────────────────────────────────────────────────

has_command() { command -v "$1" >/dev/null 2>&1; }

engine_answers() { timeout --foreground 15 docker version --format ok >/dev/null 2>&1; }

need_root() { # WHAT
  ((EUID == 0)) || fail "$1 needs root." "Run it as root: sudo make $GOAL"
}

# need_space DIRECTORY GIGABYTES WHAT_FOR: looks at the nearest directory that exists already.
need_space() {
  local dir=$1 free
  while [[ ! -d $dir ]]; do dir=$(dirname -- "$dir"); done
  free=$(df -Pk -- "$dir" | awk 'NR == 2 { print $4 }')
  ((free >= $2 * 1024 * 1024)) || fail \
    "$3 needs $2 GB in $1, and $((free / 1024 / 1024)) GB are free." \
    "Make room there (docker system prune, for one), then run make $GOAL again."
}

# ── packages of Debian and Ubuntu ───────────────────────────────────────────────────────────────────────────

readonly APT_LOCKS=(/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock)

# The process that holds a lock of apt's, "NAME (process ID)", or nothing. They are POSIX locks, which flock does not see.
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
      "Wait until it has ended, or end it, then run make $GOAL again."
    sleep 1
  done
}

missing_packages() { # PACKAGE...: those that are not installed
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
  done
}

# Old lists may still do, so a failure here is not the end: the installation itself decides.
apt_refresh() {
  ((EUID == 0)) || return 0
  [[ -z $(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -720 2>/dev/null | head -n 1) ]] || return 0
  lock_machine
  wait_for_apt
  step apt-update "Reading the lists of packages" apt-get update || true
}

# apt_candidate PACKAGE: the version that could be installed, or nothing. A new machine has no lists to look into yet.
apt_candidate() {
  has_command apt-cache || return 0
  apt_refresh
  apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([^(].*\)/\1/p'
}

is_installable() { [[ -n $(apt_candidate "$1") ]]; }

# apt_install WHY PACKAGE...
apt_install() {
  local why=$1 missing
  shift
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  has_command apt-get || fail \
    "$why is missing, and it can be installed only where apt-get is (Debian, Ubuntu and their kin)." \
    "Install it yourself, then run make $GOAL again."
  need_root "Installing ${missing[*]}"
  apt_refresh
  lock_machine
  wait_for_apt
  step apt-install "Installing ${missing[*]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}" || fail \
    "apt-get could not install ${missing[*]}." \
    "See the lines above; is the network up, and are the sources of apt reachable? Then run make $GOAL again."
  printf '%s\n' "${missing[@]}" >>"$ROOT/.cache/installed"
}
