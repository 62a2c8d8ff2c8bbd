"""The badge of a project: its last verdict and the age, for everybody who has the address."""

from datetime import timedelta
from typing import Final

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from ledger.authorization import Access, requires
from ledger.views import http_cache, time_format
from ledger.views import labels as views_labels
from ledger.views.badge_svg import badge_svg
from ledger.views.queries import archive

bp = Blueprint("badge", __name__)

CURRENT: Final = timedelta(days=2)  # an older verdict says nothing about now: a timer may be dead
MAX_AGE: Final = 60  # seconds; the ages of a badge have this precision


@bp.get("/badge/<key>.svg")
@requires(Access.PUBLIC)
def show(key: str) -> ResponseReturnValue:
    """Send the last verdict of the project with this key as a picture."""
    found = archive().badge(key)
    if found is None:
        abort(404, "There is no badge at this address.")
    last = found[1]
    if last is None:
        svg = badge_svg(views_labels.NONE, None)
    else:
        now = http_cache.this_minute()
        is_current = time_format.is_current(last.started, now, CURRENT)
        svg = badge_svg(last.word, time_format.short_age(last.started, now), is_current=is_current)
    response = Response(svg, mimetype="image/svg+xml")
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.add_etag()
    return response.make_conditional(request)
