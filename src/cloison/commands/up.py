"""`cloison up`: starts the project, waits until it is healthy, and proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloison.commands import options
from cloison.commands.options import LedgerOptions, ProofOptions
from cloison.engine.compose_cli import Selection
from cloison.workflow.request import PolicySource, Request

if TYPE_CHECKING:
    from cloison.compose.project import Project


@click.command(context_settings={"ignore_unknown_options": True})
@options.selection
@options.policy_source
@options.proof_options
@options.ledger_options
@click.option(
    "--enforce/--no-enforce",
    "enforces",
    default=None,
    help="Close what the policy does not allow before a container starts.  [default: as x-cloison says]",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[COMPOSE ARGUMENTS]…")
def command(  # noqa: PLR0913  # each is an option of the command line
    selection: Selection,
    policy_source: PolicySource,
    proof_options: ProofOptions,
    ledger_options: LedgerOptions,
    *,
    enforces: bool | None,
    arguments: tuple[str, ...],
) -> int:
    """Start the project, wait until it is healthy, and prove it.

    Options of `docker compose up` can follow, e.g. `cloison up --build`. `--timeout` is Cloison's;
    for Compose's own, write `-t SECONDS` or `-- --timeout SECONDS`.
    """
    from cloison.commands import operating_system

    operating_system.check("up")
    from cloison.commands import baseline, ledger_delivery
    from cloison.commands import output as commands_output
    from cloison.commands.report_paths import report_paths
    from cloison.compose import policy
    from cloison.compose import project as compose_project
    from cloison.engine import compose_cli
    from cloison.workflow.policy_source import with_policy

    report_paths(proof_options.formats, proof_options.output)
    earlier = baseline.load(proof_options, "proof")
    ledger_client = ledger_delivery.ledger_client(ledger_options)
    baseline.forget_token()
    # An error in the policy is reported before any container starts.
    project = compose_project.project(with_policy(compose_cli.resolved(selection), selection, policy_source))
    rules = policy.policy(project)
    if enforces or (enforces is None and rules and rules.enforce):
        _up_enforced(project, selection, arguments)
    else:
        compose_cli.up(selection, arguments)
    request = Request(selection, proof_options.timeout, proof_options.deadline, policy_source)
    return commands_output.prove_and_report(request, proof_options, ledger_client, earlier)


def _up_enforced(project: Project, selection: Selection, arguments: tuple[str, ...]) -> None:
    """Make the networks, close them, and then start the containers: none of them ever runs unenforced."""
    from cloison.commands.enforce import summary
    from cloison.engine import compose_cli
    from cloison.workflow import enforcement
    from cloison.workflow.keep_enforced import kept_enforced

    with enforcement.enforcer(project) as enforcer:
        compose_cli.create(selection, arguments)
        enforcer.apply()
        with kept_enforced(enforcer, lambda _: None):
            compose_cli.up(selection, arguments)
        for sentence in summary(enforcer.apply()):
            click.echo(sentence, err=True)
