"""`cloison init`: drafts the policy of a project from its Compose file, and from the connections that stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from cloison.commands import duration, options
from cloison.engine.compose_cli import Selection
from cloison.workflow.collector import paused_collector

if TYPE_CHECKING:
    from cloison.compose.project import Project
    from cloison.draft.draft import Draft
    from cloison.workflow.learn import Learned

MODULES: Final = (
    "cloison.commands.output",
    "cloison.draft.draft",
    "cloison.engine.select",
    "cloison.observe.live_connections",
)
"""Modules that a draft needs; importing them takes as long as Compose takes to resolve a file."""
MAX_LEARN: Final = 24 * 3600


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int:
    """Return the seconds of `60s`, `5m` or `1h`, 0 without the option."""
    return 0 if value is None else duration.seconds(value, MAX_LEARN, "write it like 60s, 5m or 1h, at most 24h")


@click.command()
@options.selection
@click.option("--write", is_flag=True, help="Put the policy into the Compose file, the first one of several.")
@click.option("--force", is_flag=True, help="Replace the policy that the file has already.")
@click.option(
    "--learn",
    callback=_seconds,
    metavar="DURATION",
    help="Watch the connections of the running project for so long, e.g. 60s; Ctrl-C ends it early.",
)
@click.option(
    "--from",
    "tool",
    type=click.Choice(["whalewall", "ufw-docker"]),
    help="Take what another tool allows: labels of whalewall, or rules of ufw-docker.",
)
@click.option(
    "--ufw-rules",
    type=click.Path(dir_okay=False),
    default="/etc/ufw/user.rules",
    show_default=True,
    metavar="FILE",
    help="The rules of ufw for --from ufw-docker.",
)
@options.assumptions("; a policy for the default holds on later ones", ". Without it, flows over them are tolerated")
def command(  # noqa: PLR0913  # click passes by name
    selection: Selection,
    *,
    write: bool,
    force: bool,
    learn: int,
    tool: str | None,
    ufw_rules: str,
    engine: str,
    external: str | None,
) -> int:
    """Draft a policy for a project from its Compose file.

    Prints an `x-cloison` block whose plan has no breach: it allows what the file and the standing connections show to
    be needed, and tolerates what else is open, each with its reason. Every line says where it comes from. Read it,
    move what you want closed, and let `cloison plan` say how. As root on the engine's machine the connections of the
    running project are read; nothing is started, and nothing is sent.
    """
    from cloison.commands import compose_file

    path = compose_file.first_file(selection) if write else None
    from cloison.workflow import imports

    document = imports.resolved(selection, *MODULES)
    from cloison.commands import output as commands_output
    from cloison.commands import progress as commands_progress
    from cloison.compose import project as compose_project
    from cloison.draft import text as draft_text
    from cloison.draft.declared_needs import declared_needs
    from cloison.draft.draft import draft
    from cloison.plan.synthetic_facts import Assumptions
    from cloison.workflow.learn import learned

    project = compose_project.project(document)
    if path:
        compose_file.check_writable(path, has_policy=project.policy is not None, force=force)
    needs = declared_needs(project, document)
    sentences: tuple[str, ...] = ()
    if tool:
        from cloison.workflow.imported_rules import with_imported

        needs, sentences = with_imported(project, document, needs, tool, ufw_rules)
    with commands_progress.status() as progress:
        known = learned(project, needs, learn, progress)
    with paused_collector():
        found = draft(project, known.needs, Assumptions(engine, external or ""), known.more)
    block = draft_text.block(found, f"Drafted by cloison init for Docker Engine {engine} and later; edit it freely.")
    if path:
        compose_file.write_policy(path, block, force=force)
        click.echo(f"The policy was written to {path}.", err=True)
    else:
        commands_output.write_report(None, block, is_document=True)
    if project.policy is not None and not write:
        click.echo("The file has a policy already; this draft does not look at it.", err=True)
    _tell(project, found, known)
    for sentence in sentences:
        click.echo(f"Imported: {sentence}.", err=True)
    if named := _behind_profiles(document):
        click.echo(
            f"The policy names services with profiles ({named}); plan and prove it with the same profiles.", err=True
        )
    return 0


def _behind_profiles(document: Mapping[str, Any]) -> str:
    """Return the services that Compose leaves out without their profile, or an empty text."""
    from cloison.engine.compose_cli import MOST_PROFILES
    from cloison.model.text import listed

    return listed((name for name, body in sorted(document["services"].items()) if body.get("profiles")), MOST_PROFILES)


def _tell(project: Project, found: Draft, known: Learned) -> None:
    """Say on stderr what the policy accepts, and what it leaves out."""
    from cloison.draft import text as draft_text

    click.echo(draft_text.accepted(project, found), err=True)
    for sentence in found.left_out:
        click.echo(f"Not allowed, because the file keeps them apart: {sentence}.", err=True)
    for sentence in known.left_out:
        click.echo(f"Not allowed: {sentence}.", err=True)
    for sentence in found.not_covered:
        click.echo(f"Not covered: {sentence}.", err=True)
    for sentence in known.notes:
        click.echo(sentence, err=True)
