# shellcheck shell=bash
# The ledger of the stack: its first administrator, and the token for the proofs of the stack itself. Sourced, not run.
#
# Rule: a secret goes to the terminal or into .cache/ledger.token (mode 0600). It is never an argument, which every
# process can read in /proc, and never in the output of a `step`, which is a log.

readonly LEDGER_TOKEN=$ROOT/.cache/ledger.token

ledger_command() { docker compose exec -T app python -m ledger "$@" 2>/dev/null; }

# Does something only in a new ledger. The password is printed last, also when a later step fails.
first_administrator() {
  PASSWORD=$(ledger_command first-administrator </dev/null) || fail "The ledger could not create its first administrator." \
    "docker compose exec app python -m ledger first-administrator shows the reason; then run make $GOAL again."
  [[ -z $PASSWORD ]] || at_exit print_administrator
}

print_administrator() {
  say ""
  say "The ledger's administrator is admin, with the password $PASSWORD"
  say "It is shown only now. Log in with it and choose your own."
}

# Exports CLOISON_LEDGER_TOKEN: the saved token, or a new one when there is none or the ledger rejects it.
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

# run_and_send_proof VERB ADDRESS OPTIONS...: runs the verb and sends its proof to the ledger at ADDRESS, if there is a token.
run_and_send_proof() {
  if ledger_token; then
    run_in_foreground .venv/bin/cloison "$1" --ledger "${@:2}"
  else
    say "The ledger did not create a token for this project, so the proof is not sent to it; run make up again."
    run_in_foreground .venv/bin/cloison "$1" "${@:3}"
  fi
}
