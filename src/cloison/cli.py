"""The command line's entry point: from argv to an exit code.

Input: the words of the command line. Output: the exit code of the verb, or of the error that ended it.
Rule: every error that reaches a user is printed here, as one sentence on stderr; the exit codes are in
`cloison.errors`.
"""

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
    "prove": "Prove which services of a running project can reach each other.",
    "plan": "Check a Compose file against its policy.",
    "rehearse": "Prove the isolation that a Compose file describes, without its images.",
    "report": "Show a proof that was saved with --format json.",
    "publish": "Tag and push a built image, and read its digest back.",
}
"""Verb to the first sentence of its help. Each is a module of `cloison.commands` with a click command `command`."""
GC_THRESHOLD: Final = 100_000
"""Allocations between two runs of Python's garbage collector: the collector takes a fifth of the time of the imports,
and a command leaves little garbage."""


class LazyGroup(click.Group):
    """A group that imports only the verb that is called, so that `--help` does not wait for unused modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the verbs in the order of their usual use."""
        return list(VERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """Write the verbs and their help without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Return the verb's command, or None when there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"cloison.commands.{cmd_name}").command
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cloison", message="cloison %(version)s")
def cloison() -> None:
    """Prove which services of a running Compose project can reach each other, and why.

    Exit codes: 0 proven, 1 breach or broken, 2 usage, bad file or bad policy, 3 not proven, 130 interrupted.
    """


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    SIGNALS.install()
    gc.set_threshold(GC_THRESHOLD)
    code = _exit_code(argv)
    # A library may swallow the exception that the signal raised, and the work goes on; the exit code still reports it.
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
        return _print_error("interrupted; every temporary resource was removed", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _print_error(sentence: str, code: int) -> int:
    click.echo(f"cloison: {sentence}", err=True)
    return code
