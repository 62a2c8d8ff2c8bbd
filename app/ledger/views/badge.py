"""A project's badge, for anybody who knows its address: the verdict and its age, and nothing else."""

from typing import Final

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from ledger.authorization import Demand, demands
from ledger.views import http_cache, time_format
from ledger.views import labels as views_labels
from ledger.views.badge_svg import shield
from ledger.views.queries import archive

bp = Blueprint("badge", __name__)

KEPT: Final = 60  # seconds; what hosts of README files honour, and as fine as the age is told


@bp.get("/badge/<key>.svg")
@demands(Demand.NOTHING)
def show(key: str) -> ResponseReturnValue:
    """Draw the last verdict of the project that has this key."""
    found = archive().badge(key)
    if found is None:
        abort(404, "There is no badge at this address.")
    last = found[1]
    drawn = (
        shield(last.word, time_format.short(last.started, http_cache.this_minute()))
        if last
        else shield(views_labels.NONE, None)
    )
    response = Response(drawn, mimetype="image/svg+xml")
    response.headers["Cache-Control"] = f"public, max-age={KEPT}"
    response.add_etag()
    return response.make_conditional(request)
