#!/bin/sh
# Writes the part of nginx's configuration that depends on the installation, then becomes nginx.
#
#   CLOISON_PUBLIC_URL       the address that people use, such as https://ledger.example.org or http://ledger.lan:8080;
#                            requests with another Host are refused, and with https:// requests in clear are redirected
#   CLOISON_TRUSTED_PROXIES  addresses and networks of TLS-terminating proxies in front, separated by spaces or commas:
#                            their X-Forwarded-For and X-Forwarded-Proto are believed, nobody else's
#   CLOISON_TLS              1: terminate TLS here, on port 443, with /etc/nginx/tls/fullchain.pem and privkey.pem
#
# Rule: each value is checked here before it becomes a line of a configuration. A loopback name in Host, which only a client
# on this machine has a use for, is always accepted.
set -eu

readonly http=/tmp/site-http.conf server=/tmp/site-server.conf tls=/etc/nginx/tls
url=${CLOISON_PUBLIC_URL:-}
url=${url%/}

die() {
  echo "proxy: $1" >&2
  exit 1
}
matches() { printf '%s' "$1" | grep -Eqx "$2"; }

[ "$(printf '%s' "$url" | wc -l)" -eq 0 ] || die "CLOISON_PUBLIC_URL has more than one line"
[ -z "$url" ] || matches "$url" 'https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?' ||
  die "CLOISON_PUBLIC_URL is \"$url\"; it is a scheme and a host, such as https://ledger.example.org, without a path"

# The host as nginx has it in $host: lower case, without port. Its special characters for a regular expression are escaped.
host=$(printf '%s' "$url" | tr '[:upper:]' '[:lower:]' | sed -E 's,^https?://,,; s,:[0-9]+$,,; s,[].[],\\&,g')

http_lines() {
  echo "geo \$realip_remote_addr \$from_a_trusted_proxy {"
  echo "    default 0;"
  for address in $(echo "${CLOISON_TRUSTED_PROXIES:-}" | tr ',' ' '); do
    matches "$address" '[0-9A-Fa-f.:]+(/[0-9]{1,3})?' ||
      die "CLOISON_TRUSTED_PROXIES has \"$address\"; it is a list of addresses and networks, such as 172.16.0.0/12"
    echo "    $address 1;"
  done
  echo "}"
  for address in $(echo "${CLOISON_TRUSTED_PROXIES:-}" | tr ',' ' '); do
    echo "set_real_ip_from $address;"
  done
  echo "real_ip_header X-Forwarded-For;"
  echo "real_ip_recursive on;"
  echo "map \"\$from_a_trusted_proxy \$http_x_forwarded_proto\" \$client_scheme {"
  echo "    default \$scheme;"
  echo "    \"1 http\" http;"
  echo "    \"1 https\" https;"
  echo "}"
  echo "map \$client_scheme \$public_url { default \"$url\"; }"
  case $url in https://*) is_https=1 ;; *) is_https='' ;; esac
  echo "map \$client_scheme \$hsts {"
  echo "    default \"\";"
  [ -z "$is_https" ] || echo "    https max-age=31536000;"
  echo "}"
  echo "map \"\$client_scheme \$host \$request_method \$uri\" \$refusal {"
  echo "    volatile;"
  if [ -z "$url" ]; then
    echo "    default \"\";"
  else
    echo "    default foreign;"
    echo "    \"~^\\S+ \\S+ \\S+ /(-/|healthz\$|readyz\$)\" \"\";"
    echo "    \"~^\\S+ (localhost|127\\.0\\.0\\.1|\\[::1\\]) \" \"\";"
    if [ -n "$is_https" ]; then
      echo "    \"~^http $host (GET|HEAD) \" redirect;"
      echo "    \"~^http $host \" clear;"
    fi
    echo "    \"~^\\S+ $host \" \"\";"
  fi
  echo "}"
}

server_lines() {
  [ "${CLOISON_TLS:-}" = 1 ] || return 0
  for file in fullchain.pem privkey.pem; do
    [ -r "$tls/$file" ] || die "$tls/$file cannot be read by uid $(id -u); docs/https.md says how it is made"
  done
  echo "listen 443 ssl default_server reuseport backlog=4096;"
  echo "ssl_certificate $tls/fullchain.pem;"
  echo "ssl_certificate_key $tls/privkey.pem;"
  # Mozilla's "intermediate" profile: https://ssl-config.mozilla.org/
  echo "ssl_protocols TLSv1.2 TLSv1.3;"
  echo "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;"
  echo "ssl_prefer_server_ciphers off;"
  echo "ssl_session_cache shared:tls:2m;"
  echo "ssl_session_tickets off;"
  echo "ssl_buffer_size 4k;"
}

# Not in a pipe or a substitution, so that `die` ends this script.
http_lines > "$http"
server_lines > "$server"
exec nginx -g 'daemon off;'
