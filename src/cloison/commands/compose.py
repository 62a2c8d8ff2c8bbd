"""`cloison compose`: answers Docker Compose as the provider of a service, so that others can depend on a check.

Input: the words with which Compose calls a provider, and the `options` of the service. Output: one JSON message a line.
Rules: stdout is the protocol's, so no report goes there. Compose calls a provider while it creates containers, before
it starts any of them: there is no running project to prove, so the check is a rehearsal or a plan of the file.
Source: https://github.com/docker/compose/blob/main/docs/extension.md
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cloison.engine.compose_cli import Selection
from cloison.errors import CloisonError
from cloison.workflow.request import Request

if TYPE_CHECKING:
    from cloison.plan.schema import Plan
    from cloison.proof.schema import Proof

CHECKS: Final = ("rehearse", "plan")
PARAMETERS: Final = (
    {"name": "file", "description": "Compose file of the project; can be a list", "required": False, "type": "string"},
    {
        "name": "check",
        "description": "rehearse on the engine, or plan without one",
        "required": False,
        "type": "string",
        "default": CHECKS[0],
        "enum": ",".join(CHECKS),
    },
    {"name": "strict", "description": "Whether a tolerated flow fails", "required": False, "type": "boolean"},
    {"name": "output", "description": "File for the JSON document", "required": False, "type": "string"},
)
"""The options of a service with this provider, as `metadata` describes them."""
IGNORE: Final = {"ignore_unknown_options": True}


@click.group()
@click.option("--project-name", "project", default="", metavar="NAME", help="Name of the project.")
@click.pass_context
def command(context: click.Context, project: str) -> None:
    """Answer Docker Compose as the provider of a service.

    Compose calls this for a service with `provider: {type: cloison}`, and services can depend on it:
    they are not created if the networks of the file do not hold. See docs/provider.md.
    """
    context.obj = project


@command.command()
@click.option("--file", "files", multiple=True, metavar="FILE", help="Compose file of the project.")
@click.option("--check", type=click.Choice(CHECKS), default=CHECKS[0], show_default=True, help="What to check it by.")
@click.option("--strict", type=click.BOOL, default=False, metavar="BOOLEAN", help="Whether a tolerated flow fails.")
@click.option("--output", type=click.Path(path_type=Path), help="File for the JSON document.")
@click.argument("service")
@click.pass_obj
def up(project: str, files: tuple[str, ...], check: str, strict: bool, output: Path | None, service: str) -> int:  # noqa: FBT001, PLR0913, PLR0917  # click passes by name, one a word of the protocol
    """Check the project, and fail if it does not hold."""
    try:
        document = _document(check, Selection(files, project))
        if output:
            _write(output, document)
        return _answer(document, service, strict=strict)
    except CloisonError as error:
        _message("error", str(error))
        raise


@command.command(context_settings=IGNORE)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def down(words: tuple[str, ...]) -> None:
    """Release nothing: a check leaves nothing behind."""


@command.command()
def metadata() -> None:
    """Describe the options of a service with this provider."""
    description = "Checks the network isolation that the Compose file declares"
    click.echo(json.dumps({"description": description, "up": {"parameters": PARAMETERS}, "down": {"parameters": []}}))


def _document(check: str, selection: Selection) -> Proof | Plan:
    if check == "plan":
        from cloison.commands import plan

        return plan.planned(selection)
    from cloison.commands import rehearse

    return rehearse.rehearse(Request(selection), lambda sentence: _message("info", sentence))


def _write(output: Path, document: Proof | Plan) -> None:
    from cloison.commands import output as commands_output
    from cloison.proof.schema import canonical_chunks

    commands_output.write_report(output, (chunk.decode() for chunk in canonical_chunks(document)))


def _answer(document: Proof | Plan, service: str, *, strict: bool) -> int:
    """Send the verdict to Compose, and return the exit code; Compose sets the variables in the services that depend."""
    from cloison.reports.content import Content

    content = Content(document, strict=strict)
    verdict = f"{content.headline}: {_counts(content)}"
    _message("info", verdict)
    _message("setenv", f"VERDICT={content.word}")
    _message("setenv", f"DIGEST=sha256:{content.digest}")
    if not content.exit_code:
        return 0
    sentence = next((entry.sentence for entry in content.entries()), "see the document")
    _message("error", f"{service}: {verdict}; {sentence}")
    return content.exit_code


def _counts(content: Any) -> str:
    from cloison_view.labels import counted

    return counted(content.summary.connection_counts, "connection")


def _message(kind: str, message: str) -> None:
    """Send a message: `info`, `error` or `setenv`."""
    click.echo(json.dumps({"type": kind, "message": message}))
