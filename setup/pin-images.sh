#!/usr/bin/env bash
# Writes the digests that the registry has now for the base images into compose.yml and the Dockerfiles, as defaults.
#
#   setup/pin-images.sh           pulls the tag of each base image, and pins what was pulled
#   setup/pin-images.sh --check   exit code 1 when an image is not pinned, or another one is behind its tag by now
#
# Rule: a tag names whatever its owner pushed last, a digest always the same bytes. The tag stays before the digest for the
# reader; the engine uses the digest. Review and commit the change; a bot can run this daily.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly FILES=(compose.yml app/Dockerfile images/cloison/Dockerfile)
readonly PULL_LIMIT=${CLOISON_PULL_LIMIT:-300} # seconds
# The places of a default: `${CLOISON_…_IMAGE:-NAME:TAG@DIGEST}` in a Compose file, `ARG …_IMAGE=NAME:TAG@DIGEST` in a Dockerfile.
readonly PLACE='(\$\{CLOISON_(DB|PROXY|PYTHON)_IMAGE:-|^ARG (PYTHON|DOCKER)_IMAGE=)'
readonly DIGEST='@sha256:[0-9a-f]{64}'

tags() { grep -hoE "${PLACE}[^@}]+" "${FILES[@]}" | sed -E "s,$PLACE,," | sort -u; }

# The digest of the list of all platforms, as the registry has it: `docker pull` of a tag records that one.
digest_of() { # NAME:TAG
  docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$1" | sed -n "s,^${1%:*}@,,p" | head -n 1
}

pin() { # NAME:TAG DIGEST
  local tag=${1//./\\.}
  sed -i -E "s,$PLACE$tag($DIGEST)?(\}|\$),\1$1@$2\5," "${FILES[@]}"
}

is_pinned() { # NAME:TAG DIGEST
  ! grep -hE "$PLACE${1//./\\.}(@|\}|\$)" "${FILES[@]}" | grep -vqF "$1@$2"
}

[[ $# == 0 || $* == --check ]] || fail "\"$*\" is no option of this script." "Run setup/pin-images.sh, or with --check."
lock_clone
outdated=()
for image in $(tags); do
  step pull "Pulling $image" timeout --foreground "$PULL_LIMIT" docker pull "$image" || fail \
    "$image could not be pulled." "See the lines above; check the registry and docker login. Nothing was changed for it."
  digest=$(digest_of "$image")
  [[ $digest == sha256:* ]] || fail "The engine knows no digest of $image." "Pull it from a registry, not from a file."
  is_pinned "$image" "$digest" || outdated+=("$image")
  [[ $* == --check ]] || pin "$image" "$digest"
done
if [[ $* == --check && ${#outdated[@]} -gt 0 ]]; then
  fail "Not pinned to what the registry has now: ${outdated[*]}." "Run setup/pin-images.sh, and commit what it changes."
fi
print_success "Pinned: $(tags | paste -sd' ')"
