"""`cloison prove --all`: proves every running project of the engine, one after the other, with one line for each.

Rule: a project that cannot be proven is a line, not the end: the others are proven all the same. The exit code is the
worst: 1 if one has a breach, else 3 if one is not proven, else that of a wrong policy or file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloison.commands.options import ProofOptions
from cloison.errors import BREACHED, PROVEN, UNPROVEN, USAGE_ERROR, CloisonError, UsageError, printable
from cloison.workflow.request import PolicySource, Request

if TYPE_CHECKING:
    from cloison.commands.ledger_delivery import LedgerClient
    from cloison.engine.running_projects import RunningProject

WORST_FIRST: Final = (BREACHED, UNPROVEN, USAGE_ERROR, PROVEN)
TERMINAL: Final = "terminal"
NOT_PROVEN: Final = "NOT PROVEN"


def prove_all(policy_source: PolicySource, proof_options: ProofOptions, ledger_client: LedgerClient | None) -> int:
    """Prove every project, print a line for each, write the other reports below the folder of --output.

    Raises UsageError when reports have no folder or a folder has no reports, NotProven when the engine does not answer
    or has no project.
    """
    from cloison.engine import connection
    from cloison.engine.running_projects import running_projects
    from cloison.errors import NotProven

    documents = tuple(name for name in proof_options.formats if name != TERMINAL)
    if documents and (proof_options.output is None or proof_options.output.is_file()):
        raise UsageError(f"--all writes a folder for each project; say with --output where {documents[0]} goes")
    if proof_options.output and not documents:
        raise UsageError("--output is for other reports than the terminal's, which goes to stdout. Add --format json")
    with connection.engine_connection() as engine:
        projects = [project for project in running_projects(engine.api) if project.running]
    if not projects:
        raise NotProven("no Compose project runs on this engine; start one with `cloison up` or `docker compose up -d`")
    codes = [_prove(project, policy_source, proof_options, ledger_client) for project in projects]
    return next(code for code in WORST_FIRST if code in codes)


def _prove(
    project: RunningProject,
    policy_source: PolicySource,
    proof_options: ProofOptions,
    ledger_client: LedgerClient | None,
) -> int:
    from cloison.commands import output as commands_output

    options = replace(proof_options, quiet=True, formats=(TERMINAL,))
    documents = tuple(name for name in proof_options.formats if name != TERMINAL)
    try:
        selection = project.selection()
        if documents and proof_options.output:
            options = replace(options, formats=(TERMINAL, *documents), output=proof_options.output / project.name)
            (proof_options.output / project.name).mkdir(parents=True, exist_ok=True)
        request = Request(selection, options.timeout, options.deadline, policy_source)
        return commands_output.prove_and_report(request, options, ledger_client, None)
    except CloisonError as error:
        commands_output.write_report(None, f"{NOT_PROVEN}  {printable(project.name)}: {error}\n")
        return error.exit_code
    except OSError as error:
        raise UsageError(f"{options.output}: the folder cannot be made: {error.strerror}") from error
