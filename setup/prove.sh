#!/usr/bin/env bash
# make prove: proves the running stack again, and sends the proof to its ledger.

# shellcheck source-path=SCRIPTDIR source=lib.sh source=settings.sh source=ledger.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
source setup/settings.sh
source setup/ledger.sh

lock_clone
run_in_foreground setup/python.sh run
run_and_send_proof prove "$(setup/check-port.sh)"
