"""`cloison report`: shows a proof that was stored, as if it had been made now."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cloison.commands import options
from cloison.commands.options import OutputOptions
from cloison.errors import UsageError
from cloison.reports import REPORTS

if TYPE_CHECKING:
    from cloison.proof.schema import Proof

STDIN: Final = "-"


@click.command()
@click.argument("file", metavar="FILE")
@options.output_options(REPORTS)
def command(file: str, output_options: OutputOptions) -> int:
    """Show a proof that was stored with --format json.

    FILE is the document, or - for what comes on stdin. Needs no engine and no root. The exit code is
    the proof's own, as it was when it was made.
    """
    from cloison.commands import output as commands_output

    commands_output.report_paths(output_options.formats, output_options.output)
    return commands_output.write_reports(stored(file), output_options)


def stored(file: str) -> Proof:
    """Return a stored proof.

    Raises UsageError when there is none, or when its bytes are not those of the proof that it would be: then its
    checksum would not be the proof's name.
    """
    import msgspec

    from cloison.proof.schema import canonical, parse

    called = "stdin" if file == STDIN else file
    document = _read(file)
    try:
        proof = parse(document)
        is_canonical = canonical(proof) == document
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError(f"{called} is no proof: {error}. Make one with cloison prove --format json") from error
    if not is_canonical:
        raise UsageError(
            f"{called} holds a proof in other bytes than its own, so its checksum would not be its name. "
            "If it was only indented, jq --sort-keys --compact-output --join-output . brings them back"
        )
    return proof


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: the proof could not be read: {error.strerror}") from error
