#!/usr/bin/env bash
# Checks the server with an account that exists only for this: exit code 0 when every named check succeeds.
# Rule: an unknown check is a failure, and a check leaves no line in the server's log.
set -euo pipefail

query() {
  mariadb --defaults-extra-file=/var/lib/mysql/.my-healthcheck.cnf --skip-ssl --connect-timeout=2 \
    --skip-column-names --batch "$@" 2> /dev/null
}

# Over TCP: the temporary server of the first start has a socket but no network, and is not healthy yet.
connect() { query --host=127.0.0.1 --protocol=tcp --execute 'SELECT 1' > /dev/null; }

innodb_initialized() {
  [[ $(query --protocol=socket --execute \
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
