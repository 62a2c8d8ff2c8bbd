"""`cloison diff`: compares two proofs or two plans, and fails if the later one is worse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cloison.commands import options
from cloison.commands.options import OutputOptions
from cloison.errors import BREACHED, PROVEN, UsageError

if TYPE_CHECKING:
    from cloison.diff.schema import Diff
    from cloison.plan.schema import Plan
    from cloison.proof.schema import Proof

REPORTS: Final = ("terminal", "markdown", "json")


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@options.ledger_token_file
@options.ledger_ca
@options.output_options(REPORTS, has_verdict=False)
def command(old: str, new: str, token_file: Path | None, ca_file: Path | None, output_options: OutputOptions) -> int:
    """Show what changed between two proofs or two plans.

    OLD and NEW are documents that were saved with --format json, - for stdin, or the address of a
    proof in a ledger. Names what opened, closed, became a breach or tolerated, and what is no longer
    known. With --strict, a flow that became tolerated is worse.

    Exit codes: 0 nothing is worse, 1 something is worse, 2 usage or bad file, 3 no answer of the ledger.
    """
    from cloison.commands import documents
    from cloison.commands import output as commands_output
    from cloison.commands.report_paths import TERMINAL, report_paths

    paths = report_paths(output_options.formats, output_options.output, stem="diff")
    if old == new == documents.STDIN:
        raise UsageError("OLD and NEW cannot both be stdin; save one in a file")
    found = [documents.document(name, token_file, ca_file) for name in (old, new)]
    result = compared(found[0], found[1], old, new, strict=output_options.strict)
    for name, path in paths.items():
        text = _report(name, result, output_options)
        commands_output.write_report(path, text, is_document=name != TERMINAL)
    return BREACHED if result.worse else PROVEN


def compared(old: Proof | Plan, new: Proof | Plan, *names: str, strict: bool) -> Diff:
    """Return the difference of two documents; `names` are theirs, for the error.

    Raises UsageError when one is a plan and the other a proof.
    """
    from cloison.commands import documents
    from cloison.diff.compare import compare

    kinds = [documents.kind(document) for document in (old, new)]
    if kinds[0] != kinds[1]:
        raise UsageError(
            f"{names[0]} is a {kinds[0]} and {names[1]} is a {kinds[1]}: a plan predicts and a proof observes, so "
            "compare two of one kind"
        )
    return compare(old, new, strict=strict)


def _report(name: str, result: Diff, output_options: OutputOptions) -> str:
    from cloison.commands import output as commands_output
    from cloison.proof.schema import canonical
    from cloison.reports import diff_markdown, diff_terminal

    if name == "json":
        return canonical(result).decode()
    if name == "markdown":
        return diff_markdown.render(result)
    render_options = commands_output.render_options(name, output_options, None)
    return diff_terminal.render(result, color=render_options.color, width=render_options.width)
