#!/usr/bin/env bash
# Creates the passwords of this run, then runs the image's own entry point.
#
# Rule: a password exists for one run only. Each start writes new ones to memory (two tmpfs), MariaDB sets them before it
# accepts the first connection, and the application reads the file again for every connection that it opens. So no file
# must exist before `up`, and no password is on a disk, in the environment, in `docker inspect` or in the log.
# To use other passwords, set MARIADB_PASSWORD_FILE and MARIADB_ROOT_PASSWORD_FILE to existing files outside /run/ledger
# and /run/mysqld; they are used unchanged, and a changed file takes effect at the next start.
set -euo pipefail
umask 0027

readonly data=/var/lib/mysql
readonly init_file=/run/mysqld/passwords.sql
readonly accounts=/docker-entrypoint-initdb.d/20-accounts.sql
[[ ${LEDGER_DB_RESERVE:-128} =~ ^[0-9]{1,9}$ ]] || {
  echo "start.sh: LEDGER_DB_RESERVE is \"$LEDGER_DB_RESERVE\"; it is a whole number of megabytes, such as 128" >&2
  exit 1
}
readonly reserve=$((10#${LEDGER_DB_RESERVE:-128})) # megabytes

# A file in the two tmpfs gets a new password at each start; any other file that has one stays unchanged.
write_new_password() {
  case "$1" in
    /run/ledger/* | /run/mysqld/*) ;;
    *) [[ -s "$1" ]] && return ;;
  esac
  local new="$1.new"
  (umask "$2" && tr -dc 'A-Za-z0-9' < <(head -c 1024 /dev/urandom) | cut -c 1-40 > "$new")
  mv -f "$new" "$1" # rename(2): the application never reads half a password
}

# MariaDB runs the init file at start, as root, before it listens. One statement is one line.
# Error 1290 (ER_OPTION_PREVENTS_STATEMENT): in upgrade mode accounts cannot be changed; the next start does it.
init_statement() { printf 'BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1290 BEGIN END; %s END;\n' "$1"; }

set_password() {
  local secret
  secret=$(sed "s/[\\\\']/\\\\&/g" "$3")
  init_statement "ALTER USER IF EXISTS '$1'@'$2' IDENTIFIED BY '$secret';"
}

init_statements() {
  echo 'SET SESSION sql_log_bin = 0;'
  set_password root "$MARIADB_ROOT_HOST" "$MARIADB_ROOT_PASSWORD_FILE"
  set_password "$MARIADB_USER" '%' "$MARIADB_PASSWORD_FILE"
  init_statement "$(grep -v '^--' "$accounts" | tr '\n' ' ')"
}

write_new_password "$MARIADB_PASSWORD_FILE" 0027      # readable by the group of the directory, which is the application's
write_new_password "$MARIADB_ROOT_PASSWORD_FILE" 0077 # readable by the owner only

if [[ -d $data/mysql ]]; then # the accounts exist, with the passwords of an earlier run
  (umask 0077 && init_statements > "$init_file")
  set -- "$@" "--init-file=$init_file"
fi

# InnoDB aborts when the disk is full during a rollback, and aborts again at each start ("Out of disk space in rollback").
# So the server becomes read-only while some space is left: proofs can still be read, and a write fails with an error.
# read_only does not apply to root and to replication.
set_read_only_when_full() {
  local free want_read_only
  free=$(df --output=avail --block-size=1M "$data" | tail -n 1) || return
  want_read_only=$([[ $free -lt $reserve ]] && echo ON || echo OFF)
  [[ $want_read_only != "$is_read_only" ]] || return 0
  "${BASH_SOURCE%/*}/as-root" --execute "SET GLOBAL read_only = $want_read_only" 2> /dev/null || return
  is_read_only=$want_read_only
  echo "start.sh: $free MB are free on the disk of the database, $reserve MB are reserved: read_only = $is_read_only" >&2
}

# The server has read its init file when it answers root; the passwords in it are then removed.
remove_init_file() {
  [[ -e $init_file ]] || return 0
  "${BASH_SOURCE%/*}/as-root" --execute 'DO 0' 2> /dev/null || return
  rm -f "$init_file"
}

# Each step may fail, for instance while the server starts, and is then repeated. The health check looks at the time of
# the file, so that a guard that has ended is noticed.
guard() {
  local is_read_only=OFF
  while sleep 1; do
    remove_init_file || true
    set_read_only_when_full || true
    echo "$BASHPID" > /run/mysqld/guard
  done
}
: > /run/mysqld/guard
guard &

exec docker-entrypoint.sh "$@"
