"""`cloison enforce`: closes every connection that the policy does not allow, and proves that it is closed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

from cloison.commands import options
from cloison.commands.options import LedgerOptions, ProofOptions
from cloison.engine.compose_cli import Selection
from cloison.errors import BREACHED, PROVEN, UsageError
from cloison.workflow.request import PolicySource, Request

if TYPE_CHECKING:
    from cloison.compose.project import Project
    from cloison.workflow.enforcement import Enforcement

NAME: Final = re.compile("[a-z0-9][a-z0-9_-]*")
"""What Compose accepts: https://docs.docker.com/compose/how-tos/project-name/"""


@click.command()
@options.selection
@options.policy_source
@options.proof_options
@options.ledger_options
@click.option("--dry-run", is_flag=True, help="Print the rules with their reasons, and change nothing.")
@click.option(
    "--closed", is_flag=True, help="With --dry-run: the rules that open nothing, for the start of the machine."
)
@click.option("--status", "asks_status", is_flag=True, help="Say whether the rules stand as the policy needs them.")
@click.option("--off", is_flag=True, help="Remove the rules, and leave no trace.")
def command(  # noqa: PLR0913  # each is an option of the command line
    selection: Selection,
    policy_source: PolicySource,
    proof_options: ProofOptions,
    ledger_options: LedgerOptions,
    *,
    dry_run: bool,
    closed: bool,
    asks_status: bool,
    off: bool,
) -> int:
    """Close every connection that the policy does not allow, and prove it.

    Changes the packet filter of this machine, in tables of its own; no image, no file and no rule of
    the engine. Containers that start later stay closed until the command runs again; `cloison watch` opens
    them at once. Needs root on the engine's machine.
    """
    from cloison.commands import operating_system

    operating_system.check("enforce")
    if dry_run + asks_status + off > 1:
        raise UsageError("--dry-run, --status and --off each do another thing; give one of them")
    if closed and not dry_run:
        raise UsageError("--closed chooses what --dry-run prints; give both")
    from cloison.commands import baseline, ledger_delivery
    from cloison.commands import output as commands_output
    from cloison.commands.report_paths import report_paths
    from cloison.compose import project as compose_project
    from cloison.workflow import enforcement
    from cloison.workflow.prove import resolved

    report_paths(proof_options.formats, proof_options.output)
    if off and selection.project:
        return _off(_checked_name(selection.project))  # the file may be gone, and the tables have the name
    project = compose_project.project(resolved(selection, policy_source))
    if off:
        return _off(project.name)
    with enforcement.enforcer(project) as enforcer:
        if asks_status:
            return _status(project, enforcer.differences())
        if dry_run:
            planned = enforcer.plan_closed() if closed else enforcer.plan()
            commands_output.write_report(None, planned.text)
            _say(summary(planned))
            return PROVEN
        earlier = baseline.load(proof_options, "proof")
        ledger_client = ledger_delivery.ledger_client(ledger_options)
        baseline.forget_token()
        done = enforcer.apply()
    if not proof_options.quiet:
        _say(summary(done))
    request = Request(selection, proof_options.timeout, proof_options.deadline, policy_source)
    return commands_output.prove_and_report(request, proof_options, ledger_client, earlier)


def _checked_name(name: str) -> str:
    """Return the name of a project; it becomes a part of commands of nftables.

    Raises UsageError if Compose would not accept it either.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--project-name {name!r}: a project's name has lower-case letters, digits, - and _, and begins with a "
            "letter or a digit; `docker compose ls` shows the names"
        )
    return name


def _off(name: str) -> int:
    from cloison.workflow import enforcement

    enforcement.require_access()
    was_there = enforcement.off(name)
    _say([f"{name}: {'nothing is enforced any more' if was_there else 'nothing was enforced'}"])
    return PROVEN


def _status(project: Project, differences: list[str]) -> int:
    for sentence in differences or [f"{project.name} is enforced, as the policy and the running containers need it"]:
        click.echo(sentence)
    return BREACHED if differences else PROVEN


def summary(done: Enforcement) -> list[str]:
    """Return what an enforcement opened and how it closes the rest, as sentences."""
    layout = done.layout
    ports = f"{len(layout.ports)} port{'s' * (len(layout.ports) != 1)}"
    bridges = f"{len(layout.bridges)} bridge{'s' * (len(layout.bridges) != 1)}"
    found = [
        f"{layout.project}: {len(done.openings)} connections open between {ports} of {bridges}; all else is closed"
    ]
    found += done.features.sentences
    if done.cut:
        found.append(f"{done.cut} connections that the policy does not allow were cut")
    return found + [f"not covered: {what}: {why}" for what, why in layout.uncovered]


def _say(sentences: list[str]) -> None:
    for sentence in sentences:
        click.echo(sentence, err=True)
