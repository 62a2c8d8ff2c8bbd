"""`cloison rehearse`: proves the project's networks on the real engine with idle stand-ins, then removes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from cloison.commands import options
from cloison.commands.options import ProofOptions
from cloison.engine.compose_cli import Selection
from cloison.workflow.request import PolicySource, Request

if TYPE_CHECKING:
    from cloison.proof.schema import Proof


@click.command()
@options.selection
@options.policy_source
@options.proof_options
def command(selection: Selection, policy_source: PolicySource, proof_options: ProofOptions) -> int:
    """Prove the isolation that a Compose file describes, without its images.

    Creates the file's networks on the engine under other names, starts an idle container of a few
    hundred bytes for every service, proves which can reach each other, and removes everything.
    No image of the file runs, nothing is downloaded, and no port or name of a running project is
    used. Needs the engine, as `cloison prove` does.
    """
    from cloison.commands import baseline, operating_system
    from cloison.commands import output as commands_output
    from cloison.commands.progress import status
    from cloison.commands.report_paths import report_paths

    operating_system.check("rehearse")
    report_paths(proof_options.formats, proof_options.output)
    earlier = baseline.load(proof_options, "proof")
    baseline.forget_token()
    request = Request(selection, proof_options.timeout, proof_options.deadline, policy_source)
    with status(quiet=proof_options.quiet) as progress:
        proof = rehearse(request, progress)
    return commands_output.write_reports(proof, proof_options, selection, earlier)


def rehearse(request: Request, progress: Callable[[str], None] = lambda _: None) -> Proof:
    """Rehearse a project and return the proof.

    Raises a CloisonError when the project cannot be resolved or the engine does not answer: see `errors`.
    """
    from cloison.workflow.prove import probe_modules, resolved, run_request

    progress("resolving the Compose file")
    modules = probe_modules("cloison.rehearse.environment")
    document = resolved(request.selection, request.policy_source, *modules)
    from cloison.remote.protocol import AgentRequest

    return run_request(
        AgentRequest(dict(document), request.timeout, is_rehearsal=True, deadline=request.deadline), progress
    )
