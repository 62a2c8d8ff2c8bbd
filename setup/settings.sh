# shellcheck shell=bash
# Reads and writes the settings of the stack: first the environment, then .env, as Compose does.
#
# Rule: the lines that these scripts write to .env are in one marked block; every other line is the user's and is never
# changed.

readonly BLOCK_BEGIN='# >>> written by make up; make clean removes it'
readonly BLOCK_END='# <<< written by make up'
readonly ENV_FILE=$ROOT/.env

user_env_lines() { # .env without the marked block
  [[ -f $ENV_FILE ]] || return 0
  awk -v begin="$BLOCK_BEGIN" -v end="$BLOCK_END" '$0 == begin { ours = 1 } !ours { print } $0 == end { ours = 0 }' "$ENV_FILE"
}

managed_env_lines() {
  [[ -f $ENV_FILE ]] || return 0
  awk -v begin="$BLOCK_BEGIN" -v end="$BLOCK_END" '$0 == end { ours = 0 } ours { print } $0 == begin { ours = 1 }' "$ENV_FILE"
}

last_value() { # NAME: the value of its last line on stdin, without quotes
  sed -n "s/^[[:space:]]*\(export[[:space:]]\+\)\?$1[[:space:]]*=[[:space:]]*//p" | tail -n 1 | sed "s/[[:space:]]*\$//; s/^\(['\"]\)\(.*\)\1\$/\2/"
}

# setting NAME [DEFAULT]
setting() {
  local value=${!1:-}
  [[ -n $value || ! -f $ENV_FILE ]] || value=$(last_value "$1" <"$ENV_FILE")
  printf '%s' "${value:-${2:-}}"
}

write_env() { # replaces .env with stdin in one rename(2)
  local next
  next=$(mktemp "$ROOT/.cache/env.XXXXXX")
  [[ ! -f $ENV_FILE ]] || chmod --reference="$ENV_FILE" "$next"
  cat >"$next"
  if [[ -s $next ]]; then mv -f "$next" "$ENV_FILE"; else rm -f "$next" "$ENV_FILE"; fi
}

# write_setting NAME VALUE: into the marked block, so that a plain `docker compose` uses the same stack.
write_setting() {
  local ours
  ours=$(managed_env_lines | grep -v "^$1=" || true)
  {
    user_env_lines
    printf '%s\n' "$BLOCK_BEGIN"
    [[ -z $ours ]] || printf '%s\n' "$ours"
    printf '%s=%s\n' "$1" "$2"
    printf '%s\n' "$BLOCK_END"
  } | write_env
}

remove_managed_settings() { [[ ! -f $ENV_FILE ]] || user_env_lines | write_env; }

# ── the resolved Compose file ──────────────────────────────────────────────────────────────────────────────

# Runs Compose with these files, whatever COMPOSE_FILE says.
compose_with() { # FILES(a:b) ARGUMENT...
  local files=$1
  shift
  env COMPOSE_FILE="$files" docker compose --project-directory "$ROOT" "$@"
}

# Without Python: setup/clean.sh needs it also when .venv is broken.
project_name() { docker compose config 2>/dev/null | sed -n 's/^name: //p'; }

# eval_json EXPRESSION: evaluates it with `d`, the JSON document on stdin; prints a list one item a line.
eval_json() {
  "$ROOT/.venv/bin/python" -c '
import json, sys
d = json.load(sys.stdin)
result = eval(sys.argv[1])
print("\n".join(result) if isinstance(result, list) else result)' "$1"
}
