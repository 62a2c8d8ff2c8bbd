"""What people see. The page has a JSON twin: at its own path, and at the same one for who prefers JSON."""

from dataclasses import asdict

from flask import Blueprint, Response, current_app, jsonify, render_template
from flask.typing import ResponseReturnValue

from ledger.negotiate import prefers_json
from ledger.store import Answer

bp = Blueprint("pages", __name__)


@bp.get("/")
def index() -> ResponseReturnValue:
    """Show which database answers and how many visits it has counted, this one included."""
    answer = _visit()
    response = _as_json(answer) if prefers_json() else Response(render_template("index.html", answer=answer))
    response.vary.add("Accept")
    return response


@bp.get("/index.json")
def index_json() -> ResponseReturnValue:
    """Return the same as a document."""
    return _as_json(_visit())


def _visit() -> Answer:
    answer: Answer = current_app.extensions["tally"].visit()
    return answer


def _as_json(answer: Answer) -> Response:
    document = asdict(answer)
    return jsonify(visits=document.pop("visits"), database=document)
