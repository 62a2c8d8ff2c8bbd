"""`cloison init`: drafts the policy of a project from its Compose file, and from the connections that stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloison.commands import options
from cloison.commands.plan import engine_version
from cloison.engine.compose_cli import Selection
from cloison.model.defaults import DEFAULT_ENGINE_VERSION

if TYPE_CHECKING:
    from cloison.compose.project import Project
    from cloison.draft.draft import Draft


@click.command()
@options.selection
@click.option("--write", is_flag=True, help="Put the policy into the Compose file, the first one of several.")
@click.option("--force", is_flag=True, help="Replace the policy that the file has already.")
@click.option(
    "--engine",
    default=DEFAULT_ENGINE_VERSION,
    show_default=True,
    metavar="VERSION",
    callback=engine_version,
    help="Docker Engine to predict for; a policy for the default holds on later ones.",
)
@click.option(
    "--external",
    type=click.Choice(["bridge", "internal"]),
    default=None,
    help="What external networks are: bridge or internal. Without it, flows over them are tolerated.",
)
def command(  # noqa: PLR0913  # click passes by name
    selection: Selection, *, write: bool, force: bool, engine: str, external: str | None
) -> int:
    """Draft a policy for a project from its Compose file.

    Prints an `x-cloison` block whose plan has no breach: it allows what the file and the standing connections show to
    be needed, and tolerates what else is open, each with its reason. Every line says where it comes from. Read it,
    move what you want closed, and let `cloison plan` say how.
    """
    from cloison.commands import compose_file
    from cloison.commands import output as commands_output
    from cloison.compose import project as compose_project
    from cloison.draft import text as draft_text
    from cloison.draft.declared_needs import declared_needs
    from cloison.draft.draft import draft
    from cloison.engine import compose_cli
    from cloison.plan.synthetic_facts import Assumptions

    path = compose_file.first_file(selection) if write else None
    document = compose_cli.resolved(selection)
    project = compose_project.project(document)
    if path:
        compose_file.check_writable(path, has_policy=project.policy is not None, force=force)
    needs = declared_needs(project, document)
    found = draft(project, needs, Assumptions(engine, external or ""))
    block = draft_text.block(found, f"Drafted by cloison init for Docker Engine {engine} and later; edit it freely.")
    if path:
        compose_file.write_policy(path, block, force=force)
        click.echo(f"The policy was written to {path}.", err=True)
    else:
        commands_output.write_report(None, block, is_document=True)
    _tell(project, found, has_policy=project.policy is not None and not write)
    return 0


def _tell(project: Project, found: Draft, *, has_policy: bool) -> None:
    """Say on stderr what the policy accepts, and what it leaves out."""
    from cloison.draft import text as draft_text

    if has_policy:
        click.echo("The file has a policy already; this draft does not look at it.", err=True)
    click.echo(draft_text.accepted(project, found), err=True)
    for sentence in found.left_out:
        click.echo(f"Not allowed, because the file keeps them apart: {sentence}.", err=True)
    for sentence in found.not_covered:
        click.echo(f"Not covered: {sentence}.", err=True)
