"""Options that several verbs share, and the frozen values that they become.

Each decorator adds click options to a verb and passes their values on as one argument (`selection`, `proof_options`,
`output_options`, `ledger_options`). Rule: a name of Compose's own option means what it means in Compose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from cloison.engine.compose_cli import Selection
from cloison.model.defaults import DEFAULT_ENGINE_VERSION, DEFAULT_FAIL_ON
from cloison.reports import REPORTS
from cloison.workflow.request import DEFAULT_TIMEOUT, PolicySource

R = TypeVar("R")
FAIL_ON: Final = ("breach", "drift", "unknown", "tolerated", "none")
"""What can make a command fail; `breach` also means a needed flow that is closed."""


def complete_file(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Let the shell complete the name of a file; for values that may also be `-`, or that Compose reads."""
    return [CompletionItem(incomplete, type="file")]


def complete_folder(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Let the shell complete the name of a folder."""
    return [CompletionItem(incomplete, type="dir")]


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
    @click.option(
        "--project-directory",
        "directory",
        default="",
        metavar="FOLDER",
        shell_complete=complete_folder,
        help="Folder to which the paths in the file are relative; as for Compose.",
    )
    @wraps(function)
    def wrapper(
        files: tuple[str, ...],
        project: str,
        profiles: tuple[str, ...],
        env_files: tuple[str, ...],
        directory: str,
        **others: Any,
    ) -> R:
        return function(selection=Selection(files, project, profiles, env_files, directory), **others)

    return wrapper


VERSION: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?([-+~.].*)?")


def _engine_version(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not VERSION.fullmatch(value):
        raise click.BadParameter(
            f'"{value}" is not a version of Docker Engine; write it like {DEFAULT_ENGINE_VERSION} or 28.0'
        )
    return value


def assumptions(engine: str, external: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Add the options that say for what a verb predicts; `engine` and `external` are the ends of their help."""

    def add(function: Callable[..., R]) -> Callable[..., R]:
        version = click.option(
            "--engine",
            default=DEFAULT_ENGINE_VERSION,
            show_default=True,
            metavar="VERSION",
            callback=_engine_version,
            help=f"Docker Engine to predict for{engine}.",
        )
        kind = click.option(
            "--external",
            type=click.Choice(["bridge", "internal"]),
            default=None,
            help=f"What external networks are: bridge or internal{external}.",
        )
        return version(kind(function))

    return add


def policy_source(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say which policy counts, and pass them on as one `policy_source`."""

    @click.option(
        "--policy",
        "policy_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with the policy; the one in the Compose file does not count then.",
    )
    @click.option("--require-policy", "is_required", is_flag=True, help="Exit 2 if there is no policy.")
    @wraps(function)
    def wrapper(policy_file: Path | None, is_required: bool, **others: Any) -> R:  # noqa: FBT001  # click passes by name
        return function(policy_source=PolicySource(policy_file, is_required), **others)

    return wrapper


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Which reports are written, and where; `strict` makes a tolerated breach fail.

    `fail_on` names what else makes the command fail. With a `baseline`, the name of an earlier document, only what is
    worse fails. A `full` terminal report leaves nothing out, a `quiet` one is one line.
    """

    formats: tuple[str, ...]
    output: Path | None
    strict: bool
    full: bool = field(default=False, kw_only=True)
    quiet: bool = field(default=False, kw_only=True)
    fail_on: frozenset[str] = field(default=DEFAULT_FAIL_ON, kw_only=True)
    baseline: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class ProofOptions(OutputOptions):
    """How a proof is made and shown; `timeout` and `deadline` in seconds, a deadline of 0 means the default."""

    timeout: float
    deadline: float = 0


OUTPUT_OPTIONS: Final = tuple(part.name for part in fields(OutputOptions))


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """The ledger that receives the proof. An empty `url` means none; `required` makes the command fail without it."""

    url: str = ""
    token_file: Path | None = None
    ca_file: Path | None = None
    required: bool = False
    sent_as: str = ""
    """The project of the token, where the proof is one of another Compose project."""


ledger_token_file = click.option(
    "--ledger-token-file",
    "token_file",
    envvar="CLOISON_LEDGER_TOKEN_FILE",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with the token of the project in the ledger.  [env: CLOISON_LEDGER_TOKEN_FILE; "
    "token: CLOISON_LEDGER_TOKEN]",
)


ledger_ca = click.option(
    "--ledger-ca",
    "ca_file",
    envvar="CLOISON_LEDGER_CA",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Certificates (PEM) to check that of the ledger against.  [env: CLOISON_LEDGER_CA]",
)


def ledger_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options that name the ledger, and pass them on as one `ledger_options`."""

    @click.option(
        "--ledger",
        "url",
        envvar="CLOISON_LEDGER",
        default="",
        metavar="URL",
        help="Send the proof to this ledger; if it is away, with the next proof.  [env: CLOISON_LEDGER]",
    )
    @ledger_token_file
    @ledger_ca
    @click.option("--ledger-required", "required", is_flag=True, help="Exit 3 if the ledger did not accept the proof.")
    @click.option(
        "--as",
        "sent_as",
        envvar="CLOISON_LEDGER_AS",
        default="",
        metavar="PROJECT",
        help="Send the proof to this project of the ledger, although Compose calls it otherwise.  "
        "[env: CLOISON_LEDGER_AS]",
    )
    @wraps(function)
    def wrapper(url: str, token_file: Path | None, ca_file: Path | None, sent_as: str, **others: Any) -> R:
        given = LedgerOptions(url, token_file, ca_file, others.pop("required"), sent_as)
        return function(ledger_options=given, **others)

    return wrapper


def proof_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say how a proof is made and shown, and pass them on as one `proof_options`."""

    @wraps(function)
    def wrapper(timeout: float, deadline: float | None, **others: Any) -> R:
        held = {name: others.pop(name) for name in OUTPUT_OPTIONS if name in others}
        return function(proof_options=ProofOptions(**held, timeout=timeout, deadline=deadline or 0), **others)

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
    return _add_output_options(REPORTS, _verdict_options(_baseline("proof")(timeout(deadline(wrapper)))))


def output_options(
    known: Collection[str], *, baseline: str = "", has_verdict: bool = True
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Add the options that choose among `known` reports, and pass them on as one `output_options`.

    `baseline` is the kind of document that can be a baseline, empty for none. A verb with a verdict has options for it.
    """

    def add(function: Callable[..., R]) -> Callable[..., R]:
        @wraps(function)
        def wrapper(**others: Any) -> R:
            held = {name: others.pop(name) for name in OUTPUT_OPTIONS if name in others}
            return function(output_options=OutputOptions(**held), **others)

        added = _baseline(baseline)(wrapper) if baseline else wrapper
        return _add_output_options(known, _verdict_options(added, "--all") if has_verdict else added)

    return add


def _baseline(kind: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    return click.option(
        "--baseline",
        metavar="FILE",
        help=f"An earlier {kind} (--format json): exit 0 unless something is worse; as for `cloison diff`.",
    )


def _verdict_options(function: Callable[..., R], *full_names: str) -> Callable[..., R]:
    """Add the options of a verb with a verdict: how much of it is shown, and what makes the verb fail."""
    full = click.option("--full", *full_names, "full", is_flag=True, help="Leave nothing out of the terminal report.")
    quiet = click.option("-q", "--quiet", is_flag=True, help="One line in place of the terminal report.")
    fail_on = click.option(
        "--fail-on",
        multiple=True,
        default=sorted(DEFAULT_FAIL_ON),
        callback=_fail_on,
        metavar="WHAT,…",
        help=f"What makes the command fail: {', '.join(FAIL_ON)}.  [default: {', '.join(sorted(DEFAULT_FAIL_ON))}]",
    )
    return full(quiet(fail_on(function)))


def _fail_on(_context: click.Context, _parameter: click.Parameter, values: Iterable[str]) -> frozenset[str]:
    names = frozenset(part.strip() for value in values for part in value.split(",") if part.strip())
    for name in sorted(names):
        if name not in FAIL_ON:
            raise click.BadParameter(f'"{name}" is nothing to fail on; choose from {", ".join(FAIL_ON)}')
    if not names:  # such as that of an unset variable, which would let everything pass
        raise click.BadParameter(f"name what makes the command fail: {', '.join(FAIL_ON)}")
    if "none" in names and len(names) > 1:
        raise click.BadParameter("none stands alone")
    return names - {"none"}


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
