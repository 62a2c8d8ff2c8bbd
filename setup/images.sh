#!/usr/bin/env bash
# Gets the base images from a registry, or builds them from Debian packages.
#
# Rules:
#   - The source is chosen once and written into .env, so that existing data never meets a different image by itself.
#   - Every request to a registry has a time-out; a registry that does not answer in time is treated as absent.

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh

readonly AIRGAP_FILES=compose.yml:compose.airgap.yml
readonly ANSWER_LIMIT=${CLOISON_ANSWER_LIMIT:-20} PULL_LIMIT=${CLOISON_PULL_LIMIT:-300}
readonly SPACE=${CLOISON_SPACE:-3}

is_here() { docker image inspect --format ok "$1" >/dev/null 2>&1; }

# The base images of builds (arguments named *_IMAGE) and the images of services without a build.
required_images() { # FILES
  compose_with "$1" config --format json | eval_json '
sorted({s["image"] for s in d["services"].values() if "build" not in s}
  | {v for s in d["services"].values() for k, v in s.get("build", {}).get("args", {}).items() if k.endswith("_IMAGE")})'
}

absent_images() { # FILES
  local image
  required_images "$1" | while read -r image; do is_here "$image" || printf '%s\n' "$image"; done
}

check_space() {
  local root
  [[ $(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) == unix://* ]] || return 0
  root=$(docker info --format '{{.DockerRootDir}}')
  [[ ! -d $root ]] || need_space "$root" "$SPACE" "Docker"
}

# ── the registry ────────────────────────────────────────────────────────────────────────────────────────────

# First the client, which is quick; but an engine may reach a registry (a mirror, a proxy) that its client cannot.
registry_answers() { # IMAGE
  timeout --foreground "$ANSWER_LIMIT" docker manifest inspect "$1" || timeout --foreground "$ANSWER_LIMIT" docker pull "$1"
}

pull_missing() { # IMAGE...
  local image
  for image in "$@"; do
    step pull "Pulling $image" timeout --foreground "$PULL_LIMIT" docker pull "$image" || return 1
  done
}

# ── the age ────────────────────────────────────────────────────────────────────────────────────────────────────

readonly OLD=30 # days; Debian publishes security updates every few days

tell_old_images() {
  local image created days
  for image in $(required_images "$(setting COMPOSE_FILE compose.yml)"); do
    created=$(docker image inspect --format '{{.Created}}' "$image" 2>/dev/null) || continue
    days=$(((EPOCHSECONDS - $(date -d "$created" +%s 2>/dev/null || echo "$EPOCHSECONDS")) / 86400))
    ((days >= OLD)) || continue
    if [[ $image == *@sha256:* ]]; then
      say "The base image $image is $days days old. setup/pin-images.sh names the one that its tag has now."
    else
      say "The base image $image is $days days old. make up REFRESH=1 gets its security updates."
    fi
  done
}

# ── the choice ─────────────────────────────────────────────────────────────────────────────────────────────────

record_choice() { # COMPOSE_FILES REASON
  write_setting COMPOSE_FILE "$1"
  say "$2 The choice is saved in .env; CLOISON_AIRGAP=1 make $GOAL or CLOISON_AIRGAP=0 make $GOAL changes it."
}

# Existing images may be of older inputs; images/build.sh checks that, where it can run.
from_packages() {
  local absent title="Checking that the base images are up to date"
  absent=$(absent_images "$AIRGAP_FILES")
  if [[ -n $absent ]]; then
    title="Building the base images from Debian packages (about two minutes)"
    check_space
    need_root "Building the base images from Debian packages"
  elif [[ ${REFRESH:-} == 1 ]]; then
    title="Asking Debian for newer packages of the base images (about a minute)"
    need_root "Building the base images from Debian packages"
  elif ((EUID != 0)) || ! has_command mmdebstrap; then
    return 0
  fi
  has_command mmdebstrap || apt_install "mmdebstrap, which makes images from Debian packages," mmdebstrap
  step images "$title" images/build.sh ${REFRESH:+--refresh} || fail \
    "The base images could not be built from Debian packages." \
    "See the lines above; check the package sources and their certificate (CLOISON_CA_BUNDLE), then run make $GOAL again."
}

# An image with a digest is always the same; setup/pin-images.sh chooses another one.
from_registry() { # returns 1 when an image cannot be pulled
  local absent
  if [[ ${REFRESH:-} == 1 ]]; then mapfile -t absent < <(required_images compose.yml); else mapfile -t absent < <(absent_images compose.yml); fi
  ((${#absent[@]})) || return 0
  check_space
  pull_missing "${absent[@]}"
}

use_airgap_variable() {
  case $CLOISON_AIRGAP in
    1) record_choice "$AIRGAP_FILES" "The base images are built from Debian packages, as CLOISON_AIRGAP=1 asks." && from_packages ;;
    0)
      record_choice compose.yml "The base images come from their registry, as CLOISON_AIRGAP=0 asks."
      from_registry || fail "The images could not be pulled, and CLOISON_AIRGAP=0 forbids building them here." \
        "Check the registry and docker login, or run CLOISON_AIRGAP=1 make $GOAL."
      ;;
    *) fail "CLOISON_AIRGAP is \"$CLOISON_AIRGAP\"." "It is 1 (build the base images here) or 0 (pull them)." ;;
  esac
}

use_recorded_choice() { # FILES: by an earlier run, or by the user
  say "The stack is COMPOSE_FILE=$1, as $(choice_source) says."
  if [[ $1 == *airgap* ]]; then
    from_packages
  else
    from_registry || fail "The images could not be pulled, and an earlier choice in $(choice_source) is the registry." \
      "Check the registry and docker login, or run CLOISON_AIRGAP=1 make $GOAL to build them here instead."
  fi
}

choice_source() { if [[ -n ${COMPOSE_FILE:-} ]]; then printf 'the environment'; else printf '.env'; fi; }

detect() {
  local absent smallest
  mapfile -t absent < <(absent_images compose.yml)
  if ((${#absent[@]} == 0)); then
    record_choice compose.yml "All images are here already."
    return
  fi
  smallest=$(compose_with compose.yml config --format json | eval_json 'd["services"]["proxy"]["image"]')
  if ! try_step registry "Asking the registry for $smallest" registry_answers "$smallest"; then
    record_choice "$AIRGAP_FILES" "No registry is reachable: the base images are built here from Debian packages."
    from_packages
  elif ! from_registry; then
    record_choice "$AIRGAP_FILES" "The registry answers, but the images cannot be pulled: the base images are built here from Debian packages."
    from_packages
  else
    record_choice compose.yml "The base images come from their registry."
  fi
}

# The CA certificates for builds behind a proxy that intercepts TLS.
find_ca_bundle() {
  local name bundle
  for name in CLOISON_CA_BUNDLE SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE; do
    bundle=$(setting "$name")
    [[ -z $bundle ]] || break
  done
  [[ -n $bundle ]] || return 0
  if ! grep -qs 'BEGIN CERTIFICATE' "$bundle"; then
    [[ $name == CLOISON_CA_BUNDLE ]] && fail "CLOISON_CA_BUNDLE names $bundle, which contains no certificate." \
      "Set it to the path of a PEM file."
    return 0
  fi
  export CLOISON_CA_BUNDLE=$bundle
  cmp -s "$bundle" app/ca/given.crt || install -D -m 644 "$bundle" app/ca/given.crt
  [[ $(managed_env_lines) == *"CLOISON_CA_BUNDLE=$bundle"* ]] && return 0
  [[ $name == CLOISON_CA_BUNDLE ]] || say "Builds trust the certificates in $bundle (from $name; CLOISON_CA_BUNDLE names others)."
  write_setting CLOISON_CA_BUNDLE "$bundle"
}

lock_clone
find_ca_bundle
files=$(setting COMPOSE_FILE)
if [[ -n ${CLOISON_AIRGAP:-} ]]; then
  use_airgap_variable
elif [[ -n $files ]]; then
  use_recorded_choice "$files"
else
  detect
fi
tell_old_images
