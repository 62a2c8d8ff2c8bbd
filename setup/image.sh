#!/usr/bin/env bash
# make image: builds the command as an image: setup/image.sh [NAME]; NAME is localhost/cloison:latest unless it is given.
#
#   CLOISON_PYTHON_IMAGE   the Python image to build on; default: that of images/cloison/Dockerfile, or its stand-in
#                          of images/build.sh if the engine has that alone
#   CLOISON_DOCKER_IMAGE   an image with the programs of docker and Compose; default: that of the Dockerfile if the engine has it, else
#                          one of this machine's own static programs
#   CLOISON_CA_BUNDLE      certificates to trust while pip downloads inside the build
#
# Rules:
#   - The wheel is that of make dist.
#   - Where the base image has the Python of .venv, the packages are downloaded here, and the build needs no network.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly NAME=${1:-localhost/cloison:latest}
readonly TOOLS=localhost/cloison-docker-cli:$$
readonly STAGE=io.cloison.image.stage=build # the label of what the legacy builder leaves of the first stage
readonly ABI='import sysconfig; print(sysconfig.get_config_var("SOABI"))'
WORK=''

remove_work() {
  [[ -z $WORK ]] || rm -rf "$WORK"
  ! is_here "$TOOLS" || docker rmi "$TOOLS" >/dev/null
  docker image prune --force --filter "label=$STAGE" >/dev/null
}

is_here() { docker image inspect --format ok "$1" >/dev/null 2>&1; }

default_of() { sed -n "s/^ARG $1=//p" images/cloison/Dockerfile; } # ARGUMENT

python_image() {
  local default stand_in=localhost/cloison/airgap-python:3.11
  default=$(default_of PYTHON_IMAGE)
  if ! is_here "$default" && is_here "$stand_in"; then default=$stand_in; fi
  printf '%s' "$default"
}

compose_program() {
  local folder
  for folder in "${DOCKER_CONFIG:-$HOME/.docker}" /usr/local/lib/docker /usr/local/libexec/docker /usr/lib/docker /usr/libexec/docker; do
    [[ ! -x $folder/cli-plugins/docker-compose ]] || { printf '%s' "$folder/cli-plugins/docker-compose" && return 0; }
  done
  return 1
}

is_static() { ! ldd "$1" >/dev/null 2>&1; }

# The image that `make image` takes the programs of docker and Compose from.
docker_image() {
  local client compose default
  default=$(default_of DOCKER_IMAGE)
  if is_here "$default" || ! client=$(command -v docker) || ! compose=$(compose_program) ||
    ! is_static "$client" || ! is_static "$compose"; then
    printf '%s' "$default"
    return
  fi
  install -D -m 755 "$client" "$WORK/tools/usr/local/bin/docker"
  install -D -m 755 "$compose" "$WORK/tools/usr/local/libexec/docker/cli-plugins/docker-compose"
  tar --create --sort=name --owner=0 --group=0 --mtime=@0 --directory="$WORK/tools" usr | docker import - "$TOOLS" >/dev/null
  printf '%s' "$TOOLS"
}

download_packages() { # PYTHON_IMAGE
  [[ $(docker run --rm --network none --entrypoint python "$1" -c "$ABI") == "$(.venv/bin/python -c "$ABI")" ]] || return 0
  .venv/bin/python -m pip --disable-pip-version-check download --quiet --no-deps --require-hashes --only-binary :all: \
    --requirement requirements/run.txt --dest "$WORK/context/packages"
}

make_context() { # PYTHON_IMAGE
  mkdir -p "$WORK/context/packages" "$WORK/context/ca" &&
    setup/dist.sh "$WORK/dist" &&
    cp "$WORK"/dist/*.whl images/cloison/Dockerfile "$WORK/context/" &&
    cp requirements/run.txt "$WORK/context/requirements.txt" &&
    { [[ -z ${CLOISON_CA_BUNDLE:-} ]] || cp "$CLOISON_CA_BUNDLE" "$WORK/context/ca/given.crt"; } &&
    download_packages "$1"
}

build() { # PYTHON_IMAGE DOCKER_IMAGE
  local network=default
  [[ -z $(ls -A "$WORK/context/packages") ]] || network=none
  docker build --network "$network" --build-arg "PYTHON_IMAGE=$1" --build-arg "DOCKER_IMAGE=$2" --tag "$NAME" "$WORK/context"
}

lock_clone
run_in_foreground setup/python.sh dev
engine_answers || fail "No Docker engine answers, and an image is built by one." "Start it, or set DOCKER_HOST."
WORK=$(mktemp -d)
at_exit remove_work
python=${CLOISON_PYTHON_IMAGE:-$(python_image)}
step image-context "Collecting the wheel and its packages" make_context "$python" || fail \
  "The wheel or its packages could not be had." "See the lines above; check the package index of pip, or set CLOISON_CA_BUNDLE."
tools=${CLOISON_DOCKER_IMAGE:-$(docker_image)}
step image-build "Building $NAME on $python, with docker and Compose of $tools" build "$python" "$tools" || fail \
  "The image could not be built." "See the lines above; CLOISON_PYTHON_IMAGE and CLOISON_DOCKER_IMAGE name other images."
say "$NAME has $(docker image inspect --format '{{.Size}}' "$NAME" | awk '{ printf "%d", $1 / 1000000 }') MB; docs/install.md says how it is run."
