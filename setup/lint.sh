#!/usr/bin/env bash
# make lint: the static checks of the code.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# Every shell script of the project, found by its first line.
scripts() {
  local file line
  git ls-files --cached --others --exclude-standard | while read -r file; do
    [[ -f $file ]] || continue
    IFS= read -r -n 80 line <"$file" || true # a program a file would take seconds
    [[ ! $line =~ ^'#!'.*[^[:alnum:]](ba)?sh([^[:alnum:]]|$)|^'# shellcheck shell=' ]] || printf '%s\n' "$file"
  done
}

# It keeps no cache as ruff and mypy do, and takes longer than both: scripts that passed are not checked again.
shell_scripts() {
  local -r passed=.cache/lint/shellcheck
  local files state
  mapfile -t files < <(scripts)
  state=$(shellcheck --version && sha256sum "${files[@]}")
  [[ $state != "$(cat "$passed" 2>/dev/null)" ]] || return 0
  shellcheck --external-sources "${files[@]}" || return
  mkdir -p "${passed%/*}"
  printf '%s\n' "$state" >"$passed"
}

broken=0
check() { step "lint-$1" "$1" "${@:2}" || broken=1; }

lock_clone
run_in_foreground setup/python.sh dev
check ruff .venv/bin/ruff check
check format .venv/bin/ruff format --check
check mypy .venv/bin/mypy
check imports .venv/bin/lint-imports
check words .venv/bin/python setup/lint_words.py
check links .venv/bin/python setup/lint_links.py
if has_command shellcheck; then check shellcheck shell_scripts; else say "shellcheck is missing; make test installs it."; fi
((broken == 0)) || fail "The code does not pass its checks." "Fix what is listed above; make fmt formats the code."
