#!/usr/bin/env bash
# Everything that make made, taken away again after asking: setup/clean.

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh

has_engine_and_compose() { engine_answers && docker compose version >/dev/null 2>&1; }

# Names only what exists, one thing a line.
inventory() {
  local name
  if has_engine_and_compose; then
    name=$(project_name)
    docker ps --all --filter "label=com.docker.compose.project=$name" --format 'container {{.Names}}'
    docker volume ls --filter "label=com.docker.compose.project=$name" --format 'volume {{.Name}}, with its data'
    docker network ls --filter "label=com.docker.compose.project=$name" --format 'network {{.Name}}'
    our_images | sed 's/^/image /'
  fi
  ! grep -qsxF "clone=$ROOT" /run/cloison/engine || echo "engine, started from here (dockerd, and its route and rules)"
  [[ -z $(managed_env_lines) ]] || echo ".env, the lines that make wrote"
  for name in .venv .cache app/ca/given.crt; do [[ ! -e $name ]] || echo "$name"; done
}

confirm() {
  [[ ${YES:-} != 1 ]] || return 0
  [[ -t 0 ]] || fail "make clean asks before it removes anything, and nobody is there to answer." "Run YES=1 make clean."
  local answer
  read -rp "Remove all of this? [y/N] " answer
  [[ $answer == [yY]* ]]
}

our_images() { docker image ls --format '{{.Repository}}:{{.Tag}}' | grep '^cloison/' || true; }

# An image that another clone's containers use stays, and is told at the end.
remove_from_engine() {
  local image
  docker compose down --volumes --remove-orphans --timeout 5 || return 1
  for image in $(our_images); do docker image rm "$image" || true; done
}

lock_clone
found=$(inventory)
[[ ! -f .cache/installed ]] || installed_packages=$(sort -u .cache/installed | paste -sd' ')
[[ -n $found ]] || { print_success "Nothing is here that make made." && exit 0; }
say "make clean removes:"
printf '    %s\n' "${found//$'\n'/$'\n    '}" >&2
confirm || { say "Nothing was removed." && exit 0; }
used_images=''
if has_engine_and_compose; then
  step clean "Removing containers, networks, volumes and images" remove_from_engine || fail \
    "The engine could not remove all of it." "See the lines above, then run make clean again."
  used_images=$(our_images | paste -sd' ')
elif has_command docker; then
  say "The engine does not answer: what this stack has in it stays there. Start it, and run make clean again."
fi
run_in_foreground setup/engine.sh stop
for state in .cache/second-engine/*/state; do
  [[ ! -e $state ]] || run_in_foreground setup/second-engine.sh stop "$(basename -- "${state%/state}")"
done
remove_managed_settings
rm -rf .venv .cache app/ca/given.crt
print_success "All of it is gone."
[[ -z $used_images ]] || say "Left, in use by others: $used_images"
[[ -z ${installed_packages:-} ]] || say "Left, being the machine's now: $installed_packages"
