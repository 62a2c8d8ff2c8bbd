"""`cloison rehearse`: the project's walls without its images, proven on the real engine and removed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from cloison.commands import options
from cloison.commands.options import ProofOptions
from cloison.engine.compose_cli import Selection

if TYPE_CHECKING:
    from cloison.proof.schema import Proof


@click.command()
@options.selection
@options.proof_options
def command(selection: Selection, proof_options: ProofOptions) -> int:
    """Prove the walls that a Compose file draws, without its images.

    Builds the file's networks on the engine under other names, puts an idle container of a few
    hundred bytes in the place of every service, proves who can reach whom, and removes everything.
    Nothing of the file runs, nothing is downloaded, and no port or name of a running project is
    touched. Needs the engine, as `cloison prove` does.
    """
    from cloison.commands import output as commands_output

    commands_output.report_paths(proof_options.formats, proof_options.output)
    with commands_output.status() as progress:
        proof = rehearse(selection, proof_options.timeout, progress)
    return commands_output.write_reports(proof, proof_options)


def rehearse(selection: Selection, timeout: float, progress: Callable[[str], None] = lambda _: None) -> Proof:
    """Rehearse a project and return the proof; `patience` in seconds.

    Raises a CloisonError when there is nothing to judge: see `errors`.
    """
    from cloison.workflow.prove import PROBE_MODULES, resolved, run_request

    progress("resolving the Compose file")
    document = resolved(selection, "cloison.rehearse.environment", *PROBE_MODULES)
    from cloison.remote.protocol import AgentRequest

    return run_request(AgentRequest(dict(document), timeout, is_rehearsal=True), progress)
