"""A project's badge, for anybody who knows its address: the verdict and its age, and nothing else."""

from typing import Final

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from ledger.gate import Demand, demands
from ledger.views import ages, fresh, words
from ledger.views.reading import archive
from ledger.views.shield import shield

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
    drawn = shield(last.word, ages.short(last.started, fresh.this_minute())) if last else shield(words.NONE, None)
    response = Response(drawn, mimetype="image/svg+xml")
    response.headers["Cache-Control"] = f"public, max-age={KEPT}"
    response.add_etag()
    return response.make_conditional(request)
