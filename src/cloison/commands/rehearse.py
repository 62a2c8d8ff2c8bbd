"""`cloison rehearse`: proves the project's networks on the real engine with idle stand-ins, then removes them."""

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
    """Prove the isolation that a Compose file describes, without its images.

    Creates the file's networks on the engine under other names, starts an idle container of a few
    hundred bytes for every service, proves which can reach each other, and removes everything.
    No image of the file runs, nothing is downloaded, and no port or name of a running project is
    used. Needs the engine, as `cloison prove` does.
    """
    from cloison.commands import baseline, operating_system
    from cloison.commands import output as commands_output

    operating_system.check("rehearse")
    commands_output.report_paths(proof_options.formats, proof_options.output)
    earlier = baseline.load(proof_options.baseline, "proof")
    baseline.forget_token()
    with commands_output.status() as progress:
        proof = rehearse(selection, proof_options.timeout, progress, deadline=proof_options.deadline)
    return commands_output.write_reports(proof, proof_options, selection, earlier)


def rehearse(
    selection: Selection, timeout: float, progress: Callable[[str], None] = lambda _: None, *, deadline: float = 0
) -> Proof:
    """Rehearse a project and return the proof; `timeout` and `deadline` in seconds, 0 for the default deadline.

    Raises a CloisonError when the project cannot be resolved or the engine does not answer: see `errors`.
    """
    from cloison.workflow.prove import probe_modules, resolved, run_request

    progress("resolving the Compose file")
    document = resolved(selection, *probe_modules("cloison.rehearse.environment"))
    from cloison.remote.protocol import AgentRequest

    return run_request(AgentRequest(dict(document), timeout, is_rehearsal=True, deadline=deadline), progress)
