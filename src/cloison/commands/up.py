"""`cloison up`: the project up, then proven."""

from __future__ import annotations

import click

from cloison.commands import options
from cloison.commands.options import Recipient, Report
from cloison.composer import Selection


@click.command(context_settings={"ignore_unknown_options": True})
@options.selection
@options.report
@options.recipient
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[COMPOSE ARGUMENTS]…")
def command(selection: Selection, report: Report, recipient: Recipient, arguments: tuple[str, ...]) -> int:
    """Start the project, wait until it is healthy, and prove it.

    Everything that `docker compose up` takes can follow, e.g. `cloison up --build`.
    """
    from cloison import compose, composer, policy
    from cloison.commands import delivering, showing

    showing.place(report.formats, report.output)
    courier = delivering.courier(recipient)
    policy.policy(compose.project(composer.resolved(selection)))  # what is wrong is told before anything starts
    composer.up(selection, arguments)
    return showing.prove_and_show(selection, report, courier)
