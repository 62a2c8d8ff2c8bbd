#!/usr/bin/env bash
# Tells whether the server works, with the account that the first start made for this alone.
# Rule: every named check must hold, an unknown one is a failure, and a check leaves no trace in the server's log.
set -euo pipefail

ask() {
  mariadb --defaults-extra-file=/var/lib/mysql/.my-healthcheck.cnf --skip-ssl --connect-timeout=2 \
    --skip-column-names --batch "$@" 2> /dev/null
}

# Over TCP: the first start's server has a socket but no network, and must not count.
connect() { ask --host=127.0.0.1 --protocol=tcp --execute 'SELECT 1' > /dev/null; }

innodb_initialized() {
  [[ $(ask --protocol=socket --execute \
    "SELECT 1 FROM information_schema.ENGINES WHERE engine = 'InnoDB' AND support IN ('YES', 'DEFAULT')") == 1 ]]
}

[[ $# -gt 0 ]] || { echo "usage: healthcheck.sh --connect --innodb_initialized" >&2; exit 2; }
for check in "$@"; do
  case $check in
    --connect) connect ;;
    --innodb_initialized) innodb_initialized ;;
    *) echo "healthcheck.sh: unknown check $check" >&2; exit 2 ;;
  esac
done
