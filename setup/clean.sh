#!/usr/bin/env bash
# make clean: removes everything that make has created, after a question (YES=1: without).

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh

has_engine_and_compose() { engine_answers && docker compose version >/dev/null 2>&1; }

# Lists what exists, one item a line.
inventory() {
  local name
  if has_engine_and_compose; then
    name=$(project_name)
    docker ps --all --filter "label=com.docker.compose.project=$name" --format 'container {{.Names}}'
    docker volume ls --filter "label=com.docker.compose.project=$name" --format 'volume {{.Name}}, with its data'
    docker network ls --filter "label=com.docker.compose.project=$name" --format 'network {{.Name}}'
    our_images | sed 's/^/image /'
  fi
  ! grep -qsxF "clone=$ROOT" /run/cloison/engine || echo "the engine that was started here (dockerd, its route and its firewall rules)"
  [[ -z $(managed_env_lines) ]] || echo ".env, the lines that make has written"
  for name in .venv .cache site app/ca/given.crt; do [[ ! -e $name ]] || echo "$name"; done
  [[ ! -e tls/ca.key ]] || echo "tls, with the certificate authority"
}

confirm() {
  [[ ${YES:-} != 1 ]] || return 0
  [[ -t 0 ]] || fail "make clean asks before it removes anything, and stdin is not a terminal." "Run YES=1 make clean."
  local answer
  read -rp "Remove all of this? [y/N] " answer
  [[ $answer == [yY]* ]]
}

our_images() { docker image ls --format '{{.Repository}}:{{.Tag}}' | grep -E '^(localhost/)?cloison/' || true; }

# An image that another clone's containers use stays; the script names it at the end.
remove_from_engine() {
  local image
  docker compose down --volumes --remove-orphans --timeout 5 || return 1
  for image in $(our_images); do docker image rm "$image" || true; done
}

lock_clone
found=$(inventory)
[[ ! -f .cache/installed ]] || installed_packages=$(sort -u .cache/installed | paste -sd' ')
[[ -n $found ]] || { print_success "make has created nothing here." && exit 0; }
say "make clean removes:"
printf '    %s\n' "${found//$'\n'/$'\n    '}" >&2
confirm || { say "Nothing was removed." && exit 0; }
run_in_foreground setup/watch.sh stop
used_images=''
if has_engine_and_compose; then
  step clean "Removing containers, networks, volumes and images" remove_from_engine || fail \
    "The engine could not remove everything." "See the lines above, then run make clean again."
  used_images=$(our_images | paste -sd' ')
elif has_command docker; then
  say "The engine does not answer: containers, images and volumes of this stack stay in it. Start it, and run make clean again."
fi
run_in_foreground setup/engine.sh stop
for state in .cache/second-engine/*/state; do
  [[ ! -e $state ]] || run_in_foreground setup/second-engine.sh stop "$(basename -- "${state%/state}")"
done
remove_managed_settings
rm -rf .venv .cache site app/ca/given.crt
[[ ! -e tls/ca.key ]] || rm -rf tls # else the certificate in it was not made here
print_success "Everything was removed."
[[ -z $used_images ]] || say "Not removed, because other containers use them: $used_images"
[[ -z ${installed_packages:-} ]] || say "Not removed, because other programs may use them: $installed_packages"
