"""`cloison completion`: prints the script with which a shell completes the command."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cloison.errors import UsageError

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script with which a shell completes the command.

    \b
    bash  cloison completion bash > ~/.local/share/bash-completion/completions/cloison
    zsh   cloison completion zsh > "${fpath[1]}/_cloison"
    fish  cloison completion fish > ~/.config/fish/completions/cloison.fish

    A new shell completes verbs, options, and the values of options that name a choice or a file.
    """  # noqa: D301  # \b is click's mark for lines that stay as they are
    root = context.find_root()
    completion = get_completion_class(shell)
    if completion is None or not root.info_name:
        raise UsageError(f"there is no completion for {shell}")
    click.echo(completion(root.command, {}, "cloison", "_CLOISON_COMPLETE").source())
