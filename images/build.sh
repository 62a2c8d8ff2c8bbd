#!/usr/bin/env bash
# Builds stand-ins for the three base images from Debian packages, for a machine without access to a registry.
#
#   images/build.sh              builds the images that are missing or have changed inputs
#   images/build.sh --refresh    also those whose Debian packages have newer versions, such as security updates
#   images/build.sh --list       prints the names of the images
#   images/build.sh --root DIRECTORY SUITE PACKAGES
#                             makes only a root file system, in a new directory
#
#   CLOISON_CA_BUNDLE         certificates to trust while building the application (pip behind a corporate proxy)
#   CLOISON_DEBIAN_MIRROR     the mirror of Debian's packages; default: the apt sources of this machine
#   DOCKER                    the docker client; default: docker
#
# Rule: no step needs a registry. A root file system comes from apt (mmdebstrap) and becomes an image by
# `docker import`; the Dockerfiles in this folder only add to it. They build with and without BuildKit.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly docker=${DOCKER:-docker}
readonly label=org.cloison.inputs
[[ -t 2 ]] && carriage_return=$'\r' || carriage_return="" # overwrites the seconds that show_seconds prints

# name, image, Debian suite, packages. bookworm still has Python 3.11, trixie has MariaDB 11, and only forky has an
# nginx (1.27.3 or later) that resolves the application's address again (`resolve` in an upstream).
readonly table="
python   localhost/cloison/airgap-python:3.11    bookworm  ca-certificates,python3,python3-pip,python3-venv
nginx    localhost/cloison/airgap-nginx:latest   forky     nginx,wget
mariadb  localhost/cloison/airgap-mariadb:11     trixie    mariadb-server-core,mariadb-client-core,mariadb-common,mariadb-backup
"

refresh=""

rows() { grep -v '^$' <<< "$table"; }
say() { printf '%simages: %s\n' "$carriage_return" "$*"; }
die() { printf 'images: %s\n' "$*" >&2; exit 1; }

need() {
  command -v "$1" > /dev/null || die "$1 is missing; $2"
}

# The mirror of this machine if it is a Debian, else nothing, and mmdebstrap uses its default.
# shellcheck disable=SC2016  # $(REPO_URI) is for apt
mirror() {
  [[ -z ${CLOISON_DEBIAN_MIRROR:-} ]] || { echo "$CLOISON_DEBIAN_MIRROR"; return; }
  apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 2> /dev/null | head -n 1
}

# shellcheck disable=SC2016  # same
security_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian-Security' 2> /dev/null | head -n 1 | grep . ||
    mirror | sed 's,/debian/*$,/debian-security,'
}

sources() { # suite
  [[ -z $(mirror) ]] || printf '%s\n' "deb $(mirror) $1 main" "deb $(security_mirror) $1-security main"
}

