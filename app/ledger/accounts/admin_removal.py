"""Pages for administrators: the removal of a proof and of a project, each confirmed on a page of its own."""

from typing import Final

from flask import Blueprint, abort, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import audit, projects
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import current_actor, engine
from ledger.accounts.errors import InputError
from ledger.accounts.forms import field, query, render_page, run_audited
from ledger.archive import removal
from ledger.authorization import Access, requires

bp = Blueprint("removal", __name__, url_prefix="/admin/projects/<project>", template_folder="templates")

MAX_PROOFS: Final = 20_000
"""Proofs of the largest project that a page removes; a larger one takes longer than the proxy waits."""


@bp.get("/proofs/<string(length=64):digest>/remove")
@requires(Access.ADMINISTRATOR)
def confirm_proof(project: str, digest: str) -> ResponseReturnValue:
    """Show the form that removes a proof."""
    found = query(lambda connection: removal.find_proof(connection, project, digest))
    if found is None:
        abort(404, f"{project} has no proof {digest[:12]}….")
    return render_page("remove_proof.html", project=project, proof=found, digest=digest)


@bp.post("/proofs/<string(length=64):digest>/remove")
@requires(Access.ADMINISTRATOR)
def remove_proof(project: str, digest: str) -> ResponseReturnValue:
    """Remove a proof."""
    try:
        run_audited(
            AuditEvent.PROOF_REMOVAL,
            f"{project}/{digest}",
            lambda connection: removal.remove_proof(connection, project, digest),
        )
    except LookupError as error:
        abort(404, str(error))
    return redirect(url_for("proofs.index", project=project), 303)


@bp.get("/remove")
@requires(Access.ADMINISTRATOR)
def confirm_project(project: str) -> ResponseReturnValue:
    """Show the form that removes a project."""
    return render_page("remove_project.html", project=project, proofs=_count(project))


@bp.post("/remove")
@requires(Access.ADMINISTRATOR)
def remove_project(project: str) -> ResponseReturnValue:
    """Remove a project whose name has been typed."""
    proofs = _count(project)
    refused = None
    if field("name") != project:
        refused = InputError(f"Type {project} to remove the project {project}.", "name")
    elif proofs > MAX_PROOFS:
        refused = InputError(
            f"A page removes at most {MAX_PROOFS:,} proofs: python -m ledger remove-project {project} --yes", "name"
        )
    if refused:
        return render_page("remove_project.html", refused, project=project, proofs=proofs)
    actor = current_actor()

    def record(connection: Connection, removed: int) -> None:
        about = f"{project}, {removed} proofs"
        audit.write(connection, actor, AuditEvent.PROJECT_REMOVAL, about, ledger_clock.now())

    removal.remove_project(engine(), project, record)
    return redirect(url_for("admin.index"), 303)


def _count(project: str) -> int:
    if project not in query(projects.names):
        abort(404, f"There is no project {project[:63]}.")
    return query(lambda connection: removal.count_proofs(connection, project))
