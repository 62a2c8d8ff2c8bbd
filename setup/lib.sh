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
  *[Uu][Tt][Ff]*) GOOD='✓' BAD='✗' ;;
  *) GOOD='ok' BAD='!!' ;;
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
done_with() { printf '%s\n' "$GREEN$GOOD$PLAIN $*" >&2; }

# fail WHAT_IS_WRONG WHAT_TO_DO
fail() {
  printf '%s\n' "$RED$BAD$PLAIN $1 $2" >&2
  exit 1
}

# ── children and signals ────────────────────────────────────────────────────────────────────────────────────

CHILD='' LAUNCHING='' AFTER_LAUNCH=''
EXIT_WORK=()

at_exit() { EXIT_WORK=("$1" "${EXIT_WORK[@]}"); }

end_child() {
  [[ -n $CHILD ]] || return 0
  kill -s "$1" -- "-$CHILD" 2>/dev/null || true
  wait "$CHILD" 2>/dev/null || true
  kill -s TERM -- "-$CHILD" 2>/dev/null || true # grandchildren of a shell ignore an INT
  CHILD=''
}

on_signal() { # SIGNAL EXIT_CODE
  if [[ -n $LAUNCHING ]]; then # the child is there and its number is not known yet: after the launch
    AFTER_LAUNCH="$*"
    return
  fi
  trap 'kill -s KILL -- "-$CHILD" 2>/dev/null || true' INT TERM # asked twice, it is meant
  clear_line
  say "Stopping …"
  end_child "$1"
  exit "$2"
}

on_exit() {
  local code=$? work
  trap '' INT TERM
  end_child TERM
  for work in "${EXIT_WORK[@]}"; do "$work" || true; done
  exit "$code"
}

trap on_exit EXIT
trap 'on_signal INT 130' INT
trap 'on_signal TERM 143' TERM

# launch COMMAND...: in a process group of its own, its id in CHILD.
launch() {
  LAUNCHING=1
  set -m
  "$@" &
  CHILD=$!
  set +m
  LAUNCHING=''
  # shellcheck disable=SC2086  # two words: a signal and an exit code
  [[ -z $AFTER_LAUNCH ]] || on_signal $AFTER_LAUNCH
}

# attend COMMAND...: run with its output as it is, and reach it with every signal we get.
attend() {
  local code=0
  launch "$@"
  wait "$CHILD" || code=$?
  CHILD=''
  return "$code"
}

# ── progress ────────────────────────────────────────────────────────────────────────────────────────────────

clear_line() { [[ ! -t 2 ]] || printf '\r\e[K' >&2; }

logged() { # FILE COMMAND...
  local log=$1
  shift
  exec </dev/null >"$log" 2>&1
  "$@"
}

# Until the child ends: a turning line on a terminal; elsewhere one line after two seconds, then one each half minute.
watch_child() { # TITLE
  local title=$1 since=$SECONDS told=0 turn=0 spent
  # shellcheck disable=SC1003  # the last one is a backslash
  local -r faces='|/-\'
  while kill -0 "$CHILD" 2>/dev/null; do
    spent=$((SECONDS - since))
    if [[ -t 2 ]]; then
      printf '\r\e[K%s %s %s%s%s' "${faces:turn++ % 4:1}" "$title" "$DIM" "${spent} s" "$PLAIN" >&2
    elif ((spent >= 2 && (told == 0 || spent >= told + 30))); then
      say "$title … ${spent} s"
      told=$spent
    fi
    sleep 0.1
  done
}

# ask NAME TITLE COMMAND...: one visible piece of work whose failure is an answer, too.
ask() {
  local log=$LOGS/$1.log title=$2 code=0 since=$SECONDS
  shift 2
  launch logged "$log" "$@"
  watch_child "$title"
  wait "$CHILD" || code=$?
  CHILD=''
  clear_line
  ((code)) || done_with "$title$(took "$since")"
  return "$code"
}

# step NAME TITLE COMMAND...: one that ought to succeed; on failure the tail of its log is shown.
step() {
  local code=0
  ask "$@" || code=$?
  ((code)) || return 0
  printf '%s\n' "$RED$BAD$PLAIN $2 (.cache/log/$1.log)" >&2
  tail -n 12 "$LOGS/$1.log" | sed 's/^/    | /' >&2
  return "$code"
}

