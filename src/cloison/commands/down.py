"""`cloison down`: stops the project; its volumes stay."""

from __future__ import annotations

import click

from cloison.commands import options
from cloison.engine.compose_cli import Selection


@click.command(context_settings={"ignore_unknown_options": True})
@options.selection
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[COMPOSE ARGUMENTS]…")
def command(selection: Selection, arguments: tuple[str, ...]) -> None:
    """Stop the project and remove its containers and networks. Volumes stay.

    Options of `docker compose down` can follow, e.g. `cloison down --volumes`.
    """
    from cloison.engine import compose_cli

    compose_cli.down(selection, arguments)
