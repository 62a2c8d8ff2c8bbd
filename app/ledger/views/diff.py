"""Two proofs of a project side by side."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ledger.authorization import Demand, demands
from ledger.views import http_cache, proof_fragments
from ledger.views.queries import archive, the_project, the_proof

bp = Blueprint("diff", __name__, url_prefix="/projects/<project>/diff")


@bp.get("")
@demands(Demand.READER)
def choose(project: str) -> ResponseReturnValue:
    """Lead to the two proofs that were chosen; without a choice, to the newest and the one before it."""
    line = the_project(project)
    if line.last is None:
        return redirect(url_for("project.show", project=project))
    new = request.args.get("new") or line.last.digest
    old = request.args.get("old") or archive().neighbours(project, new)[0] or new
    first, second = sorted((the_proof(project, old), the_proof(project, new)), key=lambda proof: proof.started)
    return redirect(url_for(".show", project=project, old=first.digest, new=second.digest))


@bp.get("/<string(length=64):old>/<string(length=64):new>")
@demands(Demand.READER)
def show(project: str, old: str, new: str) -> ResponseReturnValue:
    """Show what opened and what closed from one proof to the other."""
    before, after, now = the_proof(project, old), the_proof(project, new), http_cache.this_minute()
    return http_cache.answer(
        (now, before, after),
        lambda: render_template(
            "diff.html",
            project=project,
            before=before,
            after=after,
            now=now,
            changes=proof_fragments.difference(project, old, new),
        ),
    )
