"""`cloison plugin`: installs and removes the command as a plugin of the docker CLI."""

from __future__ import annotations

import os
import sys

import click

from cloison.errors import UsageError


@click.group(invoke_without_command=False)
def command() -> None:
    """Install the command as `docker cloison`, or remove that again.

    The plugin is one file in the folder `cli-plugins` of docker's configuration (`~/.docker`, or
    DOCKER_CONFIG). It starts the Python that runs this command.
    """


@command.command()
@click.option(
    "--hook",
    is_flag=True,
    help="Also let docker name the next step after `docker compose up --detach`: settings in its config.json.",
)
def install(hook: bool) -> None:  # noqa: FBT001  # click passes by name
    """Write the plugin. Another file of its name is not replaced."""
    from cloison.plugin import files

    if sys.platform == "win32":
        raise UsageError("a plugin of docker must be a program (.exe) on Windows; use `cloison` without docker there")
    for path in files.install(files.configuration_folder(os.environ), sys.executable, hook=hook):
        click.echo(f"wrote {path}")


@command.command()
def remove() -> None:
    """Remove the plugin, and its settings in config.json."""
    from cloison.plugin import files

    changed = files.remove(files.configuration_folder(os.environ))
    for path in changed:
        click.echo(f"{'changed' if path.exists() else 'removed'} {path}")
    if not changed:
        click.echo("the plugin is not installed")