inputs_of() { # name, suite, packages
  (cd "$here" && { echo "$2 $3 $(mirror)"; declare -f make_root; cat "$1"/*; }) | sha256sum | cut -c 1-16
}

is_current() { # image, inputs
  [[ $("$docker" image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2> /dev/null) == "$2" ]]
}

make_root() { # suite, packages, tarball, further options
  local from
  mapfile -t from < <(sources "$1")
  mmdebstrap --variant=minbase --include="$2" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "${@:4}" "$1" "$3" "${from[@]}"
}

# The signature of a testing suite is valid for a week, and apt refuses a mirror that was not updated for longer. The
# signature is still checked; only its expiry is ignored, with a message.
make_root_even_if_expired() { # suite, packages, tarball, log, further options
  ! make_root "${@:1:3}" "${@:5}" > "$4" 2>&1 || return 0
  grep -q 'is expired' "$4" || return 1
  say "the mirror's $1 was signed more than a week ago; its signature is valid, so it is used"
  make_root "${@:1:3}" --aptopt='Acquire::Check-Valid-Until "false"' "${@:5}" > "$4" 2>&1
}

# "package version", one a line: what the image would have if it were built now, and what it has.
offered_packages() { # suite, packages, log
  make_root_even_if_expired "$1" "$2" "$3.tar" "$3" --simulate --verbose >&2 || return 1
  sed -nE 's/^Inst (\S+) \((\S+) .*/\1 \2/p' "$3" | sort -u
}

installed_packages() { # image
  # shellcheck disable=SC2016  # for dpkg-query
  "$docker" run --rm --network none --entrypoint dpkg-query "$1" --show --showformat '${Package} ${Version}\n' | sort -u
}

# Prints the packages of an image that have a newer version, separated by commas.
outdated_packages() { # image, suite, packages, log
  local offered installed
  offered=$(offered_packages "${@:2}") && installed=$(installed_packages "$1") || return 1
  comm -23 <(echo "$offered") <(echo "$installed") | paste -sd, | sed 's/,/, /g'
}

age_in_days() { # image
  echo $(((EPOCHSECONDS - $(date -d "$("$docker" image inspect --format '{{.Created}}' "$1")" +%s)) / 86400))
}

# Debian is asked only with --refresh; when it cannot be asked, the image stays as it is.
is_outdated() { # image, suite, packages, log
  local newer
  [[ -n $refresh ]] || return 1
  if ! newer=$(outdated_packages "$@"); then
    say "$1: Debian's packages cannot be asked for; the image stays as it is"
    return 1
  fi
  [[ -z $newer ]] || say "$1: newer packages: $newer"
  [[ -n $newer ]]
}

build_one() { # name, image, suite, packages, directory for its work
  local inputs root=localhost/cloison/airgap-root:$1 log=$5/$1.log tarball=$5/$1.tar
  inputs=$(inputs_of "$1" "$3" "$4")
  if is_current "$2" "$inputs" && ! is_outdated "$2" "$3" "$4" "$log"; then
    say "$2 is up to date; it was built $(age_in_days "$2") days ago"
    return
  fi
  say "$2: downloading Debian $3 packages"
  make_root_even_if_expired "$3" "$4" "$tarball" "$log"
  say "$2: building the image ($SECONDS s so far)"
  "$docker" import "$tarball" "$root" >> "$log" 2>&1
  rm -f "$tarball"
  "$docker" build --label "$label=$inputs" --build-arg "ROOT=$root" --tag "$2" "$here/$1" >> "$log" 2>&1
  "$docker" rmi --no-prune "$root" >> "$log" 2>&1
  say "$2 is ready ($SECONDS s)"
}

# Shows the elapsed seconds on a terminal, because a step takes a minute.
show_seconds() {
  while sleep 1; do
    printf '\rimages: %s s ' "$SECONDS" >&2
  done
}

# All images in parallel: most of the time is spent on unpacking, which uses all cores.
build_all() { # directory for the work
  local name image suite packages failed="" pid
  local -A jobs=()
  if [[ -t 2 ]]; then
    show_seconds &
    # shellcheck disable=SC2064  # this process, whatever the variable holds later
    trap "kill $! 2> /dev/null; printf '\r' >&2; rm -rf '$1'" EXIT
  fi
  while read -r name image suite packages; do
    build_one "$name" "$image" "$suite" "$packages" "$1" &
    jobs[$name]=$!
  done < <(rows)
  for name in "${!jobs[@]}"; do
    pid=${jobs[$name]}
    wait "$pid" || failed+=" $name"
  done
  [[ -z $failed ]] || report "$1" "$failed"
}

report() { # directory, names
  local name
  for name in $2; do
    say "$name failed; the end of its log:" >&2
    tail -n 15 "$1/$name.log" >&2 || true
  done
  die "nothing was changed in the images that exist; see the reason above and run it again"
}

# app/Dockerfile trusts the certificates in app/ca during its build only; git ignores them.
place_ca() {
  [[ -n ${CLOISON_CA_BUNDLE:-} ]] || return 0
  [[ -r $CLOISON_CA_BUNDLE ]] || die "CLOISON_CA_BUNDLE names $CLOISON_CA_BUNDLE, which is not readable"
  cmp -s "$CLOISON_CA_BUNDLE" "$here/../app/ca/given.crt" || install -m 0644 "$CLOISON_CA_BUNDLE" "$here/../app/ca/given.crt"
}

make_root_only() { # directory, suite, packages
  local log
  log=$(mktemp)
  # shellcheck disable=SC2064  # this file, whatever the variable holds later
  trap "rm -f '$log'" EXIT
  make_root_even_if_expired "$2" "$3" "$1.part" "$log" || { tail -n 15 "$log" >&2 && rm -rf "$1.part" && die "no root file system of Debian $2 could be made"; }
  mv "$1.part" "$1"
}

main() {
  if [[ ${1:-} == --list ]]; then
    rows | awk '{ print $2 }'
    return
  fi
  [[ $# == 0 || $* == --refresh || ${1:-} == --root && $# == 4 ]] ||
    die "usage: images/build.sh [--refresh | --list | --root DIRECTORY SUITE PACKAGES]"
  [[ ${1:-} != --refresh ]] || refresh=1
  [[ $(id -u) == 0 ]] || die "run as root: only root may unpack a Debian system"
  need mmdebstrap "apt-get install mmdebstrap"
  if [[ ${1:-} == --root ]]; then
    make_root_only "${@:2}"
    return
  fi
  need "$docker" "install a Docker engine, or name the client in DOCKER"
  "$docker" version > /dev/null 2>&1 || die "no Docker engine answers; start one, or set DOCKER_HOST"
  place_ca
  local work
  work=$(mktemp -d)
  # shellcheck disable=SC2064  # this directory, whatever the variable holds later
  trap "rm -rf '$work'" EXIT
  build_all "$work"
}

main "$@"
