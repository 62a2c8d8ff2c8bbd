# shellcheck shell=bash
# The stack's own ledger: its first administrator, and the token that the stack's own proofs are sent with.
#
# Rule: a secret goes to the terminal or into .cache/ledger.token (0600). It is never an argument, which every process
# can read, and never printed by a `step`, whose output is a log.

readonly LEDGER_TOKEN=$ROOT/.cache/ledger.token

ledger_command() { docker compose exec -T app python -m ledger "$@" 2>/dev/null; }

# Once in a ledger's life. It is told when everything else has been told, and also when that went wrong.
first_administrator() {
  PASSWORD=$(ledger_command first-administrator </dev/null) || fail "The ledger could not make its first administrator." \
    "docker compose exec app python -m ledger first-administrator says why; then run make $GOAL again."
  [[ -z $PASSWORD ]] || at_exit print_administrator
}

print_administrator() {
  say ""
  say "The ledger's administrator is admin, with the password $PASSWORD"
  say "It is shown this once. Log in with it and choose one of your own."
}

# In CLOISON_LEDGER_TOKEN: the one of last time, or a new one when there is none or the ledger refuses it.
ledger_token() {
  local project
  project=$(project_name)
  [[ -s $LEDGER_TOKEN ]] && ledger_command check-token "$project" <"$LEDGER_TOKEN" || new_ledger_token "$project" || return 1
  CLOISON_LEDGER_TOKEN=$(<"$LEDGER_TOKEN")
  export CLOISON_LEDGER_TOKEN
}

new_ledger_token() { # PROJECT
  local token
  ledger_command add-project "$1" </dev/null && token=$(ledger_command new-token "$1" "make up" --write --replace </dev/null) || return 1
  (umask 077 && printf '%s\n' "$token" >"$LEDGER_TOKEN.new") && mv -f "$LEDGER_TOKEN.new" "$LEDGER_TOKEN"
}

# run_and_send_proof VERB ADDRESS: the verb, its proof sent to the ledger at ADDRESS where that can be.
run_and_send_proof() {
  if ledger_token; then
    run_in_foreground .venv/bin/cloison "$1" --ledger "$2"
  else
    say "The ledger gives no token for this project, so it will not have this proof; make up mends that."
    run_in_foreground .venv/bin/cloison "$1"
  fi
}
