"""`cloison prove`: proves the network isolation of a running project."""

from __future__ import annotations

import click

from cloison.commands import options
from cloison.commands.options import LedgerOptions, ProofOptions
from cloison.engine import compose_cli
from cloison.engine.compose_cli import Selection
from cloison.errors import UsageError
from cloison.workflow.request import PolicySource, Request


@click.command()
@options.selection
@click.option("--all", "every", is_flag=True, help="Prove every running project of the engine, a line for each.")
@options.policy_source
@options.proof_options
@options.ledger_options
def command(
    selection: Selection,
    policy_source: PolicySource,
    proof_options: ProofOptions,
    ledger_options: LedgerOptions,
    *,
    every: bool,
) -> int:
    """Prove which services of a running project can reach each other.

    Probes from inside every container, from the host and from an outside machine; compares the
    observed flows with those that the Compose file predicts and those that `x-cloison` intends.
    Nothing is installed or started in a container, and no service sees a connection. As root on the
    engine's machine it probes itself; elsewhere a short-lived container runs the probes instead.
    """
    from cloison.commands import operating_system

    operating_system.check("prove")
    if every:
        return _prove_all(selection, policy_source, proof_options, ledger_options)
    from cloison.ledger_client.config import TOKEN_VARIABLE

    with compose_cli.started_ahead(selection, TOKEN_VARIABLE):
        from cloison.commands import baseline, ledger_delivery
        from cloison.commands import output as commands_output
        from cloison.commands.report_paths import report_paths

        report_paths(proof_options.formats, proof_options.output)
        earlier = baseline.load(proof_options, "proof")
        ledger_client = ledger_delivery.ledger_client(ledger_options)
        baseline.forget_token()
        request = Request(selection, proof_options.timeout, proof_options.deadline, policy_source)
        return commands_output.prove_and_report(request, proof_options, ledger_client, earlier)


def _prove_all(
    selection: Selection, policy_source: PolicySource, proof_options: ProofOptions, ledger_options: LedgerOptions
) -> int:
    from cloison.commands import baseline, ledger_delivery
    from cloison.commands.prove_all import prove_all

    if selection != Selection() or proof_options.baseline:
        raise UsageError("--all proves every project, so it goes with no option that selects one, nor with --baseline")
    ledger_client = ledger_delivery.ledger_client(ledger_options)
    baseline.forget_token()
    return prove_all(policy_source, proof_options, ledger_client)
