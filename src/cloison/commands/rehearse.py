"""`cloison rehearse`: the project's walls without its images, proven on the real engine and removed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from cloison.commands import options
from cloison.commands.options import Report
from cloison.engine.compose_cli import Selection

if TYPE_CHECKING:
    from cloison.proof.schema import Proof


@click.command()
@options.selection
@options.report
def command(selection: Selection, report: Report) -> int:
    """Prove the walls that a Compose file draws, without its images.

    Builds the file's networks on the engine under other names, puts an idle container of a few
    hundred bytes in the place of every service, proves who can reach whom, and removes everything.
    Nothing of the file runs, nothing is downloaded, and no port or name of a running project is
    touched. Needs the engine, as `cloison prove` does.
    """
    from cloison.commands import output as commands_output

    commands_output.place(report.formats, report.output)
    with commands_output.status() as talk:
        proof = rehearse(selection, report.patience, talk)
    return commands_output.show(proof, report)


def rehearse(selection: Selection, patience: float, talk: Callable[[str], None] = lambda _: None) -> Proof:
    """Rehearse a project and return the proof; `patience` in seconds.

    Raises a CloisonError when there is nothing to judge: see `errors`.
    """
    from cloison.workflow import local_proof

    talk("resolving the Compose file")
    document = local_proof.resolved(selection, "cloison.rehearse.environment", *local_proof.FOR_LOOKING)
    from cloison.remote.protocol import Errand
    from cloison.workflow import prove as workflow_prove

    return workflow_prove.answer(Errand(dict(document), patience, is_rehearsal=True), talk)
