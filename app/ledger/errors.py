"""Every failure as a page for people or a document for programs, never as a trace."""

from http import HTTPStatus
from typing import Final

from flask import Flask, Response, current_app, g, jsonify, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

from ledger.content_negotiation import prefers_json
from ledger.database import DISK_FULL_CODES, code

# What a person can do about it; any other status shows werkzeug's own sentence.
SENTENCES: Final = {
    HTTPStatus.NOT_FOUND: "There is no page at this address, or none that you may see.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The ledger made a mistake. It is in the log of the app service.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database does not answer at the moment. It is usually back within seconds.",
    HTTPStatus.INSUFFICIENT_STORAGE: "The database has no room left. Nothing of this was kept; try again later.",
}


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(SQLAlchemyError, _no_database)
    app.register_error_handler(OSError, _no_database)  # no password yet, or no answer in time


def _refused(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:  # a ready answer, a redirect for one
        return error.response
    status = HTTPStatus(error.code or 500)
    response = _show(status, error.description or "")
    response.headers.extend(
        {name: value for name, value in error.get_headers() if name not in {"Content-Type", "Content-Length"}}
    )
    return response


def _no_database(error: Exception) -> ResponseReturnValue:
    # One line: the statement and the server's message, not a trace per visitor while the database is away.
    current_app.logger.warning("no answer from the database: %s", str(error).splitlines()[:1])
    is_full = isinstance(error, DBAPIError) and code(error) in DISK_FULL_CODES
    return _show(HTTPStatus.INSUFFICIENT_STORAGE if is_full else HTTPStatus.SERVICE_UNAVAILABLE, "")


def _show(status: HTTPStatus, fallback: str) -> Response:
    detail = SENTENCES.get(status, fallback)
    if prefers_json():
        error = {"status": status.value, "title": status.phrase, "detail": detail}
        response = jsonify(error=error | ({"request_id": g.request_id} if "request_id" in g else {}))
    else:
        response = Response(render_template("error.html", status=status, detail=detail))
    response.status_code = status
    response.vary.add("Accept")
    return response
