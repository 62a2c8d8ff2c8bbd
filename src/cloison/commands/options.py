"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from cloison.commands.proving import PATIENCE
from cloison.composer import Selection
from cloison.reports import REPORTS

R = TypeVar("R")


def selection(function: Callable[..., R]) -> Callable[..., R]:
    """Add Compose's own options and hand them over as one `selection`."""

    @click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="Compose file; as for Compose.")
    @click.option("-p", "--project-name", "project", default="", metavar="NAME", help="Project name; as for Compose.")
    @click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Profile to enable; as for Compose.")
    @click.option("--env-file", "env_files", multiple=True, metavar="FILE", help="Environment file; as for Compose.")
    @wraps(function)
    def chosen(
        files: tuple[str, ...],
        project: str,
        profiles: tuple[str, ...],
        env_files: tuple[str, ...],
        **others: Any,
    ) -> R:
        return function(selection=Selection(files, project, profiles, env_files), **others)

    return chosen


@dataclass(frozen=True, slots=True)
class Report:
    """How a proof is made and shown; `patience` in seconds."""

    formats: tuple[str, ...]
    output: Path | None
    strict: bool
    patience: float


def report(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say how a proof is made and shown, and hand them over as one `report`."""

    @wraps(function)
    def chosen(formats: tuple[str, ...], output: Path | None, strict: bool, patience: float, **others: Any) -> R:  # noqa: FBT001  # click passes by name
        return function(report=Report(formats, output, strict, patience), **others)

    options = (
        click.option(
            "--format",
            "formats",
            default="terminal",
            callback=_formats,
            metavar="FORMAT,…",
            help=f"Reports to make: {', '.join(REPORTS)}.  [default: terminal]",
        ),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            help="Where reports other than the terminal's go: a file for one, a directory for several.",
        ),
        click.option("--strict", is_flag=True, help="Fail on what the policy only tolerates, too."),
        click.option(
            "--patience",
            type=click.FloatRange(0.05, 60),
            default=PATIENCE,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait for silence.",
        ),
    )
    for option in reversed(options):
        chosen = option(chosen)
    return chosen


def _formats(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    for name in names:
        if name not in REPORTS:
            raise click.BadParameter(f'there is no report "{name}"; choose from {", ".join(REPORTS)}')
    if not names:
        raise click.BadParameter(f"name at least one of {', '.join(REPORTS)}")
    return names
