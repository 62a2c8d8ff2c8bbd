"""The page that compares two proofs of a project."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ledger.authorization import Access, requires
from ledger.views import http_cache, proof_fragments
from ledger.views.queries import archive, project_or_404, proof_by_prefix, proof_or_404

bp = Blueprint("diff", __name__, url_prefix="/projects/<project>/diff")


@bp.get("")
@requires(Access.READER)
def choose(project: str) -> ResponseReturnValue:
    """Redirect to the comparison of the chosen proofs; without a choice, of the newest and the one before it."""
    record = project_or_404(project)
    if record.last is None:
        return redirect(url_for("project.show", project=project))
    new = request.args.get("new") or record.last.digest
    old = request.args.get("old") or archive().adjacent_proofs(project, new)[0] or new
    first, second = sorted((proof_or_404(project, old), proof_or_404(project, new)), key=lambda proof: proof.started)
    return redirect(url_for(".show", project=project, old=first.digest, new=second.digest))


@bp.get("/<string(minlength=8, maxlength=64):old>/<string(minlength=8, maxlength=64):new>")
@requires(Access.READER)
def show(project: str, old: str, new: str) -> ResponseReturnValue:
    """Show the changes from one proof to the other; the beginning of a digest leads to its whole address."""
    before, after, now = proof_by_prefix(project, old), proof_by_prefix(project, new), http_cache.this_minute()
    if (before.digest, after.digest) != (old, new):
        return redirect(url_for(".show", project=project, old=before.digest, new=after.digest))
    return http_cache.respond(
        (now, before, after),
        lambda: render_template(
            "compare.html",
            project=project,
            before=before,
            after=after,
            now=now,
            changes=proof_fragments.difference(project, old, new),
        ),
    )
