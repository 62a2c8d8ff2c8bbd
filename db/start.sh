#!/usr/bin/env bash
# Makes the passwords of this run, then becomes the image's own entry point.
#
# Rule: no password outlives the run. Each start makes new ones into memory (two tmpfs), MariaDB is told them before
# it accepts its first connection, and the application reads the file again for every connection that it opens.
# So there is nothing to create before `up`, nothing on a disk, in the environment, in `docker inspect` or in the log.
# Whoever brings passwords of his own points MARIADB_PASSWORD_FILE and MARIADB_ROOT_PASSWORD_FILE at files that exist
# outside /run/ledger and /run/mysqld; they are used as they are, and a changed file is obeyed at the next start.
set -euo pipefail
umask 0027

readonly data=/var/lib/mysql
readonly init_file=/run/mysqld/passwords.sql
readonly reserve=${LEDGER_DB_RESERVE:-128} # megabytes

# Ours are made anew at each start; a file that was given from elsewhere is left alone.
write_new_password() {
  case "$1" in
    /run/ledger/* | /run/mysqld/*) ;;
    *) [[ -s "$1" ]] && return ;;
  esac
  local new="$1.new"
  (umask "$2" && tr -dc 'A-Za-z0-9' < <(head -c 1024 /dev/urandom) | cut -c 1-40 > "$new")
  mv -f "$new" "$1" # in one step: the application never reads half a password
}

# MariaDB runs this file at start, as root, before it listens. One statement is one line.
# 1290 is the server in its upgrade mode, where accounts cannot be changed: the start that follows does it.
set_password() {
  local secret
  secret=$(sed "s/[\\\\']/\\\\&/g" "$3")
  printf "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1290 BEGIN END; "
  printf "ALTER USER IF EXISTS '%s'@'%s' IDENTIFIED BY '%s'; END;\n" "$1" "$2" "$secret"
}

write_new_password "$MARIADB_PASSWORD_FILE" 0027      # for the group of the directory: the application's
write_new_password "$MARIADB_ROOT_PASSWORD_FILE" 0077 # for nobody else

if [[ -d $data/mysql ]]; then # an older run made the accounts, with passwords that are gone
  (
    umask 0077
    echo 'SET SESSION sql_log_bin = 0;'
    set_password root "$MARIADB_ROOT_HOST" "$MARIADB_ROOT_PASSWORD_FILE"
    set_password "$MARIADB_USER" '%' "$MARIADB_PASSWORD_FILE"
  ) > "$init_file"
  set -- "$@" "--init-file=$init_file"
fi

# InnoDB that has no room left for half a document cannot take the half back either: it aborts, and aborts again at each
# start ("Out of disk space in rollback"). So nothing is written any more while there is still some room; what is there
# can be read, and who writes is told. Root and replication are let through by MariaDB.
set_read_only_when_full() {
  local free want_read_only is_read_only=OFF
  while sleep 1; do
    free=$(df --output=avail --block-size=1M "$data" | tail -n 1)
    want_read_only=$([[ $free -lt $reserve ]] && echo ON || echo OFF)
    [[ $want_read_only != "$is_read_only" ]] || continue
    mariadb -uroot --password="$(< "$MARIADB_ROOT_PASSWORD_FILE")" -e "SET GLOBAL read_only = $want_read_only" 2> /dev/null || continue
    is_read_only=$want_read_only
    echo "start.sh: $free MB are free where the database is, $reserve are kept: read_only = $is_read_only" >&2
  done
}
set_read_only_when_full &

exec docker-entrypoint.sh "$@"
