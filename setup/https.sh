#!/usr/bin/env bash
# Prepares HTTPS when CLOISON_PUBLIC_URL begins with https://: a certificate, and the file that adds the port.
#
# Rules:
#   - A certificate that this script has not made is never changed.
#   - With CLOISON_TRUSTED_PROXIES another proxy terminates TLS, and the stack has no certificate of its own.

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh

readonly TLS=$ROOT/tls
readonly LIVE=$TLS/live CA=$TLS/ca.pem CA_KEY=$TLS/ca.key
readonly MONTH=$((30 * 24 * 3600)) # seconds

is_ours() { openssl verify -CAfile "$CA" "$LIVE/fullchain.pem" >/dev/null 2>&1; }

is_current() { # HOST: valid for it, and for another month
  local option=-checkhost
  [[ $1 != *:* && ! $1 =~ ^[0-9.]+$ ]] || option=-checkip
  openssl x509 -in "$LIVE/fullchain.pem" -noout -checkend "$MONTH" >/dev/null &&
    openssl x509 -in "$LIVE/fullchain.pem" -noout "$option" "$1" | grep -q 'does match'
}

make_authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Cloison on $HOSTNAME" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign -keyout "$CA_KEY" -out "$CA"
}

# 397 days is the most that browsers accept of a public authority, and they may extend it to others.
make_certificate() { # HOST
  local name=DNS:$1
  [[ $1 != *:* && ! $1 =~ ^[0-9.]+$ ]] || name=IP:$1
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -addext "subjectAltName=critical,$name" \
    -keyout "$LIVE/privkey.new" -out "$TLS/request" &&
    openssl x509 -req -in "$TLS/request" -CA "$CA" -CAkey "$CA_KEY" -set_serial "0x$(openssl rand -hex 16)" -days 397 \
      -copy_extensions copy -out "$LIVE/fullchain.new" || return 1
  # The container's user must read them; the directory above is for this user alone.
  chmod 644 "$LIVE"/{privkey,fullchain}.new
  mv -f "$LIVE/privkey.new" "$LIVE/privkey.pem" && mv -f "$LIVE/fullchain.new" "$LIVE/fullchain.pem"
  rm -f "$TLS/request"
}

prepare_certificate() { # HOST
  (umask 077 && mkdir -p "$TLS") && mkdir -p "$LIVE" && chmod 755 "$LIVE"
  has_command openssl || apt_install "openssl, which makes the certificate," openssl
  if [[ -e $LIVE/fullchain.pem ]] && ! is_ours; then
    is_current "$1" || say "The certificate in tls/live is not valid for $1 for another month; replace it."
    return 0
  fi
  [[ ! -e $LIVE/fullchain.pem ]] || ! is_current "$1" || return 0
  umask 077
  [[ -s $CA && -s $CA_KEY ]] || step authority "Making a certificate authority" make_authority || fail \
    "No certificate authority could be made." "See the lines above, or put a certificate of your own into tls/live: docs/https.md."
  step certificate "Making a certificate for $1" make_certificate "$1" || fail \
    "No certificate could be made for $1." "See the lines above, or put one of your own into tls/live: docs/https.md."
  say "Its authority is tls/ca.pem: browsers and cloison trust the certificate once they know it (docs/https.md)."
}

use_file() { # yes or no: compose.tls.yml in COMPOSE_FILE
  local files wanted
  files=$(setting COMPOSE_FILE compose.yml)
  wanted=${files//:compose.tls.yml/}
  [[ $1 == no ]] || wanted+=:compose.tls.yml
  [[ $files != "$wanted" ]] || return 0
  [[ -z ${COMPOSE_FILE:-} ]] || fail "COMPOSE_FILE is \"$COMPOSE_FILE\" in the environment." "Set it to $wanted, or unset it; then run make $GOAL again."
  write_setting COMPOSE_FILE "$wanted"
}

lock_clone
url=$(setting CLOISON_PUBLIC_URL) trusted=$(setting CLOISON_TRUSTED_PROXIES)
[[ -z ${CLOISON_PUBLIC_URL:-} ]] || write_setting CLOISON_PUBLIC_URL "$url"
[[ -z ${CLOISON_TRUSTED_PROXIES:-} ]] || write_setting CLOISON_TRUSTED_PROXIES "$trusted"
[[ -z $url || $url =~ ^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:([0-9]{1,5}))?/?$ ]] || fail \
  "CLOISON_PUBLIC_URL is \"$url\"." "It is a scheme and a host, such as https://ledger.example.org:8443, without a path."
if [[ $url != https://* || -n $trusted ]]; then
  use_file no
  exit 0
fi
host=${BASH_REMATCH[1]//[\[\]]/} port=${BASH_REMATCH[3]:-443}
prepare_certificate "$host"
write_setting CLOISON_HTTPS_PORT "$port"
use_file yes
