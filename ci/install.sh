#!/usr/bin/env bash
# Installs Cloison from this folder with its locked packages, and prints the folder of the command: ci/install.sh VENV
#
# Rule: every package has the hash of the lock file, and Cloison itself has the version of the checkout.
set -euo pipefail

SOURCE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly SOURCE

main() { # VENV
  local venv=$1
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "cloison: Python 3.11 or newer is needed; this runner has $(python3 --version). Choose a newer runner." >&2
    return 2
  }
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --require-hashes \
    -r "$SOURCE/requirements/build.txt" -r "$SOURCE/requirements/run.txt" >&2
  "$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation "$SOURCE" >&2
  printf '%s\n' "$venv/bin"
}

main "$@"
