#!/usr/bin/env bash
# Shows the result of ci/plan.sh on GitHub: ci/github.sh comment|sarif OUT
#
# Inputs: GITHUB_REPOSITORY, GITHUB_REF, GITHUB_SHA, GH_TOKEN, and PULL_REQUEST, the number.
# Rule: a token that may not write (a pull request from a fork) is a warning: the exit code is that of the plan.
# Source: https://docs.github.com/rest/issues/comments, https://docs.github.com/rest/code-scanning
set -euo pipefail

readonly MARKER='<!-- cloison plan -->'

warn() { printf '::warning title=cloison::%s\n' "$1"; }

comment() { # OUT: replaces the comment of an earlier run, so that there is one
  local issues=repos/$GITHUB_REPOSITORY/issues mine
  mine=$(gh api --paginate "$issues/$PULL_REQUEST/comments" \
    --jq ".[] | select(.body | startswith(\"$MARKER\")) | select(.user.type == \"Bot\") | .id" | head -n 1)
  if [[ $mine ]]; then
    gh api --silent --method PATCH "$issues/comments/$mine" -F body=@"$1/comment.md"
  else
    gh api --silent --method POST "$issues/$PULL_REQUEST/comments" -F body=@"$1/comment.md"
  fi
}

sarif() { # OUT
  gzip --stdout "$1/plan.sarif" | base64 --wrap=0 >"$1/plan.sarif.gz.base64"
  gh api --silent --method POST "repos/$GITHUB_REPOSITORY/code-scanning/sarifs" \
    -f commit_sha="$GITHUB_SHA" -f ref="$GITHUB_REF" -F sarif=@"$1/plan.sarif.gz.base64"
}

case ${1:-} in
comment) comment "$2" || warn "The comment could not be written: the job needs the permission pull-requests: write." ;;
sarif) sarif "$2" || warn "The SARIF file could not be uploaded: the job needs the permission security-events: write." ;;
*) printf 'usage: ci/github.sh comment|sarif OUT\n' >&2 && exit 2 ;;
esac
