"""`cloison report`: renders a saved proof in any format, with the proof's own exit code."""

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
@click.argument("file", metavar="FILE", shell_complete=options.complete_file)
@options.output_options(REPORTS)
def command(file: str, output_options: OutputOptions) -> int:
    """Show a proof that was saved with --format json.

    FILE is the document, or - for stdin. Needs no engine and no root. The exit code is that of the
    proof, as when it was made.
    """
    from cloison.commands import output as commands_output

    commands_output.report_paths(output_options.formats, output_options.output)
    return commands_output.write_reports(stored(file), output_options)


def stored(file: str) -> Proof:
    """Return the proof in a file, or on stdin for `-`.

    Raises UsageError when the file is not a proof, when its verdict does not follow from its flows, policy and
    coverage, or when it is not in canonical form (RFC 8785): the SHA-256 of its bytes would not be the proof's digest.
    """
    import msgspec

    from cloison.proof.schema import NotCanonicalError, parse

    name = "stdin" if file == STDIN else file
    document = _read(file)
    try:
        return parse(document)
    except NotCanonicalError as error:
        raise UsageError(
            f"{name} is a proof, but not in canonical form, so its checksum is not the proof's digest. "
            "If it was only indented, jq --sort-keys --compact-output --join-output . restores it"
        ) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError(f"{name} is not a proof: {error}. Make one with cloison prove --format json") from error


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: the proof could not be read: {error.strerror}") from error
