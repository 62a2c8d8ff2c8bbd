#!/usr/bin/env bash
# Healthy when the server answers and the guard of its free space (db/start.sh) was active within ten seconds.
set -euo pipefail

healthcheck.sh --connect --innodb_initialized
((EPOCHSECONDS - $(stat -c %Y /run/mysqld/guard) <= 10)) || {
  echo "db/start.sh no longer watches the free space of the database; restart db" >&2
  exit 1
}
