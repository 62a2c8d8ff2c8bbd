"""`cloison ls`: lists the Compose projects of the engine, and whether their files have a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from cloison.engine.running_projects import RunningProject

HEAD: Final = ("PROJECT", "RUNNING", "POLICY", "FILES")


@click.command()
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
def command(form: str) -> int:
    """List the Compose projects of the engine.

    Shows how many of their containers run, whether their Compose files have a policy, and where the files are.
    """
    import json

    from cloison.commands import output as commands_output
    from cloison.commands import progress
    from cloison.engine import connection
    from cloison.engine.running_projects import running_projects
    from cloison.errors import printable

    with connection.engine_connection() as engine:
        projects = running_projects(engine.api)
    with progress.status() as tell:
        tell("resolving the Compose files")
        policies = [_policy(project) for project in projects]  # in this thread: a signal interrupts no other one
    if form == "json":
        rows = [
            {
                "project": found.name,
                "services": sorted(found.services),
                "running": found.running,
                "containers": found.containers,
                "policy": policy,
                "files": list(found.files),
            }
            for found, policy in zip(projects, policies, strict=True)
        ]
        commands_output.write_report(None, json.dumps(rows, indent=2, ensure_ascii=False) + "\n", is_document=True)
        return 0
    if not projects:
        click.echo("No Compose project has a container on this engine.", err=True)
        return 0
    lines = [
        (printable(found.name), f"{found.running}/{found.containers}", policy, printable(",".join(found.files)) or "-")
        for found, policy in zip(projects, policies, strict=True)
    ]
    commands_output.write_report(None, table([HEAD, *lines]))
    return 0


def table(rows: list[tuple[str, ...]]) -> str:
    """Return rows as lines of text with aligned columns; the last column is as wide as it is."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip() + "\n"
        for row in rows
    )


def _policy(project: RunningProject) -> str:
    """Return `yes`, `no`, or `unknown` where the files cannot be read here."""
    from cloison.compose.policy_key import POLICY_KEY
    from cloison.engine import compose_cli
    from cloison.errors import CloisonError

    try:
        return "no" if compose_cli.resolved(project.selection()).get(POLICY_KEY) is None else "yes"
    except CloisonError:
        return "unknown"
