"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from cloison.engine.compose_cli import Selection
from cloison.reports import REPORTS
from cloison.workflow.request import DEFAULT_TIMEOUT

R = TypeVar("R")


def selection(function: Callable[..., R]) -> Callable[..., R]:
    """Add Compose's own options and hand them over as one `selection`."""

    @click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="Compose file; as for Compose.")
    @click.option("-p", "--project-name", "project", default="", metavar="NAME", help="Project name; as for Compose.")
    @click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Profile to enable; as for Compose.")
    @click.option("--env-file", "env_files", multiple=True, metavar="FILE", help="Environment file; as for Compose.")
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
    """How something is shown."""

    formats: tuple[str, ...]
    output: Path | None
    strict: bool


@dataclass(frozen=True, slots=True)
class ProofOptions(OutputOptions):
    """How a proof is made and shown; `patience` in seconds."""

    timeout: float


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """Which ledger gets the proof; `required` when the command is to fail without it. No `url` means none."""

    url: str = ""
    token_file: Path | None = None
    required: bool = False


def ledger_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say which ledger gets the proof, and hand them over as one `recipient`."""

    @click.option(
        "--ledger",
        "url",
        envvar="CLOISON_LEDGER",
        default="",
        metavar="URL",
        help="Send the proof to this ledger, now or with the next one.  [env: CLOISON_LEDGER; "
        "its token: CLOISON_LEDGER_TOKEN]",
    )
    @click.option(
        "--ledger-token-file",
        "token_file",
        envvar="CLOISON_LEDGER_TOKEN_FILE",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Where the token of the ledger's project is.  [env: CLOISON_LEDGER_TOKEN_FILE]",
    )
    @click.option("--ledger-required", "required", is_flag=True, help="Fail while the ledger has not got the proof.")
    @wraps(function)
    def wrapper(url: str, token_file: Path | None, required: bool, **others: Any) -> R:  # noqa: FBT001  # click passes by name
        return function(ledger_options=LedgerOptions(url, token_file, required), **others)

    return wrapper


def proof_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say how a proof is made and shown, and hand them over as one `report`."""

    @wraps(function)
    def wrapper(formats: tuple[str, ...], output: Path | None, strict: bool, timeout: float, **others: Any) -> R:  # noqa: FBT001  # click passes by name
        return function(proof_options=ProofOptions(formats, output, strict, timeout), **others)

    timeout = click.option(
        "--patience",
        "timeout",
        type=click.FloatRange(0.05, 60),
        default=DEFAULT_TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for silence.",
    )
    return _add_output_options(REPORTS, timeout(wrapper))


def output_options(known: Collection[str]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Add the options that say how something is shown, in one of these reports, and hand them over as one `shown`."""

    def add(function: Callable[..., R]) -> Callable[..., R]:
        @wraps(function)
        def wrapper(formats: tuple[str, ...], output: Path | None, strict: bool, **others: Any) -> R:  # noqa: FBT001  # click passes by name
            return function(output_options=OutputOptions(formats, output, strict), **others)

        return _add_output_options(known, wrapper)

    return add


def _add_output_options(known: Collection[str], function: Callable[..., R]) -> Callable[..., R]:
    formats = click.option(
        "--format",
        "formats",
        default="terminal",
        callback=lambda _context, _parameter, value: _formats(known, value),
        metavar="FORMAT,…",
        help=f"Reports to make: {', '.join(known)}.  [default: terminal]",
    )
    output = click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        help="Where reports other than the terminal's go: a file for one, a directory for several.",
    )
    strict = click.option("--strict", is_flag=True, help="Fail on what the policy only tolerates, too.")
    return formats(output(strict(function)))


def _formats(known: Collection[str], value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    for name in names:
        if name not in known:
            raise click.BadParameter(f'there is no report "{name}"; choose from {", ".join(known)}')
    if not names:
        raise click.BadParameter(f"name at least one of {', '.join(known)}")
    return names
