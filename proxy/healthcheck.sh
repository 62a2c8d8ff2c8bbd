#!/bin/sh
# Healthy when nginx answers, and when the published port does, where this container can reach it.
#
# The engine's proxy of published ports (docker-proxy) is a process of its own and can fail alone, for instance at its limit
# of open files. This container reaches the port through the gateway of its network, which is the host, unless the port
# is published on another address or a firewall is in between. So the port counts only after it has once answered.
set -eu

readonly answered=/tmp/published-port-answered
# Both requests end before the health check's own time-out, so that its message is seen: GNU's wget would repeat a request
# twenty times.
ask() { timeout 2 wget -q -T 1 -O /dev/null "http://$1/-/alive"; }

# /proc/net/route has the gateway as a hexadecimal number, least significant byte first (fib_trie.c).
gateway() {
  hex=$(awk '$2 == "00000000" { print $3; exit }' /proc/net/route)
  [ -n "$hex" ] || return 1
  printf '%d.%d.%d.%d' "0x${hex#??????}" "0x$(echo "$hex" | cut -c 5-6)" "0x$(echo "$hex" | cut -c 3-4)" "0x$(echo "$hex" | cut -c 1-2)"
}

ask 127.0.0.1
if address=$(gateway) && ask "$address:$CLOISON_PORT" 2> /dev/null; then
  : > "$answered"
elif [ -e "$answered" ]; then
  echo "nginx answers, but the published port $CLOISON_PORT no longer does: docker compose restart proxy" >&2
  exit 1
fi
