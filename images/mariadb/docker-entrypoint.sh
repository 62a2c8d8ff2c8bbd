#!/usr/bin/env bash
# Starts MariaDB in a container; on an empty data directory it first creates the database.
#
# Rule: a data directory is either empty or complete. The first database is created in a temporary directory, by a server
# without network, and moved into place when it is complete; the system schema `mysql` moves last and marks the end.
# A container that is killed during its first start therefore starts again instead of serving half a database.
# It runs as the user mysql without capabilities on a read-only root file system; started as root it becomes mysql first.
set -euo pipefail
shopt -s nullglob

readonly data=/var/lib/mysql
readonly staging=$data/.first-start
readonly socket=/run/mysqld/first-start.sock

say() { echo "[first start] $*" >&2; }
die() { echo "[entry point] $*" >&2; exit 1; }

# Sets $1 to the content of the file that $1_FILE names. Both variables at once are an error.
from_file() {
  local name=$1 file=${1}_FILE
  [[ -n ${!file:-} ]] || return 0
  [[ -z ${!name:-} ]] || die "both $name and $file are set; remove one"
  [[ -r ${!file} ]] || die "$file names ${!file}, which uid $(id -u) cannot read"
  printf -v "$name" '%s' "$(< "${!file}")"
  unset "$file"
}

# shellcheck disable=SC2001  # the replacement contains the matched character
sql_quote() { printf "'%s'" "$(sed "s/[\\\\']/\\\\&/g" <<< "$1")"; }

# The scripts in /docker-entrypoint-initdb.d use it as well: it has the name that the official image gives it.
docker_process_sql() {
  mariadb --defaults-extra-file=<(printf '[client]\npassword="%s"\n' "${root_password//\\/\\\\}") \
    --user=root --socket="$socket" --protocol=socket --comments "$@"
}

become_mysql() {
  chown -R mysql:mysql "$data" /run/mysqld
  exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
}

start_temporary_server() {
  "$@" --datadir="$staging" --socket="$socket" --pid-file="$staging/pid" --skip-networking --skip-log-bin &
  server=$!
  for _ in {1..300}; do
    docker_process_sql --execute 'SELECT 1' &> /dev/null && return
    kill -0 "$server" 2> /dev/null || die "the server stopped during its first start; see its messages above"
    sleep 0.1
  done
  die "the server did not answer within 30 s of its first start"
}

stop_temporary_server() {
  kill -TERM "$server"
  wait "$server"
}

accounts() {
  echo "SET sql_log_bin = 0;"
  # mariadb-install-db makes these, without a password, beside root@localhost.
  echo "DROP USER IF EXISTS ''@'localhost', ''@$(sql_quote "$(hostname)"), 'root'@'127.0.0.1', 'root'@'::1', 'root'@$(sql_quote "$(hostname)");"
  local host
  for host in localhost 127.0.0.1 ::1; do
    echo "CREATE USER 'healthcheck'@'$host' IDENTIFIED BY '$health_password';"
  done
  if [[ -n ${MARIADB_DATABASE:-} ]]; then
    echo "CREATE DATABASE IF NOT EXISTS \`$MARIADB_DATABASE\`;"
  fi
  if [[ -n ${MARIADB_USER:-} ]]; then
    echo "CREATE USER $(sql_quote "$MARIADB_USER")@'%' IDENTIFIED BY $(sql_quote "$MARIADB_PASSWORD");"
    [[ -z ${MARIADB_DATABASE:-} ]] || echo "GRANT ALL ON \`${MARIADB_DATABASE//_/\\_}\`.* TO $(sql_quote "$MARIADB_USER")@'%';"
  fi
  if [[ $MARIADB_ROOT_HOST != localhost ]]; then
    echo "CREATE USER 'root'@$(sql_quote "$MARIADB_ROOT_HOST") IDENTIFIED BY $(sql_quote "$MARIADB_ROOT_PASSWORD");"
    echo "GRANT ALL ON *.* TO 'root'@$(sql_quote "$MARIADB_ROOT_HOST") WITH GRANT OPTION;"
  fi
  echo "SET PASSWORD FOR 'root'@'localhost' = PASSWORD($(sql_quote "$MARIADB_ROOT_PASSWORD"));"
}

run_scripts() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    say "running $file"
    # shellcheck disable=SC1090  # a mounted file
    case $file in
      *.sh) if [[ -x $file ]]; then "$file"; else source "$file"; fi ;;
      *.sql) docker_process_sql "${MARIADB_DATABASE:-mysql}" < "$file" ;;
      *.sql.gz) gunzip -c "$file" | docker_process_sql "${MARIADB_DATABASE:-mysql}" ;;
      *) say "ignoring $file: neither .sh, .sql nor .sql.gz" ;;
    esac
  done
}

move_into_place() {
  local path
  rm -f "$staging/pid"
  for path in $(find "$staging" -mindepth 1 -maxdepth 1 ! -name mysql) "$staging/mysql"; do
    rm -rf "${data:?}/${path##*/}"
    mv "$path" "$data/"
  done
  rmdir "$staging"
  sync -f "$data"
}

first_start() {
  local health_password root_password="" server
  health_password=$(head -c 24 /dev/urandom | base64 | tr '+/' 'xy')
  say "creating the database"
  rm -rf "$staging"
  (umask 0077 && mkdir "$staging")
  mariadb-install-db --no-defaults --datadir="$staging" --auth-root-authentication-method=normal \
    --skip-test-db --skip-name-resolve --cross-bootstrap > /dev/null
  start_temporary_server "$@"
  accounts | docker_process_sql mysql
  root_password=$MARIADB_ROOT_PASSWORD
  (umask 0077 && printf '[client]\nuser=healthcheck\npassword=%s\n' "$health_password" > "$staging/.my-healthcheck.cnf")
  run_scripts
  stop_temporary_server
  move_into_place
  say "the database is complete"
}

check_environment() {
  local name
  for name in MARIADB_ROOT_PASSWORD MARIADB_ROOT_HOST MARIADB_DATABASE MARIADB_USER MARIADB_PASSWORD; do
    from_file "$name"
  done
  MARIADB_ROOT_HOST=${MARIADB_ROOT_HOST:-%}
  if [[ -z ${MARIADB_ROOT_PASSWORD:-} ]]; then
    [[ -n ${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-} ]] || die "set MARIADB_ROOT_PASSWORD_FILE or MARIADB_ROOT_PASSWORD"
    MARIADB_ROOT_PASSWORD=""
  fi
  [[ -z ${MARIADB_USER:-} || -n ${MARIADB_PASSWORD:-} ]] || die "MARIADB_USER is set without MARIADB_PASSWORD(_FILE)"
}

[[ ${1:-mariadbd} != -* ]] || set -- mariadbd "$@"
if [[ ${1:-} == mariadbd ]]; then
  [[ $(id -u) != 0 ]] || become_mysql "$@"
  check_environment
  [[ -d $data/mysql ]] || first_start "$@"
  unset MARIADB_ROOT_PASSWORD MARIADB_PASSWORD
fi
exec "$@"
