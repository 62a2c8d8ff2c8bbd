"""`cloison policy export`: the policy for another system."""

from __future__ import annotations

import click

from cloison.commands import options
from cloison.engine.compose_cli import Selection


@click.command()
@options.selection
@click.option("--format", "form", type=click.Choice(["kubernetes"]), required=True, help="The system to write for.")
@click.option(
    "--label",
    default="io.kompose.service",
    show_default=True,
    metavar="KEY",
    help="The label whose value is a pod's service.",
)
def export(selection: Selection, form: str, label: str) -> int:  # noqa: ARG001  # the only one so far
    """Print the policy for another system.

    `kubernetes` is a set of NetworkPolicy objects: everything is closed but the cluster's DNS and what the policy
    allows. What has no counterpart is said on stderr.
    """
    from cloison.commands import output as commands_output
    from cloison.commands.policy_usage import project_with_policy
    from cloison.export import kubernetes

    objects, sentences = kubernetes.exported(*project_with_policy(selection), label)
    commands_output.write_report(None, kubernetes.yaml(objects), is_document=True)
    for sentence in sentences:
        click.echo(sentence, err=True)
    return 0
