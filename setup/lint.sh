#!/usr/bin/env bash
# make lint: the static checks of the code.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# Every shell script of the project, found by its first line.
scripts() {
  local file
  git ls-files --cached --others --exclude-standard | while read -r file; do
    [[ -f $file ]] || continue
    ! head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh\b|^# shellcheck shell=' || printf '%s\n' "$file"
  done
}

shell_scripts() { scripts | xargs shellcheck --external-sources; }

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
