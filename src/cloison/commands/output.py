"""Makes a proof, writes its reports, and returns the exit code.

Rule: the report goes to stdout or to a file, progress and messages to stderr. A file is written whole or not at all.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cloison.commands.options import OutputOptions, ProofOptions
from cloison.commands.progress import is_terminal, status
from cloison.commands.report_paths import TERMINAL, report_paths
from cloison.engine.compose_cli import Selection
from cloison.errors import OutputError, UsageError
from cloison.reports import REPORTS, RenderOptions
from cloison.workflow.collector import paused_collector

if TYPE_CHECKING:
    from cloison.commands.baseline import Baseline
    from cloison.commands.ledger_delivery import LedgerClient
    from cloison.plan.schema import Plan
    from cloison.proof.schema import Proof
    from cloison.workflow.request import Request

SARIF: Final = "sarif"
PIPED_WIDTH: Final = 100
MAX_PREFIX: Final = 50
"""Characters of a report's name in that of its temporary file, which must not be longer than a name can be."""
LATE_MODULES: Final = ("cloison.proof.build", "cloison.plan.proof_advice", "cloison.reports.verdict_line")
"""Modules that are needed after the probes of a proof."""
TERMINAL_MODULES: Final = ("cloison.reports.terminal",)
"""Those of its report in the terminal."""


def prove_and_report(
    request: Request, proof_options: ProofOptions, ledger_client: LedgerClient | None, baseline: Baseline | None
) -> int:
    """Prove the project, write the reports, send the proof, and return the exit code."""
    from cloison.workflow import imports
    from cloison.workflow.prove import prove  # has parts that only Linux has, and `plan` runs everywhere

    imports.LATE[:] = LATE_MODULES + (TERMINAL_MODULES if TERMINAL in proof_options.formats else ())
    with paused_collector():
        with status(quiet=proof_options.quiet) as progress:
            proof = prove(request, progress)
        delivery = ledger_client.enqueue(proof) if ledger_client else None
        code = write_reports(proof, proof_options, request.selection, baseline)
    return delivery.send(code) if delivery else code


def write_reports(
    proof: Proof, proof_options: OutputOptions, selection: Selection | None, baseline: Baseline | None = None
) -> int:
    """Write the reports of a proof and return the exit code; `selection` has the Compose files that a report names."""
    paths = report_paths(proof_options.formats, proof_options.output)
    write_documents(proof, REPORTS, paths, proof_options, selection)
    code = exit_code(proof, proof_options)
    return baseline.exit_code(proof, code, proof_options) if baseline else code


def write_documents(
    document: Proof | Plan,
    renderers: Mapping[str, Callable[[Any, RenderOptions], str | Iterator[str]]],
    paths: Mapping[str, Path | None],
    output_options: OutputOptions,
    selection: Selection | None,
) -> None:
    """Write the reports of a document, and its verdict in one line where the terminal report is not seen."""
    from cloison.reports import verdict_line

    @cache  # it counts every flow, and the terminal report counts them, too
    def line() -> str:
        return verdict_line.verdict_line(document, strict=output_options.strict)

    for name, path in paths.items():
        if name == TERMINAL and output_options.quiet:
            write_report(path, f"{line()}\n")
            continue
        text = renderers[name](document, render_options(name, output_options, selection))
        write_report(path, text, is_document=name != TERMINAL)
    if TERMINAL not in paths or (not is_terminal(sys.stdout) and is_terminal(sys.stderr)):
        click.echo(line(), err=True)


def exit_code(document: Proof | Plan, output_options: OutputOptions) -> int:
    """Return the exit code: that of the verdict, as far as `--fail-on` and `--strict` say what fails."""
    from cloison.reports import failing

    return failing.exit_code(document, failing.failing_words(output_options.fail_on, strict=output_options.strict))


def render_options(name: str, output_options: OutputOptions, selection: Selection | None) -> RenderOptions:
    """Return the colour and width for a report on this stdout (https://no-color.org), and the lines that it names."""
    shared = RenderOptions(strict=output_options.strict, full=output_options.full, fail_on=output_options.fail_on)
    if name == SARIF and selection:
        from cloison.commands import source_files

        return replace(shared, positions=source_files.positions(selection))
    if not is_terminal(sys.stdout):
        return replace(shared, width=PIPED_WIDTH)
    color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return replace(shared, color=color, width=shutil.get_terminal_size().columns)


def write_report(path: Path | None, text: str | Iterator[str], *, is_document: bool = False) -> None:
    """Write a report to a file, or to stdout when `path` is None.

    A document is UTF-8 whatever the encoding of stdout is, because its digest is that of its bytes.
    Raises OutputError if stdout is closed.
    """
    parts = [text] if isinstance(text, str) else text
    if path is None:
        if sys.stdout is None:
            raise OutputError("stdout is closed, so the report cannot be shown; write it to a file with --output")
        if is_document and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="strict")
        sys.stdout.writelines(parts)
    else:
        _write(path, parts)


def _write(path: Path, parts: Iterable[str]) -> None:
    """Write a file by a rename, so that a reader at any moment finds a whole report or none.

    A link, a device and a pipe are written into: root, who proves, would replace /dev/stdout and /dev/null by a file.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            with path.open("w", encoding="utf-8") as special:
                special.writelines(parts)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, parts)
    except OSError as error:
        raise UsageError(f"{path}: the report could not be written: {error.strerror}") from error


def _replace(target: Path, parts: Iterable[str]) -> None:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name[:MAX_PREFIX]}.", delete=False
    ) as file:
        try:
            file.writelines(parts)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
