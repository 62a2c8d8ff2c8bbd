"""argv to exit code."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import Any, Final, NoReturn

import click

from cloison.errors import INTERRUPTED, USAGE_ERROR, CloisonError
from cloison.linux.signals import SIGNALS, TERMINATED

VERBS: Final = {
    "up": "Start the project, wait until it is healthy, and prove it.",
    "down": "Stop the project and remove its containers and networks.",
    "prove": "Prove who can reach whom in a running project.",
    "plan": "Hold what a Compose file draws against its policy.",
    "rehearse": "Prove the walls that a Compose file draws, without its images.",
    "report": "Show a proof that was stored with --format json.",
    "publish": "Tag and push a built image, and read its digest back.",
}
"""Each is a module of `cloison.commands` with a click command called `command`, whose help begins like this."""
GC_THRESHOLD: Final = 100_000
"""So many objects are made before Python looks for garbage: a command makes little, and a fifth of the time that its
imports take is looking for it."""


class LazyGroup(click.Group):
    """Loads the verb that is asked for and no other, so that `--help` does not wait for what it does not use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the verbs in the order in which people use them."""
        return list(VERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """Write the verbs without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Return the verb's command, None when there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"cloison.commands.{cmd_name}").command
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cloison", message="cloison %(version)s")
def cloison() -> None:
    """Prove who can reach whom in a running Compose project, and say why.

    Exit codes: 0 proven, 1 breach or broken, 2 usage, bad file or bad policy, 3 not proven, 130 interrupted.
    """


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    SIGNALS.install()
    gc.set_threshold(GC_THRESHOLD)
    code = _exit_code(argv)
    # Where the signal found us inside a library that swallows everything, the work went on; the word still counts.
    sys.exit(TERMINATED if SIGNALS.terminated else code)


def _exit_code(argv: list[str] | None) -> int:
    try:
        result: Any = cloison.main(argv, standalone_mode=False)
    except CloisonError as error:
        return _print_error(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE_ERROR
    except click.ClickException as error:
        return _print_error(error.format_message(), USAGE_ERROR)
    except (click.Abort, KeyboardInterrupt):
        return _print_error("interrupted; nothing was left behind", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _print_error(sentence: str, code: int) -> int:
    click.echo(f"cloison: {sentence}", err=True)
    return code
