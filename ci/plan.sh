#!/usr/bin/env bash
# Plans the Compose files of this commit, compared with those of a base commit: ci/plan.sh OUT [BASE] [-- OPTION …]
#
# Writes OUT/plan.{json,md,sarif,junit.xml}; with BASE also OUT/base.json and OUT/diff.{json,md}; and OUT/comment.md.
# The exit code is that of `cloison plan`; with BASE only what is worse than there fails (`--baseline`).
# Rule: OPTIONs, such as -f FILE, are those of both plans; the base without Compose files is no baseline.
set -euo pipefail

readonly FORMATS=json,markdown,sarif,junit
readonly MARKER='<!-- cloison plan -->'

plan_base() { # OUT BASE [OPTION …]: writes OUT/base.json, and fails if the base has no plan
  local out=$1 base=$2 top parent tree code=0
  shift 2
  top=$(git rev-parse --show-toplevel)
  parent=$(mktemp -d)
  tree=$parent/${top##*/} # Compose names a project after its folder
  git worktree add --quiet --detach "$tree" "$base" || return 1
  (cd -- "$tree/$(git rev-parse --show-prefix)" && cloison plan --format json -o "$out/base.json" "$@") \
    2>"$out/base.log" || code=$?
  git worktree remove --force "$tree"
  rmdir "$parent"
  [[ $code == [013] && -s $out/base.json ]] && return
  printf 'cloison: the base has no plan, so every breach counts: %s\n' "$(tail -n 1 "$out/base.log")" >&2
  return 1
}

main() { # OUT [BASE] [-- OPTION …]
  local out base='' code=0 baseline=() strict=()
  mkdir -p "$1"
  out=$(cd -- "$1" && pwd)
  shift
  if (($#)) && [[ $1 != -- ]]; then
    base=$1
    shift
  fi
  ((!$#)) || shift
  [[ " $* " != *" --strict "* ]] || strict=(--strict)
  rm -f "$out"/{base,diff,plan}.* "$out/comment.md"
  if [[ $base ]] && plan_base "$out" "$base" "$@"; then
    baseline=(--baseline "$out/base.json")
  fi
  cloison plan --format "$FORMATS,terminal" -o "$out" "${baseline[@]}" "$@" || code=$?
  [[ $code == [013] ]] || return "$code"
  printf '%s\n' "$MARKER" >"$out/comment.md"
  if ((${#baseline[@]})); then
    cloison diff "$out/base.json" "$out/plan.json" --format json,markdown -o "$out" "${strict[@]}" || (($? == 1))
    cat "$out/diff.md" >>"$out/comment.md"
  else
    cat "$out/plan.md" >>"$out/comment.md"
  fi
  return "$code"
}

main "$@"
