#!/usr/bin/env bash
# Checks that the published port of the stack is free, and prints the address of the stack: setup/check-port.sh.

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh

is_port() { [[ $1 =~ ^[0-9]{1,5}$ ]] && ((10#$1 >= 1 && 10#$1 <= 65535)); }

is_address() { .venv/bin/python -c 'import ipaddress, sys; ipaddress.ip_address(sys.argv[1])' "$1" 2>/dev/null; }

can_bind() { # ADDRESS PORT
  .venv/bin/python - "$1" "$2" <<'PYTHON'
import errno, ipaddress, socket, sys

host, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
with socket.socket(family) as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        # Other errors, for a foreign address or a port below 1024, are for the engine to report.
        sys.exit(error.errno == errno.EADDRINUSE)
PYTHON
}

published_by() { docker ps --filter "publish=$1" --format "{{.Names}}\t{{.Label \"com.docker.compose.project\"}}\t{{.Label \"com.docker.compose.service\"}}" | head -n 1; }

listening_process() { # PORT: the process that listens there, if this user may see it
  local line
  line=$(ss -Hltnp "sport = :$1" 2>/dev/null | sed -nE 's/.*users:\(\("([^"]+)",pid=([0-9]+).*/\1 (process \2)/p' | head -n 1)
  printf '%s' "${line:-another program}"
}

next_free() { # ADDRESS PORT
  local port
  for ((port = $2 + 1; port < $2 + 100 && port <= 65535; port++)); do
    ! can_bind "$1" "$port" || { printf '%s' "$port" && return 0; }
  done
  printf '18080'
}

fail_port_taken() { # OWNER
  fail "Port $port is taken by $1." "Stop it, or choose another port: CLOISON_PORT=$(next_free "$bind" "$port") make $GOAL"
}

check() {
  local container owner service
  IFS=$'\t' read -r container owner service < <(published_by "$port") || true
  if [[ -n ${container:-} ]]; then
    [[ $owner == "$(project_name)" && $service == proxy ]] || fail_port_taken "the container $container"
    return 0
  fi
  [[ $(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) == unix://* ]] || return 0
  can_bind "$bind" "$port" || fail_port_taken "$(listening_process "$port")"
}

lock_clone
bind=$(setting CLOISON_BIND 0.0.0.0) port=$(setting CLOISON_PORT 8080)
is_port "$port" || fail "CLOISON_PORT is \"$port\"." "It is a number from 1 to 65535: CLOISON_PORT=8081 make $GOAL"
is_address "$bind" || fail "CLOISON_BIND is \"$bind\"." "It is an address of this machine, such as 127.0.0.1: CLOISON_BIND=127.0.0.1 make $GOAL"
check
# So that a plain `docker compose` uses the same port.
[[ -z ${CLOISON_PORT:-} ]] || write_setting CLOISON_PORT "$port"
[[ -z ${CLOISON_BIND:-} ]] || write_setting CLOISON_BIND "$bind"
case $bind in
  0.0.0.0 | ::) host=localhost ;;
  *:*) host="[$bind]" ;;
  *) host=$bind ;;
esac
printf 'http://%s:%s\n' "$host" "$port"
