"""The pages of the proofs of a project: the history, one proof, and its document."""

from typing import Final

from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue

from ledger.authorization import Access, requires
from ledger.views import http_cache, proof_fragments
from ledger.views.queries import archive, body_or_404, project_or_404, proof_or_404

bp = Blueprint("proofs", __name__, url_prefix="/projects/<project>/proofs")

PAGE_PROOFS: Final = 50  # of one page


@bp.get("")
@requires(Access.READER)
def index(project: str) -> ResponseReturnValue:
    """Show the history, newest first; with `only=changes` the proofs that changed a connection."""
    only_changes = request.args.get("only") == "changes"
    before = request.args.get("before")
    record, now = project_or_404(project), http_cache.this_minute()
    try:
        page = archive().proofs(project, before=before, limit=PAGE_PROOFS, only_changes=only_changes)
    except ValueError as error:
        abort(400, str(error))
    return http_cache.respond(
        (now, record, page, before, only_changes),
        lambda: render_template(
            "proofs.html", record=record, page=page, now=now, only_changes=only_changes, before=before
        ),
    )


@bp.get("/<string(length=64):digest>")
@requires(Access.READER)
def show(project: str, digest: str) -> ResponseReturnValue:
    """Show one proof."""
    proof, now = proof_or_404(project, digest), http_cache.this_minute()
    older, newer = archive().adjacent_proofs(project, digest)
    return http_cache.respond(
        (now, proof, older, newer),
        lambda: render_template(
            "proof.html",
            project=project,
            proof=proof,
            older=older,
            newer=newer,
            now=now,
            fragments=proof_fragments.page_fragments(project, digest),
            changes=proof_fragments.difference(project, older, digest) if older else None,
            facts=proof_fragments.facts(project, digest),
        ),
    )


@bp.get("/<string(length=64):digest>/evidence/<int:source>")
@requires(Access.READER)
def evidence(project: str, digest: str, source: int) -> ResponseReturnValue:
    """Show the evidence from one place."""
    proof = proof_or_404(project, digest)

    def render() -> str:
        try:
            name, found = proof_fragments.evidence_page(project, digest, source)
        except LookupError:
            abort(404, f"The proof has no place {source}.")
        return render_template("evidence.html", project=project, proof=proof, source=name, evidence=found)

    return http_cache.respond((proof,), render)


@bp.get("/<string(length=64):digest>.json")
@requires(Access.READER)
def download(project: str, digest: str) -> ResponseReturnValue:
    """Send the bytes whose SHA-256 is `digest`."""
    if digest in request.if_none_match and archive().record(project, digest):
        response = Response(status=304)
    else:
        response = Response(body_or_404(project, digest), mimetype="application/json")
        response.headers["Content-Disposition"] = f'attachment; filename="{project}-{digest[:12]}.json"'
    response.set_etag(digest)
    response.headers["Cache-Control"] = http_cache.REVALIDATE
    return response
