"""Options that several verbs share, and the frozen values that they become.

Each decorator adds click options to a verb and passes their values on as one argument (`selection`, `proof_options`,
`output_options`, `ledger_options`). Rule: a name of Compose's own option means what it means in Compose.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from cloison.engine.compose_cli import Selection
from cloison.reports import REPORTS
from cloison.workflow.request import DEFAULT_TIMEOUT

R = TypeVar("R")


def complete_file(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Let the shell complete the name of a file; for values that may also be `-`, or that Compose reads."""
    return [CompletionItem(incomplete, type="file")]


def complete_report(known: Collection[str], incomplete: str) -> list[CompletionItem[str]]:
    """Return the lists of reports that could be meant: `html,j` may become `html,json`."""
    before, comma, last = incomplete.rpartition(",")
    named = before.split(",")
    return [CompletionItem(before + comma + name) for name in known if name.startswith(last) and name not in named]


def selection(function: Callable[..., R]) -> Callable[..., R]:
    """Add Compose's own options and pass them on as one `selection`."""

    @click.option(
        "-f",
        "--file",
        "files",
        multiple=True,
        metavar="FILE",
        shell_complete=complete_file,
        help="Compose file; as for Compose.",
    )
    @click.option("-p", "--project-name", "project", default="", metavar="NAME", help="Project name; as for Compose.")
    @click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Profile to enable; as for Compose.")
    @click.option(
        "--env-file",
        "env_files",
        multiple=True,
        metavar="FILE",
        shell_complete=complete_file,
        help="Environment file; as for Compose.",
    )
    @wraps(function)
    def wrapper(
        files: tuple[str, ...],
        project: str,
        profiles: tuple[str, ...],
        env_files: tuple[str, ...],
        **others: Any,
    ) -> R:
        return function(selection=Selection(files, project, profiles, env_files), **others)

    return wrapper


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Which reports are written, and where; `strict` makes a tolerated breach fail.

    With a `baseline`, the name of an earlier document, only what is worse fails.
    """

    formats: tuple[str, ...]
    output: Path | None
    strict: bool
    baseline: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class ProofOptions(OutputOptions):
    """How a proof is made and shown; `timeout` and `deadline` in seconds, a deadline of 0 means the default."""

    timeout: float
    deadline: float = 0


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """The ledger that receives the proof. An empty `url` means none; `required` makes the command fail without it."""

    url: str = ""
    token_file: Path | None = None
    required: bool = False


def ledger_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options that name the ledger, and pass them on as one `ledger_options`."""

    @click.option(
        "--ledger",
        "url",
        envvar="CLOISON_LEDGER",
        default="",
        metavar="URL",
        help="Send the proof to this ledger; if it is away, with the next proof.  [env: CLOISON_LEDGER; "
        "token: CLOISON_LEDGER_TOKEN]",
    )
    @click.option(
        "--ledger-token-file",
        "token_file",
        envvar="CLOISON_LEDGER_TOKEN_FILE",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with the token of the project in the ledger.  [env: CLOISON_LEDGER_TOKEN_FILE]",
    )
    @click.option("--ledger-required", "required", is_flag=True, help="Exit 3 if the ledger did not accept the proof.")
    @wraps(function)
    def wrapper(url: str, token_file: Path | None, required: bool, **others: Any) -> R:  # noqa: FBT001  # click passes by name
        return function(ledger_options=LedgerOptions(url, token_file, required), **others)

    return wrapper


def proof_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say how a proof is made and shown, and pass them on as one `proof_options`."""

    @wraps(function)
    def wrapper(timeout: float, deadline: float | None, **others: Any) -> R:
        formats, output, strict, baseline = (others.pop(name) for name in ("formats", "output", "strict", "baseline"))
        given = ProofOptions(formats, output, strict, timeout, deadline or 0, baseline=baseline)
        return function(proof_options=given, **others)

    timeout = click.option(
        "--timeout",
        "--patience",
        "timeout",
        type=click.FloatRange(0.05, 60),
        default=DEFAULT_TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="Seconds to wait for a reply before a probe counts as unanswered; --patience is the older name.",
    )
    deadline = click.option(
        "--deadline",
        type=click.FloatRange(1, 86400),
        metavar="SECONDS",
        help="Seconds after which the proof ends; flows without an answer are unknown.  "
        "[default: 30 or more, by the number of flows]",
    )
    return _add_output_options(REPORTS, _baseline("proof")(timeout(deadline(wrapper))))


def output_options(known: Collection[str], *, baseline: str = "") -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Add the options that choose among `known` reports, and pass them on as one `output_options`.

    `baseline` is the kind of document that can be a baseline, empty for none.
    """

    def add(function: Callable[..., R]) -> Callable[..., R]:
        @wraps(function)
        def wrapper(
            formats: tuple[str, ...],
            output: Path | None,
            strict: bool,  # noqa: FBT001  # click passes by name
            baseline: str | None = None,
            **others: Any,
        ) -> R:
            return function(output_options=OutputOptions(formats, output, strict, baseline=baseline), **others)

        return _add_output_options(known, _baseline(baseline)(wrapper) if baseline else wrapper)

    return add


def _baseline(kind: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    return click.option(
        "--baseline",
        metavar="FILE",
        help=f"An earlier {kind} (--format json): exit 0 unless something is worse; as for `cloison diff`.",
    )


def _add_output_options(known: Collection[str], function: Callable[..., R]) -> Callable[..., R]:
    formats = click.option(
        "--format",
        "formats",
        multiple=True,
        default=["terminal"],
        callback=lambda _context, _parameter, value: _formats(known, value),
        metavar="FORMAT,…",
        shell_complete=lambda _context, _parameter, incomplete: complete_report(known, incomplete),
        help=f"Reports to write: {', '.join(known)}; can be repeated.  [default: terminal]",
    )
    output = click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        help="Where the reports go, except the terminal's: a file for one report, a directory for several.",
    )
    strict = click.option("--strict", is_flag=True, help="Exit 1 also for flows that the policy only tolerates.")
    return formats(output(strict(function)))


def _formats(known: Collection[str], values: Iterable[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for value in values for part in value.split(",") if part.strip()))
    for name in names:
        if name not in known:
            raise click.BadParameter(f'there is no report "{name}"; choose from {", ".join(known)}')
    if not names:
        raise click.BadParameter(f"name at least one of {', '.join(known)}")
    return names
