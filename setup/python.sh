#!/usr/bin/env bash
# Creates the virtual environment .venv: setup/python.sh [run|dev]. `dev` includes `run`.
#
# Rule: .venv/.made is written last and holds a digest of the inputs. Without it the environment is incomplete.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly VENV=$ROOT/.venv STAMP=$ROOT/.venv/.made
readonly VERSION_CHECK="import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"

digest() { # KIND
  { printf '%s\n' "$1" "$ROOT" && cat pyproject.toml requirements/build.txt "requirements/$1.txt"; } | sha256sum | cut -d' ' -f1
}

is_up_to_date() { # KIND: with this kind, or with `dev`, which includes it
  [[ -f $STAMP && -x $VENV/bin/python ]] || return 1
  grep -qxF -e "$(digest "$1")" -e "$(digest dev)" "$STAMP" && "$VENV/bin/python" -c '' 2>/dev/null
}

find_python() { # prints the first one that is new enough and has the venv module
  local name
  for name in ${CLOISON_PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3}; do
    ! "$name" -c "$VERSION_CHECK" 2>/dev/null || { command -v "$name" && return 0; }
  done
  return 1
}

newest_python() { # the version of the installed Python, for the error message
  { python3 -c 'import platform; print(platform.python_version())' 2>/dev/null || echo none; } | head -n 1
}

# Tries the distribution's default python3 first, then the versioned packages.
install_python() {
  local name version
  for name in python3 python3.13 python3.12 python3.11; do
    version=$(apt_candidate "$name")
    if [[ $version =~ ^3\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 11)); then
      apt_install "Python 3.11 or newer" "$name" "$name-venv"
      return 0
    fi
  done
  fail "Python 3.11 or newer is needed, and this machine has $(newest_python)." \
    "Install a newer one, with its venv module, and run make $GOAL again; CLOISON_PYTHON=/path/to/python chooses one."
}

pip() { "$VENV/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

install_locked() { # KIND
  pip install --require-hashes -r requirements/build.txt -r "requirements/$1.txt"
}

remove_if_incomplete() { [[ -f $STAMP ]] || rm -rf "$VENV"; }

make_environment() { # KIND
  local python
  if ! pip --version >/dev/null 2>&1; then
    python=$(find_python) || { install_python && python=$(find_python); } || fail \
      "Python 3.11 with its venv module was installed, but cannot create an environment." \
      "Run python3 -m venv /tmp/try and see what it reports."
    at_exit remove_if_incomplete
    step venv "Making the Python environment .venv with $("$python" --version)" "$python" -m venv --clear "$VENV"
  fi
  rm -f "$STAMP"
  step pip "Installing the locked Python packages ($1)" install_locked "$1" || fail \
    "The locked Python packages could not be installed." \
    "See the lines above; check the package index of pip and its certificate (PIP_CERT), then run make $GOAL again."
  step project "Installing Cloison itself into .venv" pip install --no-deps --no-build-isolation --editable . || fail \
    "Cloison itself could not be installed into .venv." "See the lines above; git status shows missing files."
  digest "$1" >"$STAMP"
}

kind=${1:-run}
lock_clone
is_up_to_date "$kind" || make_environment "$kind"