took() { # SINCE: " (12 s)", nothing when it was quick
  local spent=$((SECONDS - $1))
  ((spent < 2)) || printf ' (%s s)' "$spent"
}

# ── one at a time ───────────────────────────────────────────────────────────────────────────────────────────

# hold DIRECTORY WHAT: its lock, until this process ends. A room called by another one inherits its caller's.
# The directory itself is locked: a lock file could be removed by one run while another waits for it.
hold() {
  exec {HELD}<"$1"
  flock -n "$HELD" || step lock "Waiting for another run to leave $2" flock "$HELD"
}

hold_clone() {
  [[ -z ${CLOISON_HELD:-} ]] || return 0
  hold "$ROOT" "this clone"
  export CLOISON_HELD=1
}

# Engine and packages belong to the machine, and only root changes them.
hold_machine() {
  [[ -z ${CLOISON_MACHINE_HELD:-} ]] || return 0
  mkdir -p /run/cloison
  hold /run/cloison "this machine's engine and packages"
  MACHINE=$HELD
  export CLOISON_MACHINE_HELD=1
}

# For whoever has done with engine and packages and goes on for long.
release_machine() {
  [[ -n ${MACHINE:-} ]] || return 0
  exec {MACHINE}<&-
  unset MACHINE CLOISON_MACHINE_HELD
}

# ── what a machine must have ────────────────────────────────────────────────────────────────────────────────

have() { command -v "$1" >/dev/null 2>&1; }

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
apt_holder() {
  local lock inode pid
  for lock in "${APT_LOCKS[@]}"; do
    [[ -e $lock ]] || continue
    inode=$(stat -c %i -- "$lock")
    pid=$(awk -v inode=":$inode\$" '$2 == "POSIX" && $6 ~ inode { print $5; exit }' /proc/locks)
    [[ -z $pid ]] || { printf '%s (process %s)' "$(cat "/proc/$pid/comm" 2>/dev/null || echo unknown)" "$pid" && return 0; }
  done
}

await_apt() {
  local patience=${CLOISON_APT_WAIT:-120} holder since=$SECONDS
  holder=$(apt_holder)
  [[ -n $holder ]] || return 0
  say "$holder is using apt; waiting up to $patience s for it."
  while holder=$(apt_holder) && [[ -n $holder ]]; do
    ((SECONDS - since < patience)) || fail \
      "apt is still held by $holder after $patience s." \
      "Wait until it has ended, or end it, then run make $GOAL again."
    sleep 1
  done
}

apt_lacks() { # PACKAGE...: those that are not installed
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
  done
}

# Old lists may still do, so a failure here is not the end: the installation itself decides.
apt_refresh() {
  ((EUID == 0)) || return 0
  [[ -z $(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -720 2>/dev/null | head -n 1) ]] || return 0
  hold_machine
  await_apt
  step apt-update "Reading the lists of packages" apt-get update || true
}

# apt_candidate PACKAGE: the version that could be installed, or nothing. A new machine has no lists to look into yet.
apt_candidate() {
  have apt-cache || return 0
  apt_refresh
  apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([^(].*\)/\1/p'
}

apt_has() { [[ -n $(apt_candidate "$1") ]]; }

# apt_install WHY PACKAGE...
apt_install() {
  local why=$1 missing
  shift
  mapfile -t missing < <(apt_lacks "$@")
  ((${#missing[@]})) || return 0
  have apt-get || fail \
    "$why is missing, and it can be installed only where apt-get is (Debian, Ubuntu and their kin)." \
    "Install it yourself, then run make $GOAL again."
  need_root "Installing ${missing[*]}"
  apt_refresh
  hold_machine
  await_apt
  step apt-install "Installing ${missing[*]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}" || fail \
    "apt-get could not install ${missing[*]}." \
    "See the lines above; is the network up, and are the sources of apt reachable? Then run make $GOAL again."
  printf '%s\n' "${missing[@]}" >>"$ROOT/.cache/installed"
}
