"""`cloison report`: renders a saved proof in any format, with the proof's own exit code."""

from __future__ import annotations

import click

from cloison.commands import options
from cloison.commands.options import OutputOptions
from cloison.engine.compose_cli import Selection
from cloison.reports import REPORTS


@click.command()
@click.argument("file", metavar="FILE", shell_complete=options.complete_file)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="COMPOSE_FILE",
    help="Compose file of the project, in which the SARIF report names lines.",
)
@options.output_options(REPORTS)
def command(file: str, files: tuple[str, ...], output_options: OutputOptions) -> int:
    """Show a proof that was saved with --format json.

    FILE is the document, or - for stdin. Needs no engine and no root. The exit code is that of the
    proof, as when it was made.
    """
    from cloison.commands import documents
    from cloison.commands import output as commands_output
    from cloison.commands.report_paths import report_paths

    report_paths(output_options.formats, output_options.output)
    return commands_output.write_reports(documents.proof(file), output_options, Selection(files) if files else None)
