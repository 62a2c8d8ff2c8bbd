"""The command line: its verbs, and the exit code of each.

Input: the words of the command line. Output: the exit code of the verb, or of the expected error that ended it.
Rule: an expected error is printed here, as one sentence on stderr; the exit codes are in `cloison.errors`, and errors
that nobody expected are left to `cloison.entry`.
"""

from __future__ import annotations

import gc
import importlib
import os
from typing import Any, Final

import click

from cloison.errors import DEBUG_VARIABLE, INTERRUPTED, USAGE_ERROR, CloisonError

VERBS: Final = {
    "up": "Start the project, wait until it is healthy, and prove it.",
    "down": "Stop the project and remove its containers and networks.",
    "prove": "Prove which services of a running project can reach each other.",
    "enforce": "Close every connection that the policy does not allow, and prove it.",
    "watch": "Follow projects: prove them after each change, and keep their policies enforced.",
    "init": "Draft a policy for a project from its Compose file.",
    "policy": "Show, check, explain or tighten the policy of a Compose file.",
    "plan": "Check a Compose file against its policy.",
    "ls": "List the Compose projects of the engine.",
    "rehearse": "Prove the isolation that a Compose file describes, without its images.",
    "report": "Show a proof that was saved with --format json.",
    "diff": "Show what changed between two proofs or two plans.",
    "compose": "Answer Docker Compose as the provider of a service.",
    "publish": "Tag and push a built image, and read its digest back.",
    "plugin": "Install the command as `docker cloison`, or remove that again.",
    "completion": "Print the script with which a shell completes the command.",
}
"""Verb to the first sentence of its help. Each is a module of `cloison.commands` with a click command `command`."""
GC_THRESHOLD: Final = 100_000
"""Allocations between two runs of Python's garbage collector: the collector takes a fifth of the time of the imports,
and a command leaves little garbage."""


def _enable_debug(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click's signature
    if value:
        os.environ[DEBUG_VARIABLE] = "1"


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_enable_debug,
        help="Print the traceback of an unexpected error.  [env: CLOISON_DEBUG]",
    )


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
        """Return the verb's command with the option `--debug`, or None when there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"cloison.commands.{cmd_name}").command
        if not any("--debug" in option.opts for option in command.params):
            command.params.append(_debug_option())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb of the command line; the error of an unknown one suggests the most similar verb."""
        if args[0] in VERBS or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        suggest = importlib.import_module("cloison.compose.suggest")
        raise click.UsageError(f'no command "{args[0]}"{suggest.suggestion(args[0], VERBS)}', ctx)


@click.command(
    cls=LazyGroup,
    params=[_debug_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="cloison", message="cloison %(version)s")
def cloison() -> None:
    """Prove which services of a running Compose project can reach each other, and why.

    Exit codes: 0 proven, 1 breach or broken, 2 usage, bad file or bad policy, 3 not proven or an
    unexpected error, 130 interrupted (SIGINT), 143 terminated (SIGTERM).
    """


def run(argv: list[str] | None = None, program: str = "cloison") -> int:
    """Run the command line and return its exit code; `program` is the name that help shows.

    Raises an error that is no CloisonError.
    """
    gc.set_threshold(GC_THRESHOLD)
    try:
        result: Any = cloison.main(argv, program, standalone_mode=False)
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


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit, for a script that an older version has installed: see `cloison.entry`."""
    importlib.import_module("cloison.entry").main(argv)
